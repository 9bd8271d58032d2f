"""Walls inside rooms: no circles of files, no private reads across files, no long files. What is left only shrinks."""

from pathlib import Path

import pytest
import walls

# Files that still import each other, at any time or for type checkers.
CIRCLES = [
    {"heads.base", "heads.persistence"},
    {"store." + name for name in ("carrying_out", "merging", "store", "whole")},
    {
        f"store.{name}"
        for name in (
            *("audit", "creation", "database", "files", "model", "reader", "requests", "rows", "tombstones", "turns"),
            "verification",
        )
    },
]

# How often a file still reads private names of another one.
PRIVATE_READS = {
    "heads/persistence.py": 3,
    "statistics/moments.py": 1,
    "store/carrying_out.py": 27,
    "store/merging.py": 5,
    "store/store.py": 2,
    "store/verification.py": 12,
    "store/whole.py": 1,
}

# Files that are still longer than the limit, and how long.
LONG_FILES = {"store/store.py": 423}
LONG_TESTS = {
    "test_cli_store.py": 727,
    "test_nearest_neighbors.py": 689,
    "test_pipeline.py": 787,
    "test_store.py": 1016,
    "test_store_durability.py": 610,
}


def short(path):
    return path.relative_to(walls.PACKAGE).as_posix()


def test_no_files_import_each_other_but_those_on_the_list():
    found = [{module.removeprefix("analytic_cl.") for module in circle} for circle in walls.circles(walls.arrows())]
    new = [circle for circle in found if not any(circle <= known for known in CIRCLES)]
    gone = [circle for circle in CIRCLES if circle not in found]

    assert not new, "these files import each other"
    assert not gone, "there is less of these circles: take them off the list, or put down what is left"


def test_no_file_reads_private_names_of_another_but_those_on_the_list():
    reads = {short(path): list(walls.private_reads(path)) for path in walls.FILES}
    more = {path: names for path, names in reads.items() if len(names) > PRIVATE_READS.get(path, 0)}
    fewer = {path: len(reads.get(path, ())) for path, n in PRIVATE_READS.items() if len(reads.get(path, ())) < n}

    assert not more, "these files read private names of others"
    assert not fewer, "fewer private reads are left: put down the new numbers, and take off zeros"


@pytest.mark.parametrize(
    ("files", "root", "limit", "known"),
    [
        (walls.FILES, walls.PACKAGE, 400, LONG_FILES),
        (sorted(Path(__file__).parent.glob("*.py")), Path(__file__).parent, 600, LONG_TESTS),
    ],
    ids=["package", "tests"],
)
def test_no_file_is_long_but_those_on_the_list(files, root, limit, known):
    lengths = {path.relative_to(root).as_posix(): len(path.read_text().splitlines()) for path in files}
    longer = {path: n for path, n in lengths.items() if n > known.get(path, limit)}
    done = [path for path in known if lengths.get(path, 0) <= limit]

    assert not longer, f"files have at most {limit} lines"
    assert not done, "take these off the list"


# ---- the instruments


def test_circles_are_found_whole_and_apart():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a", "outside"}}

    assert walls.circles(graph) == [("a", "b", "c"), ("d", "e")]
    assert walls.circles({"a": {"b"}, "b": set()}) == []


def test_late_and_type_only_imports_and_those_through_a_room_count():
    arrows = walls.arrows()

    assert "analytic_cl.store.verification" in arrows["analytic_cl.cli.verify_command"]  # for type checkers only
    assert "analytic_cl.comparison.engine" in arrows["analytic_cl.cli.compare_command"]  # inside of a function
    assert "analytic_cl.learner.learner" in arrows["analytic_cl.heads.base"]  # from analytic_cl.learner


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("other._value", ["other._value"]),
        ("self.part._value", ["self.part._value"]),
        ("from analytic_cl.heads.base import _FITTED", ["analytic_cl.heads.base._FITTED"]),
        ("from analytic_cl.extractors import _torch", []),
        ("from analytic_cl import _native", []),
        ("self._value", []),
        ("super()._value", []),
        ("super(A, self)._value", []),
        ("other.__class__", []),
        ("pair._replace(a=1)", []),
        ("self._value = 1; other._value", []),
    ],
)
def test_private_reads_are_told_from_a_files_own_names(tmp_path, line, found):
    path = tmp_path / "some.py"
    path.write_text(line + "\n")

    assert list(walls.private_reads(path)) == found
