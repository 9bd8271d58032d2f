"""Which classes are confused, from the state alone: right where the model is, and of use on real rows."""

import numpy as np
import pytest
from click.testing import CliRunner
from common import blobs
from scipy.stats import norm
from sklearn.metrics import confusion_matrix

from analytic_cl import GaussianClassifier, LDAClassifier, NearestMeanClassifier, RLSClassifier, Store
from analytic_cl.cli.main import main
from analytic_cl.datasets import load_clinc150
from analytic_cl.report import class_graph
from analytic_cl.report.class_graph import apart, layout, spanning_tree


def line(spreads, n=20_000, seed=0):
    """Classes at 0, 2, 6 of one column, with standard deviations `spreads`, beside a column of noise."""
    y = np.arange(n) % len(spreads)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    X[:, 0] = X[:, 0] * np.array(spreads)[y] + np.array([0.0, 2.0, 6.0])[y]
    return X, y


@pytest.mark.parametrize("means", ["shrunk", "plain"])
@pytest.mark.parametrize("priors", [None, [0.6, 0.3, 0.1]])
def test_expected_errors_are_those_of_gaussians_with_one_covariance(means, priors):
    X, y = line([1.0, 1.0, 1.0])
    head = LDAClassifier(means=means, priors=priors).fit(X, y)
    first, *_ = head.confusable_pairs()
    p, q = (0.5, 0.5) if priors is None else (2 / 3, 1 / 3)
    cut = 1 + np.log(p / q) / 2

    assert [pair[:2] for pair in head.confusable_pairs()] == [(0, 1), (1, 2), (0, 2)]
    assert first.error == pytest.approx(p * norm.sf(cut) + q * norm.cdf(cut - 2), rel=0.03)
    assert head.confusable_pairs(1) == [first]


def test_classes_of_their_own_width_are_expected_to_err_by_it():
    X, y = line([0.5, 0.5, 2.0])
    own, shared = (head.fit(X, y).confusable_pairs(1)[0] for head in (GaussianClassifier(), LDAClassifier()))
    scores = LDAClassifier().fit(X, y).decision_function(X)
    lost = [(scores[y == a, b] > scores[y == a, a]).mean() for a, b in ((1, 2), (2, 1))]

    assert own[:2] == (1, 2)
    assert shared[:2] == (0, 1)
    assert own.error == pytest.approx(np.mean(lost), rel=0.05)


def test_a_temperature_widens_classes():
    X, y = line([1.0, 1.0, 1.0])
    head = LDAClassifier().fit(X, y)
    [cool] = head.confusable_pairs(1)
    [warm] = head.set_params(temperature=4.0).confusable_pairs(1)

    assert norm.ppf(warm.error) == pytest.approx(norm.ppf(cool.error) / 2, rel=1e-6)


def test_far_pairs_keep_their_order_where_errors_vanish():
    X, y = blobs(80, 3, 4)
    head = LDAClassifier().fit(1000 * np.arange(4)[y][:, None] ** 2 + X, y)
    errors = head.log_pair_errors()

    assert [pair[:2] for pair in head.confusable_pairs()] == [(0, 1), (1, 2), (0, 2), (2, 3), (1, 3), (0, 3)]
    assert head.confusable_pairs()[-1].error == 0
    np.testing.assert_array_equal(errors, errors.T)
    assert sorted(map(sorted, spanning_tree(errors))) == [[0, 1], [1, 2], [2, 3]]


def test_pairs_follow_what_is_learned_and_forgotten():
    X, y = blobs(90, 5, 3)
    head = LDAClassifier().partial_fit(X, y, classes=range(5))
    fewer = LDAClassifier().fit(X[y < 2], y[y < 2])
    assert len(head.confusable_pairs()) == 3
    head.forget(X[y == 2], y[y == 2])
    assert head.confusable_pairs() == fewer.confusable_pairs()
    head.forget(X[y == 1], y[y == 1])
    with pytest.raises(ValueError, match="two classes with rows, got 1"):
        head.confusable_pairs()
    with pytest.raises(ValueError, match="n must be an integer of at least 1"):
        fewer.confusable_pairs(0)


def test_half_of_the_confusion_on_real_rows_is_in_the_hundredth_of_pairs_expected_most():
    clinc = load_clinc150()
    head = LDAClassifier(temperature="folds", track="rows").fit(clinc.X_train[::4], clinc.y_train[::4])
    pairs = np.triu_indices(150, 1)
    expected = np.exp(head.log_pair_errors())[pairs]
    confusion = confusion_matrix(clinc.y_test, head.predict(clinc.X_test))
    confusion = (confusion + confusion.T)[pairs]

    assert confusion[np.argsort(-expected)[: len(expected) // 100]].sum() > 0.45 * confusion.sum()
    assert np.corrcoef(expected, confusion)[0, 1] > 0.4


def test_the_graph_is_drawn_with_every_name(tmp_path):
    X, y = blobs(60, 12, 12)
    names = np.array([f"{'a rather long name ' * (c % 2)}$x$ <{c}>" for c in range(12)])
    head = LDAClassifier().fit(X, names[y])
    class_graph(head, tmp_path / "classes.svg")
    class_graph(head, tmp_path / "classes.png", 5)
    text = (tmp_path / "classes.svg").read_text()

    assert all(f"$x$ &lt;{c}&gt;" in text for c in range(12))
    assert (tmp_path / "classes.png").read_bytes()[:4] == b"\x89PNG"


def test_names_do_not_cover_each_other_and_neighbours_are_near():
    rng = np.random.default_rng(0)
    boxes = np.stack([rng.uniform(30, 200, 80), np.full(80, 20.0)], axis=1)
    tree = [(c, int(rng.integers(c))) for c in range(1, 80)]
    places = apart(60 * layout(tree, 80), boxes)
    gaps = np.abs(places[:, None] - places)
    covered = (gaps < (boxes[:, None] + boxes) / 2).all(axis=2)

    assert covered.sum() == 80  # each by itself
    joined = np.mean([np.hypot(*(places[a] - places[b])) for a, b in tree])
    assert joined < np.median(np.hypot(*(places[:, None] - places).T)) / 3


def test_what_can_not_be_drawn_is_refused_and_leaves_no_file(tmp_path):
    X, y = blobs(700, 5, 350)
    with pytest.raises(ValueError, match="350 classes"):
        class_graph(LDAClassifier().fit(X, y), tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"\.png, \.svg or \.pdf"):
        class_graph(LDAClassifier().fit(X, y), tmp_path / "a.txt")
    with pytest.raises(TypeError, match="from_moments"):
        class_graph(RLSClassifier().fit(X, y), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_the_command_draws_from_a_store_and_from_a_file(tmp_path):
    X, y = blobs(60, 5, 3)
    head = LDAClassifier().fit(X, y)
    head.save(tmp_path / "head")
    with Store.create(tmp_path / "store", LDAClassifier()) as store:
        store.learn(X, y)
    NearestMeanClassifier().fit(X, y).save(tmp_path / "means")
    said = [
        CliRunner().invoke(main, ["graph", str(tmp_path / name), str(tmp_path / f"{name}.png"), "--pairs", "2"])
        for name in ("head", "store", "means")
    ]

    assert [each.exit_code for each in said] == [0, 0, 2]
    assert said[0].output == said[1].output
    assert [text.split("  ")[-1] for text in said[0].output.splitlines()] == [
        f"{a}, {b}" for a, b, _ in head.confusable_pairs(2)
    ]
    assert "LDAClassifier or a GaussianClassifier" in said[2].output
    assert {path.name for path in tmp_path.glob("*.png")} == {"head.png", "store.png"}
