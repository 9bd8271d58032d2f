"""What MkDocs is told beyond mkdocs.yml: pages of the API, a room each, and links from docs/ to files outside of it."""

import ast
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/analytic-cl/analytic-cl"
PACKAGE = "analytic_cl"
# Rooms that users import from.
ROOMS = {
    "heads": "Heads",
    "quantizers": "Quantizers",
    "statistics": "States",
    "learner": "Learner and receipts",
    "ledger": "Ledger",
    "solvers": "Solvers",
    "store": "Store",
    "distributed": "Distributed",
    "extractors": "Extractors",
    "adaptation": "Adaptation",
    "baselines": "Baselines",
    "scenarios": "Scenarios",
    "metrics": "Metrics",
    "comparison": "Comparison",
    "report": "Report",
    "export": "Export",
    "displays": "Displays",
    "datasets": "Data",
    "checks": "Checks",
}
# Those of the inner works have no page: docs/design.md tells of them.
INNER = {"cli", "memory", "reading", "recursive", "studies"}


def public_names(room):
    """Names that a room shows: what it imports under the same name, and what it defines."""
    folder = ROOT / PACKAGE / room
    tree = ast.parse((folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")).read_text())
    names = []
    # Rooms that import lazily name what they have for type checkers alone.
    lazy = [each for node in tree.body if isinstance(node, ast.If) for each in node.body]
    for node in [*lazy, *tree.body]:
        if isinstance(node, ast.ImportFrom):
            names += [alias.name for alias in node.names if alias.asname == alias.name]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
    # Constants have no page of their own.
    return [name for name in names if not name.startswith("_") and not name.isupper()]


def settings():
    """Names that stand in the package itself alone: backends, threads, devices."""
    tree = ast.parse((ROOT / PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return [(each.module, each.names[0].name) for each in block.body if getattr(each, "module", "").count("._")]


def page_of(room, title):
    lines = [f"# {title}", f"::: {PACKAGE}.{room}\n    options: {{show_root_heading: false, members: false}}"]
    lines += [f"::: {PACKAGE}.{room}.{name}" for name in public_names(room)]
    return "\n\n".join(lines) + "\n"


def api_pages():
    """Path and text of each page of the API."""
    yield (
        "reference/settings.md",
        "\n\n".join(["# Settings", *(f"::: {module}.{name}" for module, name in settings())]) + "\n",
    )
    for room, title in ROOMS.items():
        yield f"reference/{room}.md", page_of(room, title)


def on_config(config):
    """Give the pages of the API their place in the navigation."""
    pages = [path for path, _ in api_pages()]
    for section in config.nav:
        for entries in section.values():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and "API" in entry:
                    entry["API"] = pages
    return config


def on_files(files, config):
    """Add the pages of the API, which are nowhere on disk."""
    from mkdocs.structure.files import File  # what is above is read where there is no MkDocs

    for path, text in api_pages():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown, page, **_):
    """Links that leave docs/ lead to the repository; links to pages, which files call by name, show their titles."""
    folder = PurePosixPath("docs", page.file.src_uri).parent
    here = ROOT / folder

    def titled(match):
        target = here / match[2]
        title = target.exists() and re.match(r"# ([^\n:]+)", target.read_text(encoding="utf-8"))
        return f"[{title[1]}]({match[2]}{match[3]})" if title else match[0]

    markdown = re.sub(r"\[([\w/.-]+\.md)\]\(([^)#]*\1)(#[^)]*|)\)", titled, markdown)

    def link(match):
        parts = []
        for part in (folder / match[1]).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        if parts[0] == "docs":
            return match[0]
        kind = "tree" if (ROOT / Path(*parts)).is_dir() else "blob"
        return f"]({REPOSITORY}/{kind}/main/{'/'.join(parts)}{match[2]})"

    return re.sub(r"\]\((\.\./[^)#\s]+)(#[^)]*|)\)", link, markdown)


def on_page_content(html, page, **_):
    """In the API: "array-like" is no subtraction, and a dash stands before words alone."""
    if not page.file.src_uri.startswith("reference/"):
        return html
    html = re.sub(r"<code>(\w+) - like</code>", r"<code>\1-like</code>", html)
    return re.sub(r"\u2013\s*(<div class=\"doc-md-description\">\s*</div>)", r"\1", html)
