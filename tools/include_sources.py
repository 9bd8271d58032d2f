"""Write the code blocks of the tutorials from the files that they show; with --check, say which are out of date.

A comment `<!-- source: PATH NAME ... -->` stands before a block. The block is the file, or the named functions, classes
and methods (CLASS.METHOD) of it. CLASS: is a class up to its first method; methods that follow are shown inside of it.
"""

import ast
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"(<!-- source: (\S+)((?: \S+)*) -->\n)```\w+\n.*?^```$", re.DOTALL | re.MULTILINE)
LANGUAGES = {".py": "py", ".toml": "toml"}


def shown(path, names):
    """The text of a file, or of some of its definitions."""
    text = (ROOT / path).read_text()
    if not names:
        return text.strip()
    lines, tree = text.splitlines(), ast.parse(text)
    parts = [definition(lines, tree, name) for name in names]
    inside = names[0].endswith(":")
    return "\n\n".join(parts) if inside else "\n\n\n".join(map(textwrap.dedent, parts))


def definition(lines, tree, name):
    outer, _, inner = name.partition(".")
    node = named(tree, outer.removesuffix(":"))
    if inner:
        node = named(node, inner)
    last = node.end_lineno
    if outer.endswith(":"):
        last = first_line(next(each for each in node.body if isinstance(each, ast.FunctionDef))) - 1
    return "\n".join(lines[first_line(node) - 1 : last]).strip("\n")


def named(tree, name):
    found = [each for each in tree.body if name in (getattr(each, "name", None), *assigned(each))]
    if not found:
        sys.exit(f"there is no {name} to show")
    return found[0]


def assigned(node):
    return [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]


def first_line(node):
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])


def written(page):
    """A page with its blocks as the files are now."""

    def block(match):
        path = match[2]
        return f"{match[1]}```{LANGUAGES[Path(path).suffix]}\n{shown(path, match[3].split())}\n```"

    return BLOCK.sub(block, page.read_text())


def main():
    stale = [page for page in PAGES if page.read_text() != written(page)]
    if "--check" in sys.argv:
        names = ", ".join(str(page.relative_to(ROOT)) for page in stale)
        sys.exit(f"out of date: {names}; run tools/include_sources.py" if stale else 0)
    for page in stale:
        page.write_text(written(page))


if __name__ == "__main__":
    main()
