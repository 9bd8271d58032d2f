"""`make peers` fails where other people's tests fail for no listed reason, or no longer fail for a listed one."""

import importlib.util
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[1] / "benchmarks" / "peers"
SPEC = importlib.util.spec_from_file_location("peers_reasons", PEERS / "_reasons.py")
reasons_module = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reasons_module)

LISTED = """
[reasons.sparse]
kind = "input refused"
says = "Sparse (data|rows)"
because = "Rows are dense."

[failures.group]
test_rows = { sparse = 2 }
"""


@pytest.fixture
def reasons(tmp_path):
    (tmp_path / "reasons.toml").write_text(LISTED)
    return reasons_module.Reasons(tmp_path / "reasons.toml")


def test_failures_as_listed_are_no_problem(reasons):
    found, problems = reasons.judge([("group", "test_rows", "TypeError: Sparse data was passed")] * 2)

    assert not problems
    assert "| group | 5 | 3 | 2 |" in reasons.tables("file", {"group": 3}, found)


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        ([("group", "test_rows", "Sparse rows")] * 3, "in 3 case(s)"),
        ([("group", "test_rows", "Sparse rows")], "in 1 case(s)"),
        ([], "in 0 case(s)"),
        ([("group", "test_rows", "Sparse rows")] * 2 + [("group", "test_rows", "wrong class")], "without a listed"),
        ([("group", "test_rows", "Sparse rows")] * 2 + [("group", "test_other", "Sparse rows")], "without a listed"),
    ],
)
def test_another_failure_or_one_that_is_gone_is_a_problem(reasons, failed, said):
    assert said in " ".join(reasons.judge(failed)[1])


@pytest.mark.parametrize("path", sorted(PEERS.glob("*_reasons.toml")), ids=lambda path: path.name)
def test_every_reason_of_a_file_is_in_use_and_every_failure_has_one(path):
    reasons = reasons_module.Reasons(path)
    used = {name for counts in reasons.listed.values() for name in counts}

    assert used == set(reasons.reasons)
    assert all(cases > 0 for counts in reasons.listed.values() for cases in counts.values())
