"""Numbers of threads and sizes of blocks that are invalid are refused, and star imports take no name of others."""

import numpy as np
import pytest

import analytic_cl
from analytic_cl import LDAClassifier, get_threads, use_threads
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl.statistics.class_sums import class_sums

WRONG = ["-1", "0", "", "abc", "1.5", " 2", "2 ", "+2", "1e1", "0x2", "\u0662", "99999", "1_0", "None"]


@pytest.mark.parametrize("text", WRONG)
def test_a_number_of_threads_in_the_environment_that_is_none_is_refused(monkeypatch, text):
    head = LDAClassifier().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    before = head.state_digest()
    monkeypatch.setenv("ANALYTIC_CL_NUM_THREADS", text)
    with pytest.raises(ValueError, match="ANALYTIC_CL_NUM_THREADS must be a whole number from 1 to 4096, got"):
        get_threads()
    with pytest.raises(ValueError, match="ANALYTIC_CL_NUM_THREADS"):
        class_sums(np.ones((2**11, 2**10), dtype=np.int8), np.zeros(2**11, dtype=np.int64), 1)
    with pytest.raises(ValueError, match="ANALYTIC_CL_NUM_THREADS"):
        head.partial_fit([[2.0, 3.0]], [1])
    with use_threads(2):
        assert get_threads() == 2
    monkeypatch.delenv("ANALYTIC_CL_NUM_THREADS")

    assert head.state_digest() == before


@pytest.mark.parametrize("text", ["1", "2", "016", "4096"])
def test_a_number_of_threads_in_the_environment_counts(monkeypatch, text):
    monkeypatch.setenv("ANALYTIC_CL_NUM_THREADS", text)

    assert get_threads() == int(text)
    rows = np.ones((2**11, 2**10), dtype=np.int8)
    if int(text) < 20:
        assert (class_sums(rows, np.zeros(2**11, dtype=np.int64), 1) == 2**11).all()


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2", None, 2**40])
def test_a_number_of_threads_that_is_none_is_refused(n):
    with pytest.raises(ValueError, match="whole number from 1 to 4096"), use_threads(n):
        pass


def test_blocks_without_rows_are_refused():
    for size in (0, -1):
        with pytest.raises(ValueError, match="at least 1 row"):
            row_blocks(10, size)
    assert row_blocks(0, 3) == []
    assert map_blocks(lambda part: part.stop - part.start, row_blocks(7, 3)) == [3, 3, 1]


def test_a_star_import_leaves_the_load_of_others_alone():
    names = {}
    exec("from json import load\nfrom analytic_cl import *", names)

    assert names["load"].__module__ == "json"
    assert names["LDAClassifier"] is LDAClassifier
    assert callable(analytic_cl.load)
    assert "load" in dir(analytic_cl)
