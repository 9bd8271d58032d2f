"""The published Si-Blurry sampler, written once more from its description, against ours: equal in distribution."""

import random as python_random

import numpy as np
import pytest
from scipy.stats import ks_2samp

from analytic_cl.scenarios import i_blurry, si_blurry

SEEDS = 200
SETTINGS = {  # classes, rows a class, sessions, disjoint per cent, blurry per cent
    "CIFAR-100, a tenth of its rows": (100, 50, 5, 50, 10),
    "classes left over": (53, 40, 5, 50, 30),
    "few disjoint classes, much blur": (40, 50, 4, 25, 90),
}


def published(labels, n_sessions, disjoint, blurry, seed):
    """Sessions as lists of rows."""
    draw = python_random.Random(seed)
    classes = sorted(set(labels))
    n_disjoint = int(len(classes) * disjoint / 100) // n_sessions * n_sessions
    n_blurry = (len(classes) - n_disjoint) // n_sessions * n_sessions
    draw.shuffle(classes)

    def cut(items):
        marks = sorted(draw.randrange(len(items)) for _ in range(n_sessions - 1))
        return [items[a:b] for a, b in zip([0, *marks], [*marks, len(items)], strict=True)]

    own_classes = cut(classes[:n_disjoint])
    shared_classes = cut(classes[n_disjoint : n_disjoint + n_blurry])
    rows_of = {k: [] for k in classes}
    for row, label in enumerate(labels):
        rows_of[label].append(row)
    own = [[row for k in group for row in rows_of[k]] for group in own_classes]
    shared = [sorted(row for k in group for row in rows_of[k]) for group in shared_classes]

    n_pool = int(sum(len(rows) for rows in shared) * blurry / 100)
    quotas = [len(part) for part in cut(range(n_pool))]
    pool = []
    for rows, quota in zip(shared, quotas, strict=True):
        pool += rows[:quota]
        del rows[:quota]
    draw.shuffle(pool)
    sessions = []
    for mine, rows, quota in zip(own, shared, quotas, strict=True):
        sessions.append(mine + rows + pool[:quota])
        del pool[:quota]
        draw.shuffle(sessions[-1])
    return sessions


def statistics(labels, sessions):
    """Of one stream: sizes, distinct classes, and strays: rows in another session than most of their class."""
    places = [np.asarray(rows, dtype=np.int64) for rows in sessions]
    counts = np.array([np.bincount(labels[rows], minlength=labels.max() + 1) for rows in places])
    strays = counts.sum(axis=0) - counts.max(axis=0)
    alone = (counts > 0).sum(axis=0) == 1
    sizes = counts.sum(axis=1)
    return {
        "size of a session": sizes,
        "size of the first session": sizes[:1],
        "size of the last session": sizes[-1:],
        "largest session": [sizes.max()],
        "classes of a session": (counts > 0).sum(axis=1),
        "share of rows that stray": [strays.sum() / sizes.sum()],
        "strays of a class": strays[counts.sum(axis=0) > 0][:10],
        "sessions of a class": (counts > 0).sum(axis=0)[:10],
        "rows used": [sizes.sum()],
        "classes in one session only": [alone.sum()],
        "sessions without a class of their own": [(~((counts > 0) & alone).any(axis=1)).sum()],
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_si_blurry_has_the_distribution_of_the_published_sampler(name):
    n_classes, n_rows, *settings = SETTINGS[name]
    labels = np.random.default_rng(0).permutation(np.arange(n_classes * n_rows) % n_classes)
    ours, theirs = {}, {}
    for seed in range(SEEDS):
        mine = [s.train for s in si_blurry(labels, *settings, seed, drop_remainder=True, blur_first_rows=True)]
        for into, sessions in ((ours, mine), (theirs, published(labels.tolist(), *settings, seed))):
            for key, values in statistics(labels, sessions).items():
                into.setdefault(key, []).extend(values)

    for key, values in ours.items():
        assert ks_2samp(values, theirs[key], method="asymp").pvalue > 0.001, key
        error = np.hypot(np.std(values), np.std(theirs[key])) / np.sqrt(SEEDS)
        assert abs(np.mean(values) - np.mean(theirs[key])) <= 4 * error, key


def test_si_blurry_sizes_are_those_measured_for_the_published_sampler():
    labels = np.arange(50_000) % 100
    sizes = np.array([[len(s.train) for s in si_blurry(labels, seed=seed)] for seed in range(SEEDS)])

    assert sizes.sum(axis=1).tolist() == [50_000] * SEEDS
    assert 8500 < np.median(sizes) < 10_000  # 9,302 of another 200 seeds
    assert sizes.min() < 1500
    assert 27_000 < sizes.max() < 38_000  # 30,705
    ratio = np.mean(sizes.max(axis=1) / np.maximum(sizes.min(axis=1), 1))
    assert 5 < ratio < 12  # 7.6


def test_options_change_only_which_rows_are_blurred_and_which_classes_are_used():
    labels = np.arange(1000) % 20

    def sessions(seed, **options):
        return si_blurry(labels, seed=seed, **options)

    for seed in range(20):
        plain, first = sessions(seed), sessions(seed, blur_first_rows=True)
        dropped = sessions(seed, drop_remainder=True)
        assert [len(s.train) for s in dropped] == [len(s.train) for s in plain]  # 20 classes leave no remainder
        assert sum(len(s.train) for s in first) == 1000

    uneven = np.arange(1060) % 53  # 26 and 27 classes; published: 25 and 25
    assert len(np.unique(np.concatenate([s.train for s in si_blurry(uneven, drop_remainder=True)]) % 53)) == 50
    assert len(np.unique(np.concatenate([s.train for s in si_blurry(uneven)]) % 53)) == 53


def test_first_rows_are_blurred_only_where_asked():
    """With one disjoint class at most, rows that stray are the first of their session, or any."""
    labels = np.arange(4000) % 8
    for seed in range(5):
        for first in (True, False):
            sessions = si_blurry(labels, 2, 0, 20, seed, blur_first_rows=first)
            home = {k: max(range(2), key=lambda t, k=k: (labels[sessions[t].train] == k).sum()) for k in range(8)}
            strays = [row for t in range(2) for row in sessions[t].train if home[labels[row]] != t]
            if strays and first:
                assert max(strays) < 2500
            elif len(strays) > 100:
                assert max(strays) > 3000


@pytest.mark.parametrize(("disjoint", "blurry"), [(50, 10), (0, 30), (100, 10), (30, 100), (50, 0)])
def test_i_blurry_shares_a_fixed_part_of_blurry_rows_evenly(disjoint, blurry):
    labels = np.arange(5000) % 50
    for seed in range(5):
        counts = np.array(
            [np.bincount(labels[s.train], minlength=50) for s in i_blurry(labels, 5, disjoint, blurry, seed)]
        )
        alone = (counts > 0).sum(axis=0) == 1
        assert counts.sum(axis=1).max() - counts.sum(axis=1).min() <= 100
        if blurry:
            assert alone.sum() == pytest.approx(50 * disjoint / 100, abs=2)
            strays = (counts.sum(axis=0) - counts.max(axis=0)).sum()
            pool = 5000 * (100 - disjoint) / 100 * blurry / 100
            if blurry < 100:  # a fifth of the pool comes home again
                assert strays == pytest.approx(pool * 4 / 5, rel=0.15, abs=20)
        else:
            assert alone.all()
