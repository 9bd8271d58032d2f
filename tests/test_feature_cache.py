"""The cache of a pipeline: the same bits, nothing of what was forgotten, and no damage unnoticed."""

import sqlite3
import warnings
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from pipelines import IDS, Counting, X, Y, contents, lengths

from analytic_cl import (
    ContinualPipeline,
    LDAClassifier,
    NearestMeanClassifier,
    NotLearnedError,
)
from analytic_cl.extractors import CacheWarning, CallableExtractor
from analytic_cl.extractors.cache import FeatureCache
from analytic_cl.statistics import EMPTY


def holds(folder, row):
    """Whether the features of an input are anywhere in the file."""
    return row.astype("<f4").tobytes() in (folder / "features.sqlite").read_bytes()


def cached(folder, *, head=None, **own):
    extractor = Counting(**own)
    return ContinualPipeline(extractor, head or LDAClassifier(), cache=folder), extractor.batches


def test_what_was_extracted_once_gives_the_same_bits_without_the_extractor(tmp_path):
    first, batches = cached(tmp_path / "new" / "cache", noise=1e-3)
    first.fit(X, Y)
    assert batches == [60]
    again, batches = cached(tmp_path / "new" / "cache", noise=1e-3)

    assert again.fit(X, Y).state_digest() == first.state_digest()
    assert again.predict(X).shape == (60,)
    assert again.forget(X[:5], Y[:5]).removed == 5
    assert batches == []
    assert again.partial_fit(np.r_[X[:2], X[2:3], X[2:3]], Y[[0, 1, 2, 2]]).head.moments_.n_rows == 59
    assert batches == [3]  # what was forgotten was gone, and twins are extracted once
    assert (tmp_path / "new" / "cache" / "features.sqlite").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new" / "cache").stat().st_mode & 0o077 == 0


def test_forgotten_inputs_are_not_in_the_cache(tmp_path):
    pipeline, _ = cached(tmp_path)
    pipeline.fit(X, Y, sample_id=IDS)
    assert all(holds(tmp_path, row) for row in X)
    pipeline.forget(sample_id=[0, 1])
    pipeline.forget(X[2:4], Y[2:4])
    pipeline.forget(X[4:6], Y[4:6], sample_id=IDS[4:6])
    pipeline.rectify(X[:1] + 100, ["corrected"] if False else Y[:1], sample_id=[6])
    pipeline.forget(X[7:8], Y[7:8], dry_run=True)
    with pytest.raises(NotLearnedError):
        pipeline.forget(sample_id=[8, "8"])

    assert [holds(tmp_path, row) for row in X] == [False] * 7 + [True] * 53
    assert holds(tmp_path, X[0] + 100)
    assert len(contents(tmp_path)) == 2 * 54
    pipeline.forget_class(0)
    assert [holds(tmp_path, row) for row in X] == [i > 6 and Y[i] != 0 for i in range(60)]
    pipeline.purge_cache()
    assert not contents(tmp_path)
    assert not any(holds(tmp_path, row) for row in X)


def test_a_corrected_label_keeps_the_input_in_the_cache(tmp_path):
    pipeline, batches = cached(tmp_path)
    pipeline.fit(X, Y, sample_id=IDS)
    pipeline.rectify(X[:1], Y[1:2], sample_id=[0])
    labels = Y.copy()
    labels[0] = Y[1]

    digest = pipeline.state_digest()
    assert pipeline.fit(X, labels).state_digest() == digest
    assert batches == [60]


def test_a_class_with_unnamed_rows_empties_the_cache(tmp_path):
    for track, ids in (("rows", None), ("none", None), ("auto", None)):
        pipeline, _ = cached(tmp_path, head=NearestMeanClassifier(track=track))
        pipeline.fit(X, Y, sample_id=ids)
        assert contents(tmp_path)
        pipeline.forget_class(1)
        assert not contents(tmp_path)


def test_inputs_that_are_only_predicted_leave_nothing(tmp_path):
    pipeline, _ = cached(tmp_path)
    pipeline.fit(X[:30], Y[:30])
    before = contents(tmp_path)
    pipeline.predict(X)
    pipeline.score(X, Y)

    assert contents(tmp_path) == before


def test_extractors_precisions_and_kinds_of_ids_are_kept_apart(tmp_path):
    one, _ = cached(tmp_path)
    one.fit(X[:4], Y[:4], sample_id=[1, "1", 2, 3])
    two, batches = cached(tmp_path, name="other rows")
    two.fit(X[:4], Y[:4])
    assert batches == [4]
    one.forget(sample_id=["1"])

    assert [holds(tmp_path, row) for row in X[:4]] == [True, False, True, True]


@pytest.mark.parametrize("harm", ["cut", "cut to nothing", "text", "bytes flipped", "another version"])
def test_a_damaged_cache_is_noticed_and_made_again(harm, tmp_path):
    pipeline, _ = cached(tmp_path)
    pipeline.fit(X, Y)
    file = tmp_path / "features.sqlite"
    content = bytearray(file.read_bytes())
    if harm == "bytes flipped":
        at = content.find(X[17].astype("<f4").tobytes())
        content[at + 3] ^= 1
    elif harm == "another version":
        content[63] = 9
    file.write_bytes({"cut": content[:5000], "cut to nothing": b"", "text": b"not a database" * 100}.get(harm, content))
    again, batches = cached(tmp_path)
    if harm in ("bytes flipped", "cut to nothing"):
        again.fit(X, Y)
    else:
        with pytest.warns(CacheWarning, match="was damaged"):
            again.fit(X, Y)

    assert again.state_digest() == pipeline.state_digest()
    assert batches == [1 if harm == "bytes flipped" else 60]
    assert again.fit(X, Y) and len(batches) == 1
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_damage_gives_features_that_were_not_put_in(tmp_path):
    cache = FeatureCache(tmp_path)
    rows = {bytes([i]) * 32: row.astype(np.float32) for i, row in enumerate(X)}
    cache.put("net 1", rows, [("ann", bytes(32))])
    good, random = cache.path.read_bytes(), np.random.RandomState(0)
    for _ in range(60):
        content = bytearray(good[: random.randint(len(good))] if random.rand() < 0.3 else good)
        for at in random.randint(len(content), size=random.randint(1, 30)) if content else ():
            content[at] ^= random.randint(1, 256)
        cache.path.write_bytes(content)
        with warnings.catch_warnings(), suppress(OSError):
            warnings.simplefilter("ignore", CacheWarning)
            for key, row in cache.find("net 1", rows).items():
                np.testing.assert_array_equal(row, rows[key])
            cache.put("net 1", rows)
            cache.remove(["ann"])


def test_a_database_of_something_else_is_left_alone(tmp_path):
    sql = sqlite3.connect(tmp_path / "features.sqlite")
    sql.execute("CREATE TABLE accounts (name TEXT)")
    sql.close()
    before = (tmp_path / "features.sqlite").read_bytes()
    pipeline, _ = cached(tmp_path)
    with pytest.raises(OSError, match="something else"):
        pipeline.fit(X, Y)

    assert (tmp_path / "features.sqlite").read_bytes() == before
    assert pipeline.state_digest() == EMPTY


def test_a_cache_that_cannot_be_written_is_a_warning_for_learning_and_an_error_for_forgetting(tmp_path):
    (tmp_path / "file").write_text("")
    pipeline, _ = cached(tmp_path / "file")
    with pytest.warns(CacheWarning, match="learned but not cached"):
        pipeline.fit(X, Y, sample_id=IDS)
    (tmp_path / "cache" / "features.sqlite").mkdir(parents=True)
    pipeline.set_params(cache=tmp_path / "cache")
    with pytest.raises(OSError, match="the model has forgotten, but the cache"):
        pipeline.forget(sample_id=[0])

    assert pipeline.head.moments_.n_rows == 59


def test_inputs_without_a_content_are_refused_by_a_cache(tmp_path):
    pipeline = ContinualPipeline(CallableExtractor(lengths, "lengths"), LDAClassifier(), cache=tmp_path)
    with pytest.raises(TypeError, match="can't tell the content of a Series"):
        pipeline.fit([pd.Series(["a", "b"])] * 4, [0, 1, 0, 1])


def test_contents_differ_where_inputs_do():
    from analytic_cl.extractors.content import content_key

    inputs = [
        "1",
        1,
        1.0,
        np.float32(1),
        b"1",
        ["1"],
        [["1"]],
        [1],
        {"a": 1},
        {"a": 2},
        np.ones(2),
        np.ones((2, 1)),
        True,
    ]
    assert len({content_key(value) for value in inputs}) == len(inputs)
    assert content_key(np.arange(4, dtype=">i4")) == content_key(np.arange(4, dtype="<i4"))
    assert content_key(np.ones((4, 2)).T) == content_key(np.ones((2, 4)))
