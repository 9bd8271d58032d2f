"""Names of classes beside what was learned of their rows."""

import numpy as np
import pytest

from analytic_cl import LDAClassifier, NearestNeighborsClassifier, RandomProjection, RLSClassifier, adaptation

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(6, 20))
NAMES = {label: CENTRES[label] + 0.5 * RNG.normal(size=(3, 20)) for label in range(6)}


def rows(y, seed=0):
    return CENTRES[y] + 1.2 * np.random.default_rng(seed).normal(size=(len(y), 20))


TEST = np.arange(600) % 6
X_TEST = rows(TEST, 9)


def head(n, n_classes=6, **parameters):
    y = np.repeat(range(n_classes), n)
    return LDAClassifier(track="rows", **parameters).fit(rows(y), y)


def test_names_help_where_there_are_few_rows_and_the_folds_find_out_where_they_do_not():
    few, many = head(2), head(200)
    assert adaptation.ZeroShot(few, NAMES).score(X_TEST, TEST) > few.score(X_TEST, TEST) + 0.03
    assert adaptation.ZeroShot(many, NAMES).weight_ <= 10
    assert adaptation.ZeroShot(many, NAMES).score(X_TEST, TEST) > many.score(X_TEST, TEST) - 0.01


def test_a_weight_of_0_is_the_head_bit_for_bit():
    base = head(20)
    np.testing.assert_array_equal(adaptation.ZeroShot(base, NAMES, weight=0).predict(X_TEST), base.predict(X_TEST))


def test_classes_without_rows_are_found_by_their_names():
    base = head(40, n_classes=4)
    model = adaptation.ZeroShot(base, NAMES, weight=10.0)
    right = model.predict(X_TEST) == TEST

    assert model.classes_.tolist() == list(range(6))
    assert right[TEST > 3].mean() > 0.4
    assert right[TEST < 4].mean() > 0.4
    np.testing.assert_allclose(model.predict_proba(X_TEST).sum(axis=1), 1)


def test_a_change_of_the_head_changes_the_weight_and_forgetting_takes_the_class_away():
    y = np.repeat(range(6), 5)
    base = LDAClassifier().fit(rows(y), y, sample_id=range(30))
    model = adaptation.ZeroShot(base, {k: NAMES[k] for k in range(5)})
    before = model.predict_proba(X_TEST)
    base.forget(sample_id=range(25, 30))

    assert model.classes_.tolist() == list(range(5))
    fresh = adaptation.ZeroShot(LDAClassifier(track="rows").fit(rows(y)[:25], y[:25]), model.embeddings)
    np.testing.assert_array_equal(model.predict_proba(X_TEST), fresh.predict_proba(X_TEST))
    assert before.shape == (600, 6)


def test_behind_a_projection_and_without_rows_the_weight_is_that_of_no_folds():
    projected = head(3, projection=RandomProjection(50, random_state=0))
    assert adaptation.ZeroShot(projected, NAMES).weight_ == 300
    y = np.repeat(range(6), 3)
    assert adaptation.ZeroShot(LDAClassifier().fit(rows(y), y), NAMES).weight_ == 300
    assert adaptation.ZeroShot(head(1), NAMES).weight_ == 300


def test_the_cache_votes_and_a_forgotten_row_votes_no_more():
    y = np.repeat(range(6), 4)
    base = NearestNeighborsClassifier().fit(rows(y), y, sample_id=range(24))
    model = adaptation.TipAdapter(base, NAMES, alpha=20.0)
    names_alone = adaptation.TipAdapter(base, NAMES, alpha=0.0)
    assert model.score(X_TEST, TEST) > names_alone.score(X_TEST, TEST)
    base.forget(sample_id=[3, 7])
    kept = np.delete(np.arange(24), [3, 7])
    fresh = NearestNeighborsClassifier().fit(rows(y)[kept], y[kept])

    np.testing.assert_allclose(
        model.predict_proba(X_TEST[:9]), adaptation.TipAdapter(fresh, NAMES, alpha=20.0).predict_proba(X_TEST[:9])
    )


def test_rows_that_fit_a_name_are_mostly_of_its_class_and_stand_under_one():
    found = adaptation.rows_by_name(X_TEST, NAMES)

    assert len(set(found.rows.tolist())) == len(found.rows) <= 6 * 16
    assert (TEST[found.rows] == found.labels).mean() > 0.9
    base = LDAClassifier().fit(X_TEST[found.rows], found.labels, sample_id=[f"machine {row}" for row in found.rows])
    assert base.score(X_TEST, TEST) > 0.5


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: adaptation.ZeroShot(head(3), {0: np.ones(3)}).predict(X_TEST),
            ValueError,
            "one network must make both",
        ),
        (lambda: adaptation.ZeroShot(head(3), {}).predict(X_TEST), ValueError, "holds no class"),
        (lambda: adaptation.ZeroShot(head(3), {"a": np.ones(20)}).predict(X_TEST), ValueError, "kind|mix"),
        (lambda: adaptation.ZeroShot(head(3), NAMES, weight=-1).predict(X_TEST), ValueError, "weight must be"),
        (lambda: adaptation.ZeroShot(head(3), NAMES, unseen=np.nan).predict(X_TEST), ValueError, "unseen"),
        (lambda: adaptation.ZeroShot(RLSClassifier(), NAMES).predict(X_TEST), ValueError, "predict_proba"),
        (lambda: adaptation.TipAdapter(LDAClassifier(), NAMES).predict(X_TEST), ValueError, "not fitted"),
        (
            lambda: adaptation.TipAdapter(LDAClassifier().fit(X_TEST, TEST), NAMES).predict(X_TEST),
            ValueError,
            "does not keep all learned rows",
        ),
        (lambda: adaptation.TipAdapter(head(3), NAMES, beta=0).predict(X_TEST), ValueError, "beta"),
        (
            lambda: adaptation.TipAdapter(head(3, projection=RandomProjection(9, random_state=0)), NAMES).classes_,
            ValueError,
            "take no projection",
        ),
        (lambda: adaptation.rows_by_name(X_TEST, NAMES, n_rows=0), ValueError, "n_rows"),
        (lambda: adaptation.rows_by_name(X_TEST, NAMES, scale=0), ValueError, "scale"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
