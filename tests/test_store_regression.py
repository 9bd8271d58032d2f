"""A store, and its commands, over rows with numbers as targets."""

import json
from pathlib import Path

import numpy as np
import pytest
from store_commands import asked, call, digest, write_lines

from analytic_cl import FixedPoint, LDAClassifier, RLSRegressor, Store

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4))
Y = np.round(X @ [1.0, -2.0, 3.0, 0.5] + RANDOM.normal(size=60), 3)
IDS = [f"visit {i}" for i in range(60)]
SUBJECTS = [f"patient {i // 5}" for i in range(60)]


def plain(X=X, y=Y, **parameters):
    return RLSRegressor(**parameters).fit(X, y).state_digest()


def test_a_store_of_numbers_learns_forgets_rectifies_and_shows_them(tmp_path):
    both = np.stack([Y, -10 * Y], axis=1)
    with Store.create(tmp_path / "store", RLSRegressor(quantizer=FixedPoint(8))) as store:
        assert (store.status()["targets"], "classes" in store.status()) == (0, False)
        store.learn(X[:40], both[:40], sample_id=IDS[:40], subject=SUBJECTS[:40])
        store.learn(X[40:], both[40:], sample_id=IDS[40:], subject=SUBJECTS[40:])
        corrected = both.copy()
        corrected[[4, 3]] = [[1.5, 2.5], [0.25, 100.0]]
        assert store.rectify(None, corrected[[4, 3]], sample_id=[IDS[4], IDS[3]]).removed == 2
        assert store.state_digest() == plain(y=corrected, quantizer=FixedPoint(8))

        shown = store.access("patient 0")["rows"]
        assert [row["target"] for row in shown if row["sample_id"] == IDS[3]] == [[0.25, 100.0]]
        np.testing.assert_allclose([row["target"] for row in shown], corrected[:5], atol=2**-12)
        assert not any("label" in row for row in shown)
        assert (store.status()["targets"], "classes" in store.status()) == (2, False)

        receipt = store.forget(subject="patient 11", request_id="r")
        assert (receipt.removed, receipt.classes_emptied) == (5, 0)
        assert store.state_digest() == plain(X[:55], corrected[:55], quantizer=FixedPoint(8))
        assert store.restrict(subject="patient 0").removed == 5
        before = store.state_digest()
        for refused, words in (
            (lambda: store.forget(label=0), "no label"),
            (lambda: store.forget_all([{"label": 0}]), "no label"),
            (lambda: store.learn(X, Y, sample_id=range(60)), "model learned targets of shape"),
            (lambda: store.learn(X[:1], [[np.nan, 1.0]]), "NaN in row 0"),
            (lambda: store.rectify(None, both[:2], sample_id=["visit 10", "who"]), "who"),
            (lambda: store.rectify(None, both[:2], sample_id=["visit 10"]), "2 targets but 1 sample ids"),
        ):
            with pytest.raises(ValueError, match=words):
                refused()
        assert store.state_digest() == before
        assert store.verify(retrain=True).retrained

    with (
        Store.open(tmp_path / "store") as store,
        Store.create(tmp_path / "other", RLSRegressor(quantizer=FixedPoint(8))) as other,
    ):
        assert store.state_digest() == before
        assert store.predict(X).shape == (60, 2)
        assert other.merge(store) == 50
        assert other.state_digest() == before
        assert store.forget(sample_id=IDS[5:10]).classes_emptied == 0
    with Store.create(tmp_path / "labels", LDAClassifier()) as store, pytest.raises(ValueError, match="needs X"):
        store.rectify(None, [1], sample_id=["a"])


def test_commands_take_targets_from_a_column(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [",".join(["id", "a", "b", "c", "d", "price"])]
    lines += [
        ",".join([name, *map(repr, row.tolist()), repr(y)]) for name, row, y in zip(IDS, X, Y.tolist(), strict=True)
    ]
    write_lines(Path("rows.csv"), lines)
    write_lines(Path("one.csv"), [lines[0], lines[5].rsplit(",", 1)[0] + ",9.5"])
    call("init", "prices", "--head", "ridge-regression", "--alpha", "0.5", "--target-range", "-100", "100")
    call("init", "labels", "--head", "lda", "--target-range", "-1", "1", code=2)
    assert "classes" not in call("status", "prices").stdout
    call("learn", "prices", "rows.csv", "rows.csv:price", "--ids", "rows.csv:id", "--chunk", "13")
    assert asked("status", "prices")["targets"] == 1
    head = RLSRegressor(0.5, target_quantizer=FixedPoint(32, bounds=(-100, 100))).fit(X, Y)
    assert digest("prices") == head.state_digest()

    np.testing.assert_allclose(asked("predict", "prices", "rows.csv")["predictions"], head.predict(X), atol=1e-9)
    call("rectify", "prices", "one.csv", "one.csv:price", "--ids", "one.csv:id")
    call("forget", "prices", "--id", "visit 9", "--certificate", "gone.json", "--request-id", "r9")
    call("forget", "prices", "--label", "0", code=2)
    left, y = np.delete(X, 9, axis=0), np.delete(np.where(np.arange(60) == 4, 9.5, Y), 9)
    assert digest("prices") == head.fit(left, y).state_digest()
    assert asked("verify", "prices", "--full")["retrained"] is True

    call("export", "prices", "keys", "--out", "keys.json")
    np.save("left.npy", left[::-1])
    np.save("targets.npy", y[::-1])
    prove = ("verify", "gone.json", "--keys", "keys.json", "--retrain", "left.npy")
    assert asked(*prove, "targets.npy")["retrained_rows"] == 59
    np.save("others.npy", y[::-1] + 0.5)
    call(*prove, "others.npy", code=4)
    assert json.loads(Path("gone.json").read_text())["quantizer"]["kind"] == "joint"

    write_lines(Path("bad.csv"), [lines[0], lines[1].rsplit(",", 1)[0].replace("visit 0", "new") + ",high"])
    before = digest("prices")
    assert "not a number" in call("learn", "prices", "bad.csv", "bad.csv:price", "--ids", "bad.csv:id", code=2).stderr
    assert digest("prices") == before
