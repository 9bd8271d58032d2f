"""Streams of test rows, and corrupted images."""

import numpy as np
import pytest

from analytic_cl.scenarios import correlated, corrupt, gradual_shift, label_shift, relabelled

Y = np.random.default_rng(5).integers(0, 12, 3000)
NAMES = np.array([f"class {k:02}" for k in range(12)])


def shares(rows):
    return np.bincount(Y[rows], minlength=12) / len(rows)


@pytest.mark.parametrize("stream", [label_shift, gradual_shift])
def test_batches_have_the_frequencies_that_they_say(stream):
    for batch in stream(Y, n_batches=3, batch_size=4000, concentration=0.3, seed=2):
        assert len(batch.rows) == 4000
        assert batch.priors.sum() == pytest.approx(1)
        assert np.abs(shares(batch.rows) - batch.priors).max() < 0.03


def test_a_gradual_shift_begins_where_the_labels_are_and_ends_where_the_sudden_one_is():
    gradual = gradual_shift(Y, n_batches=5, seed=3)
    sudden = label_shift(Y, n_batches=1, seed=3)

    np.testing.assert_allclose(gradual[0].priors, np.bincount(Y) / len(Y))
    np.testing.assert_allclose(gradual[-1].priors, sudden[0].priors)
    steps = [np.abs(batch.priors - gradual[0].priors).sum() for batch in gradual]
    assert np.diff(steps).min() > 0


def test_correlated_batches_hold_every_row_once_and_few_classes():
    def classes(concentration):
        batches = correlated(Y, 50, concentration, seed=1)
        assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(len(Y)))
        return np.mean([len(np.unique(Y[rows])) for rows in batches])

    assert classes(0.01) < 4
    assert classes(100.0) > 10


def test_relabelling_moves_a_share_of_the_classes_and_only_those():
    moved = relabelled(NAMES[Y], share=0.5, seed=1)
    changed = np.unique(NAMES[Y][moved != NAMES[Y]])

    assert len(changed) == 6
    assert len({(a, b) for a, b in zip(NAMES[Y], moved, strict=True)}) == 12
    np.testing.assert_array_equal(relabelled(Y, share=0.0), Y)


@pytest.mark.parametrize("make", [label_shift, gradual_shift, correlated, relabelled])
def test_one_seed_gives_one_stream_and_names_make_no_difference(make):
    def rows(y, seed):
        made = make(y, seed=seed)
        if make is relabelled:
            return [NAMES[made]] if made.dtype.kind == "i" else [made]
        return [batch.rows if hasattr(batch, "rows") else batch for batch in made]

    for one, other in zip(rows(Y, 4), rows(NAMES[Y], 4), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(not np.array_equal(one, other) for one, other in zip(rows(Y, 4), rows(Y, 5), strict=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: label_shift(Y, concentration=0), "concentration must be a positive number"),
        (lambda: label_shift(Y, concentration=float("inf")), "concentration must be a positive number"),
        (lambda: label_shift(Y, n_batches=0), "n_batches"),
        (lambda: correlated(Y, 0), "batch_size"),
        (lambda: correlated([], 5), "empty"),
        (lambda: relabelled(Y, share=1.2), "share must be"),
        (lambda: relabelled(Y, seed=None), "seed"),
    ],
)
def test_bad_settings_are_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


KINDS = ["noise", "blur", "contrast", "brightness", "occlusion", "shift"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_corruption_grows_with_its_severity_and_keeps_shape_type_and_range(kind, dtype):
    images = np.random.default_rng(0).integers(0, 200, (20, 12, 12)).astype(np.uint8)
    images = images if dtype is np.uint8 else (images / 255).astype(dtype)
    away = []
    for severity in (1, 3, 5):
        changed = corrupt(images, kind, severity)
        assert changed.dtype == dtype
        assert changed.shape == images.shape
        assert changed.min() >= 0
        assert changed.max() <= (255 if dtype is np.uint8 else 1)
        away.append(np.abs(changed.astype(float) - images).mean())
    assert 0 < away[0] < away[2]
    np.testing.assert_array_equal(corrupt(images, kind, 3, seed=1), corrupt(images, kind, 3, seed=1))


def test_colour_images_and_none_at_all_are_corrupted_too():
    for kind in KINDS:
        assert corrupt(np.ones((2, 6, 6, 3)), kind).shape == (2, 6, 6, 3)
        assert corrupt(np.ones((0, 6, 6)), kind).shape == (0, 6, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((4, 4)), "noise"), "images must be"),
        ((np.zeros((1, 4, 4), int), "noise"), "images must be"),
        ((np.zeros((1, 4, 4)), "fog"), "kind must be one of"),
        ((np.zeros((1, 4, 4)), "noise", 6), "severity"),
    ],
)
def test_bad_images_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        corrupt(*arguments)
