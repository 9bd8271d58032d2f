"""Failures of other people's tests against the reasons that we list for them, and the page that shows both."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"
TITLE = """# Tests of other libraries

Written by `make peers`, which fails where a test fails without one of these reasons, or no longer fails for one.
"""


class Reasons:
    """A TOML file of reasons, and for each test how many of its cases fail for which.

    ``[reasons.NAME]`` has `kind`, a heading of the table; `says`, a pattern that a failure's message must contain; and
    `because`. ``[failures."GROUP"]`` has lines ``TEST = { NAME = CASES }``.
    """

    def __init__(self, path: Path) -> None:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        self.reasons: dict[str, dict[str, str]] = read["reasons"]
        self.listed: dict[tuple[str, str], dict[str, int]] = {
            (group, test): counts for group, tests in read["failures"].items() for test, counts in tests.items()
        }

    @property
    def kinds(self) -> list[str]:
        return list(dict.fromkeys(reason["kind"] for reason in self.reasons.values()))

    def judge(self, failed: list[tuple[str, str, str]]) -> tuple[Counter[tuple[str, str, str]], list[str]]:
        """Cases by group, test and reason, of failures given as group, test and message; and what is not as listed."""
        found: Counter[tuple[str, str, str]] = Counter()
        problems = []
        for group, test, message in failed:
            names = [n for n in self.listed.get((group, test), {}) if re.search(self.reasons[n]["says"], message)]
            if names:
                found[group, test, names[0]] += 1
            else:
                problems.append(f"{group}: {test} fails without a listed reason: {' '.join(message.split())[:300]}")
        for (group, test), counts in self.listed.items():
            for name, cases in counts.items():
                if found[group, test, name] != cases:
                    problems.append(
                        f"{group}: {test} fails in {found[group, test, name]} case(s) by reason {name}, "
                        f"where {cases} are listed"
                    )
        return found, list(dict.fromkeys(problems))

    def tables(self, header: str, passed: dict[str, int], found: Counter[tuple[str, str, str]]) -> str:
        """Two tables in Markdown: counts by group, and every failing test with its reason."""
        lines = [f"| {header} | run | passed | " + " | ".join(self.kinds) + " |", "|---" * (3 + len(self.kinds)) + "|"]
        kinds: Counter[tuple[str, str]] = Counter()
        for (group, _, name), cases in found.items():
            kinds[group, self.reasons[name]["kind"]] += cases
        rows = {group: [n, *(kinds[group, kind] for kind in self.kinds)] for group, n in passed.items()}
        if len(rows) > 1:
            rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
        lines += [f"| {group} | {sum(row)} | " + " | ".join(map(str, row)) + " |" for group, row in rows.items()]
        failing: dict[tuple[str, str], list[str]] = {}
        for (group, test, name), cases in sorted(found.items()):
            failing.setdefault((group, name), []).append(f"`{test}`" + (f" ({cases} cases)" if cases > 1 else ""))
        lines += ["", f"| {header} | failing tests | reason |", "|---|---|---|"]
        lines += [
            f"| {group} | {', '.join(tests)} | {self.reasons[name]['because']} |"
            for (group, name), tests in failing.items()
        ]
        return "\n".join(lines)


def write_section(title: str, text: str) -> None:
    """Put a section into the page, in place of the one with its title."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else TITLE
    sections = {part.split("\n", 1)[0]: part for part in page.split("\n## ")[1:]}
    sections[title] = f"{title}\n\n{text.strip()}\n"
    body = "\n".join("## " + sections[name].strip() + "\n" for name in sorted(sections, reverse=True))
    PAGE.write_text(f"{TITLE}\n{body}", encoding="utf-8")
