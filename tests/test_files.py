"""Files are there whole or not at all; integers are integers; JSON has one spelling."""

import os
import stat

import numpy as np
import pytest

from analytic_cl._files import replacing, write_file
from analytic_cl._integers import as_integer
from analytic_cl._json import canonical


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_fails_while_it_is_written_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "a.bin"
    write_file(path, b"old")

    def interrupted():
        with replacing(path) as draft:
            draft.write_bytes(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_its_owners_alone_and_another_follows_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        write_file(tmp_path / "mine", b"x")
        write_file(tmp_path / "ours", b"x", private=False)
    finally:
        os.umask(before)

    assert mode(tmp_path / "mine") == 0o600
    assert mode(tmp_path / "ours") == 0o644


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_of_any_type_are_taken(value):
    assert as_integer("k", value, 1, 3) == 3
    assert type(as_integer("k", value, 1)) is int


@pytest.mark.parametrize("value", [True, np.True_, 2.0, np.float32(2), "2", None, 0, 4, np.array([2]), 2**70])
def test_what_is_no_integer_within_bounds_is_refused(value):
    with pytest.raises(ValueError, match="k must be an integer from 1 to 3, got "):
        as_integer("k", value, 1, 3)


def test_json_has_one_spelling_and_no_nan():
    assert canonical({"b": [1, 2.5], "a": "\xe9"}) == rb'{"a":"\u00e9","b":[1,2.5]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})
