"""A factor in float32, refined in float64, solves as well as one in float64, or says that it can't."""

import numpy as np
import pytest
from scipy.linalg import LinAlgWarning, cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from analytic_cl import Moments, _parallel, use_threads
from analytic_cl.quantizers import resolve_quantizer
from analytic_cl.solvers import refined, regularised, spd


def system(d=200, k=3, condition=1e3, seed=0, units=0):
    """A with this condition number, in units that differ by 10^units, and right-hand sides; only its upper triangle."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=(d, d)))[0]
    unit = 10.0 ** rng.uniform(-units, units, d)
    a = (q * np.geomspace(1, 1 / condition, d)) @ q.T * unit[:, None] * unit
    return (a + a.T) / 2, rng.normal(size=(d, k)) * unit[:, None]


def upper(a):
    return np.where(np.tril(np.ones_like(a), -1) > 0, 1e9, a)  # what is below the diagonal has no meaning


@pytest.mark.parametrize(("condition", "units"), [(1.0, 0), (1e3, 0), (1e5, 0), (1e3, 6), (1e3, 80)])
def test_the_residual_is_at_the_level_of_float64(condition, units):
    a, right = system(condition=condition, units=units)
    scale = 1 / np.sqrt(a.diagonal())
    mine, peer = refined.solve_refined(upper(a), right), cho_solve(cho_factor(a), right)

    size = np.abs(peer / scale[:, None]).max()

    def residual(w):
        return np.abs(scale[:, None] * (right - a @ w)).max()

    assert residual(mine) <= 2 * residual(peer) + 1e-16
    np.testing.assert_allclose(mine / scale[:, None], peer / scale[:, None], rtol=0, atol=1e-13 * condition * size)


def test_the_matrix_and_right_hand_sides_stay_and_the_bits_are_the_same():
    a, right = system()
    right[:, 1] = 0
    before = a.copy(), right.copy()
    first, second = refined.solve_refined(a, right), refined.solve_refined(a, right)
    np.testing.assert_array_equal(first, second)
    assert not first[:, 1].any()
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(right, before[1])


@pytest.mark.parametrize(("condition", "saved"), [(1.0, 0), (100.0, 1), (3e3, 1), (3e4, 0), (1e5, 1), (1e7, 0)])
def test_a_residual_that_is_not_found_would_have_been_small_enough(condition, saved, monkeypatch):
    a, right = system(condition=condition)
    found, residual = [], refined._residual
    monkeypatch.setattr(refined, "_residual", lambda *of: found.append(of) or residual(*of))
    w = refined.solve_refined(a, right)
    without = len(found)
    monkeypatch.setattr(refined, "_MARGIN", np.inf)
    np.testing.assert_array_equal(refined.solve_refined(a, right), w)
    assert len(found) - without == without + saved


def test_one_right_hand_side_is_solved_as_it_is_among_many():
    a, right = system(k=2)
    one, two = refined.solve_refined(a, right[:, :1]), refined.solve_refined(a, right)
    assert one.shape == (200, 1)
    np.testing.assert_allclose(one, two[:, :1], rtol=0, atol=1e-10 * np.abs(one).max())
    one, two = (spd.solve_spd(a.copy(), right[:, :k], lambda: a) for k in (1, 2))
    np.testing.assert_allclose(one, two[:, :1], rtol=0, atol=1e-10 * np.abs(one).max())


@pytest.fixture
def refining(monkeypatch):
    """Of narrow systems, too."""
    monkeypatch.setattr(refined, "_WIDE", 100)
    monkeypatch.setattr(refined, "_ENTRIES", 1)


@pytest.mark.usefixtures("refining")
@pytest.mark.parametrize("condition", [1e9, 1e12])
def test_where_it_does_not_converge_float64_takes_over_and_that_is_said(condition):
    a, right = system(condition=condition)
    with pytest.warns(LinAlgWarning, match="factored in float64"):
        found = spd.solve_spd(upper(a), right, lambda: a)
    np.testing.assert_array_equal(found, spd.lapack.dpotrs(spd.factor_spd(upper(a)), right, lower=1)[0])


@pytest.mark.usefixtures("refining")
def test_a_singular_matrix_is_still_solved_without_its_null_directions():
    rows = np.random.default_rng(0).normal(size=(50, 200))
    a = rows.T @ rows
    right = a @ np.ones((200, 1))
    with pytest.warns(LinAlgWarning) as said:
        found = spd.solve_spd(a.copy(), right, lambda: a.copy())
    assert [str(each.message)[:8] for each in said] == ["refining", "the regu"]
    np.testing.assert_allclose(a @ found, right, rtol=1e-9)


def test_the_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(_parallel, "_WIDE", 1)
    random = np.random.RandomState(0)
    quantizer = resolve_quantizer("integers", None, n_features=400)
    moments = Moments(quantizer)
    moments.add(random.randint(-127, 128, size=(900, 400)).astype(np.int8), random.randint(0, 3, size=900))
    found = []
    for threads in (1, 3):
        with use_threads(threads), threadpool_limits(1):
            a, strength = regularised(moments, "oas", True)
            found.append((np.triu(a), strength, refined.solve_refined(a, a[:1].T)))
    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)


def test_only_wide_systems_with_few_right_hand_sides_are_refined():
    assert [refined.pays(*shape) for shape in ((2048, 1), (2048, 16), (4096, 64), (8192, 170))] == [True] * 4
    assert not any(refined.pays(*shape) for shape in ((2047, 1), (2048, 17), (4096, 65), (8192, 171)))
