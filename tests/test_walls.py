"""Walls inside rooms: no circles of files, no private reads across files, no long files."""

from pathlib import Path

import pytest
import walls


def test_no_files_import_each_other():
    """Late imports and imports for type checkers count."""
    assert walls.circles(walls.arrows()) == []


def test_no_file_reads_private_names_of_another():
    reads = {path.relative_to(walls.PACKAGE).as_posix(): list(walls.private_reads(path)) for path in walls.FILES}
    assert {path: names for path, names in reads.items() if names} == {}


@pytest.mark.parametrize(
    ("files", "limit"),
    [(walls.FILES, 400), (sorted(Path(__file__).parent.glob("*.py")), 600)],
    ids=["package", "tests"],
)
def test_no_file_is_long(files, limit):
    lengths = {path.name: len(path.read_text().splitlines()) for path in files}
    assert {name: n for name, n in lengths.items() if n > limit} == {}


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
