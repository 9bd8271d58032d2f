"""A pipeline is its head on extracted features: from raw inputs, whole or not at all, and for one extractor only."""

import json
import os
import sqlite3
import warnings
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from common import HEADS, blobs, head_name, ignore_door
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import analytic_cl
from analytic_cl import (
    ContinualPipeline,
    KeyValueBottleneckClassifier,
    LDAClassifier,
    NearestKeys,
    NearestMeanClassifier,
    NotLearnedError,
    RandomProjection,
    RLSClassifier,
    Store,
)
from analytic_cl.door import Door, resolve_door
from analytic_cl.extractors import CacheWarning, CallableExtractor, ConcatExtractor, ExtractorWarning
from analytic_cl.extractors.cache import FeatureCache
from analytic_cl.statistics import EMPTY

X, Y = blobs(60, 5, 3)
IDS = np.arange(60)
SCALER = StandardScaler().fit(X)

TEXTS = [f"{'play' if i % 2 else 'book'} {'song' if i % 2 else 'flight'} number {i}" for i in range(40)]
INTENTS = ["music" if i % 2 else "travel" for i in range(40)]


class Counting(CallableExtractor):
    """The rows themselves, and how many batches and rows were asked for."""

    def __init__(self, name="rows", noise=0.0, fails_after=None):
        super().__init__(self.rows, name)
        self.batches, self.noise, self.fails_after = [], noise, fails_after

    def rows(self, batch):
        if self.fails_after is not None and len(self.batches) >= self.fails_after:
            raise RuntimeError("the network is down")
        self.batches.append(len(batch))
        return np.asarray(batch, dtype=np.float32) * (1 + self.noise * len(self.batches))


def named(features, source):
    """A head that says its rows come from `source`, as a pipeline makes it say."""
    head = LDAClassifier()
    head._source = source
    return head.fit(features, Y)


# ---- it is the head on features


@pytest.mark.parametrize("head", HEADS, ids=head_name)
@ignore_door
def test_learning_forgetting_and_merging_give_the_state_of_a_refit(head):
    one, two = (ContinualPipeline(SCALER, clone(head), batch_size=7) for _ in range(2))
    ids = (lambda part: None) if head.track in ("digest", "none") else (lambda part: IDS[part])
    for start, pipeline in ((0, one), (20, two), (40, one)):
        part = slice(start, start + 20)
        pipeline.partial_fit(X[part], Y[part], sample_id=ids(part))
    one.merge(two)
    if head.track in ("digest", "none"):
        receipt = one.forget(X[15:30], Y[15:30], digests=True)
    else:
        receipt = one.forget(sample_id=IDS[15:30], digests=True)
    rest = np.r_[:15, 30:60]
    refit = ContinualPipeline(SCALER, clone(head)).fit(X[rest], Y[rest])

    assert receipt.removed == 15
    assert one.state_digest() == refit.state_digest() == receipt.digest_after
    np.testing.assert_array_equal(one.predict(X), refit.predict(X))


def test_the_state_is_the_heads_on_extracted_features_with_the_same_source():
    pipeline = ContinualPipeline(SCALER, LDAClassifier()).fit(X, Y)
    source = pipeline.head.door_.source
    features = SCALER.transform(X)

    assert source.startswith("StandardScaler ")
    assert pipeline.state_digest() == named(features, source).state_digest()
    assert pipeline.state_digest() != LDAClassifier().fit(features, Y).state_digest()
    np.testing.assert_array_equal(pipeline.predict(X), pipeline.head.predict(features))
    np.testing.assert_array_equal(pipeline.predict_proba(X), pipeline.head.predict_proba(features))
    np.testing.assert_array_equal(pipeline.decision_function(X), pipeline.head.decision_function(features))
    assert pipeline.score(X, Y) > 0.9


@pytest.mark.parametrize("batch_size", [1, 7, 60, 10_000])
def test_the_batch_size_changes_batches_alone(batch_size):
    extractor = Counting()
    pipeline = ContinualPipeline(extractor, LDAClassifier(), batch_size=batch_size).fit(X, Y)

    assert max(extractor.batches) == min(batch_size, 60)
    assert sum(extractor.batches) == 60
    assert pipeline.state_digest() == ContinualPipeline(Counting(), LDAClassifier()).fit(X, Y).state_digest()


def lengths(batch):
    return [[len(str(value)), np.asarray(value).size] for value in batch]


class OnlyLengthAndIndex:
    def __len__(self):
        return 40

    def __getitem__(self, place):
        return TEXTS[place]


@pytest.mark.parametrize(
    "inputs",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=np.arange(40) * 3),
        OnlyLengthAndIndex(),
        np.arange(40 * 3 * 2).reshape(40, 3, 2),
    ],
    ids=lambda inputs: type(inputs).__name__,
)
@pytest.mark.parametrize("cached", [False, True])
def test_inputs_need_a_length_and_an_index(inputs, cached, tmp_path):
    extractor = CallableExtractor(lengths, "lengths")
    pipeline = ContinualPipeline(extractor, LDAClassifier(), batch_size=9, cache=tmp_path if cached else None)

    assert pipeline.fit(inputs, INTENTS).predict(inputs).shape == (40,)
    assert pipeline.forget(inputs, INTENTS).removed == 40
    assert pipeline.state_digest() == EMPTY


def test_paths_are_known_by_the_content_of_their_files(tmp_path):
    paths = [tmp_path / f"{i}.txt" for i in range(4)]
    for i, path in enumerate(paths):
        path.write_text("a" * (i + 1))
    read = []

    def sizes(batch):
        read.extend(batch)
        return [[len(path.read_text()), 1.0] for path in batch]

    pipeline = ContinualPipeline(CallableExtractor(sizes, "sizes"), NearestMeanClassifier(), cache=tmp_path / "cache")
    pipeline.fit(paths, [0, 0, 1, 1])
    paths[0].write_text("changed")
    pipeline.predict(paths)

    assert read == [*paths, paths[0]]


def test_sparse_and_data_frame_features_are_taken():
    sparse = ContinualPipeline(HashingVectorizer(n_features=200), LDAClassifier()).fit(TEXTS, INTENTS)
    frame = ContinualPipeline(StandardScaler().set_output(transform="pandas").fit(X), LDAClassifier()).fit(X, Y)

    assert sparse.score(TEXTS, INTENTS) == 1
    assert frame.score(X, Y) > 0.9


def test_a_bar_shows_the_progress_on_standard_error(capsys):
    ContinualPipeline(Counting(), LDAClassifier(), progress=True).fit(X, Y)
    shown = capsys.readouterr()

    assert "extracting" in shown.err
    assert not shown.out


# ---- it is a scikit-learn estimator


def test_clones_share_the_extractor_and_have_learned_nothing():
    pipeline = ContinualPipeline(SCALER, LDAClassifier(shrinkage=0.2), batch_size=8).fit(X, Y)
    twin = clone(pipeline)

    assert twin.extractor is SCALER
    assert (twin.batch_size, twin.head.shrinkage) == (8, 0.2)
    assert twin.state_digest() == EMPTY != pipeline.state_digest()
    assert twin.fit(X, Y).state_digest() == pipeline.state_digest()


def test_nested_parameters_reach_a_head_that_has_learned():
    pipeline = ContinualPipeline(SCALER, LDAClassifier()).fit(X, Y)
    before = pipeline.decision_function(X)
    pipeline.set_params(head__shrinkage=0.9)

    assert pipeline.get_params()["head__shrinkage"] == 0.9
    assert not np.array_equal(before, pipeline.decision_function(X))


def test_it_works_in_cross_validation_and_searches():
    pipeline = ContinualPipeline(HashingVectorizer(n_features=200), RLSClassifier())
    search = GridSearchCV(pipeline, {"head__alpha": [0.1, "oas"]}, cv=3).fit(TEXTS, INTENTS)

    assert cross_val_score(pipeline, TEXTS, INTENTS, cv=3).mean() > 0.9
    assert search.best_score_ > 0.9
    assert not hasattr(pipeline, "predict_proba")


def test_nothing_is_extracted_for_a_pipeline_that_learned_nothing():
    extractor = Counting()
    pipeline = ContinualPipeline(extractor, LDAClassifier())
    for call in (
        lambda: pipeline.predict(X),
        lambda: pipeline.forget(X, Y),
        lambda: pipeline.rectify(X, Y, sample_id=IDS),
        lambda: pipeline.forget(sample_id=[1]),
        lambda: pipeline.classes_,
    ):
        with pytest.raises(NotFittedError):
            call()
    assert not extractor.batches


# ---- whole or not at all


def state(pipeline):
    return pipeline.state_digest(), pipeline.head.learner_.ledger.n_rows, vars(pipeline.head).get("_source")


@pytest.mark.parametrize("cached", [False, True])
def test_a_failure_in_the_middle_of_extraction_changes_nothing(cached, tmp_path):
    extractor = Counting()
    cache = tmp_path if cached else None
    pipeline = ContinualPipeline(extractor, LDAClassifier(), batch_size=10, cache=cache)
    pipeline.fit(X[:20], Y[:20], sample_id=IDS[:20])
    before, kept = state(pipeline), contents(tmp_path)
    extractor.fails_after = len(extractor.batches) + 2
    for call in (
        lambda: pipeline.partial_fit(X[20:], Y[20:], sample_id=IDS[20:]),
        lambda: pipeline.fit(X[20:], Y[20:]),
        lambda: pipeline.forget(X[20:], Y[20:]),
        lambda: pipeline.rectify(X[20:], Y[20:], sample_id=IDS[:40]),
    ):
        with pytest.raises(RuntimeError, match="network"):
            call()
        extractor.fails_after = len(extractor.batches) + 2

        assert state(pipeline) == before
        assert contents(tmp_path) == kept


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda rows: rows[1:], "must give 10 rows"),
        (lambda rows: rows[:, 0], "must give 10 rows"),
        (lambda rows: rows.astype(str), "of numbers"),
        (lambda rows: rows[:, : 2 if rows[0, 0] == X[0, 0] else 3], "gave 3 features for inputs 10 to 19, and 2"),
        (lambda rows: np.where(rows == X[23, 0], np.nan, rows), "NaN in row 23"),
    ],
)
def test_features_that_are_no_table_of_numbers_are_refused(output, message, tmp_path):
    pipeline = ContinualPipeline(CallableExtractor(output, "wrong"), LDAClassifier(), batch_size=10, cache=tmp_path)
    with pytest.raises(ValueError, match=message):
        pipeline.fit(X, Y)

    assert pipeline.state_digest() == EMPTY
    assert not contents(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": "one sentence"}, TypeError, "a single str"),
        ({"X": (x for x in X)}, TypeError, "have a length"),
        ({"X": np.float64(3)}, TypeError, "single value"),
        ({"X": []}, ValueError, "X is empty"),
        ({"y": Y[1:]}, ValueError, "60 inputs but 59 labels"),
        ({"sample_id": [1, 1]}, ValueError, "given twice"),
        ({"batch_size": 0}, ValueError, "batch_size must be"),
        ({"batch_size": 2.5}, ValueError, "batch_size must be"),
        ({"head": StandardScaler()}, TypeError, "head must be one of"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_extracted(arguments, error, message):
    extractor = Counting()
    own = {name: arguments.pop(name) for name in ("head", "batch_size") if name in arguments}
    pipeline = ContinualPipeline(extractor, **{"head": LDAClassifier(), **own})
    with pytest.raises(error, match=message):
        pipeline.fit(**{"X": X, "y": Y, **arguments})

    assert not extractor.batches


@pytest.mark.parametrize(
    ("extractor", "error", "message"),
    [
        (StandardScaler(), NotFittedError, "StandardScaler is not fitted"),
        (StandardScaler, TypeError, "not the class StandardScaler"),
        (np.asarray, TypeError, "CallableExtractor"),
        ("resnet18", TypeError, "got str"),
        (LDAClassifier().fit(X, Y), TypeError, "got LDAClassifier"),
        (FunctionTransformer(lambda rows: rows), TypeError, "FunctionTransformer.func, which holds a function"),
        (
            PCA(2, random_state=np.random.RandomState(0)).fit(X),
            TypeError,
            "PCA.random_state, which holds a RandomState",
        ),
    ],
)
def test_extractors_that_have_no_identity_are_refused(extractor, error, message):
    with pytest.raises(error, match=message):
        ContinualPipeline(extractor, LDAClassifier()).fit(X, Y)


# ---- one state, one extractor


def test_a_state_is_refused_behind_another_extractor_and_both_are_named(tmp_path):
    pipeline = ContinualPipeline(SCALER, LDAClassifier()).fit(X, Y, sample_id=IDS)
    pipeline.save(tmp_path / "a.safetensors")
    before = state(pipeline)
    other = ContinualPipeline(PCA(5).fit(X), LDAClassifier()).fit(X, Y)
    pipeline.set_params(extractor=PCA(5).fit(X))
    both = r"(?s)(StandardScaler [0-9a-f]{64}.*PCA|PCA [0-9a-f]{64}.*StandardScaler)"
    for call in (
        lambda: pipeline.partial_fit(X, Y),
        lambda: pipeline.predict(X),
        lambda: pipeline.forget(X, Y),
        lambda: pipeline.merge(other),
        lambda: pipeline.save(tmp_path / "b.safetensors"),
        lambda: ContinualPipeline(SCALER, LDAClassifier()).fit(X, Y).merge(other),
        lambda: ContinualPipeline(SCALER, LDAClassifier()).merge(other),
        lambda: ContinualPipeline.load(tmp_path / "a.safetensors", extractor=PCA(5).fit(X)),
    ):
        with pytest.raises(ValueError, match=both):
            call()
    assert state(pipeline) == before
    assert pipeline.forget(sample_id=IDS[:3]).removed == 3  # by id the extractor is not needed
    assert pipeline.fit(X, Y).head.door_.source.startswith("PCA ")


def test_a_transformer_that_was_fitted_again_is_noticed():
    scaler = StandardScaler().fit(X)
    pipeline = ContinualPipeline(scaler, LDAClassifier()).fit(X, Y)
    scaler.fit(2 * X)
    with pytest.raises(ValueError, match="use the one that it was learned from"):
        pipeline.predict(X)


def test_a_head_that_learned_alone_is_refused():
    with pytest.raises(ValueError, match="unnamed extractor"):
        ContinualPipeline(SCALER, LDAClassifier().fit(X, Y)).partial_fit(X, Y)


def test_frozen_and_plain_transformers_are_one_extractor():
    pipeline = ContinualPipeline(FrozenEstimator(SCALER), LDAClassifier()).fit(X, Y)

    assert pipeline.state_digest() == ContinualPipeline(SCALER, LDAClassifier()).fit(X, Y).state_digest()


def test_a_head_with_a_source_goes_on_alone():
    pipeline = ContinualPipeline(SCALER, RLSClassifier(projection=RandomProjection(20))).fit(X[:30], Y[:30])
    source = pipeline.head.door_.source
    features = SCALER.transform(X)
    head = pipeline.head.partial_fit(features[30:], Y[30:])
    twin = LDAClassifier.from_moments(head.moments_)
    fresh = RLSClassifier(projection=RandomProjection(20)).merge(head)

    assert pipeline.state_digest() == ContinualPipeline(SCALER, clone(head)).fit(X, Y).state_digest()
    assert (twin.state_digest(), twin.door_.source) == (pipeline.state_digest(), source)
    assert twin.partial_fit(features[:3], Y[:3]).door_.source == source
    assert fresh.state_digest() == pipeline.state_digest()
    head.forget(features, Y)
    assert head.partial_fit(features, Y).door_.source is None  # nobody says so any more


@pytest.mark.parametrize("head", HEADS, ids=head_name)
@ignore_door
def test_every_head_is_saved_and_loaded_with_its_source(head, tmp_path):
    pipeline = ContinualPipeline(SCALER, clone(head)).fit(X, Y)
    pipeline.save(tmp_path / "a")
    loaded = ContinualPipeline.load(tmp_path / "a", extractor=SCALER)

    assert loaded.state_digest() == pipeline.state_digest()
    np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))


def test_keys_made_from_public_features_serve_behind_an_extractor(tmp_path):
    keys = NearestKeys.from_rows(SCALER.transform(X[:20]), n_codebooks=8, bits=3)
    head = KeyValueBottleneckClassifier(keys=keys, n_codebooks=8, bits=3)
    pipeline = ContinualPipeline(SCALER, head).fit(X, Y)
    pipeline.save(tmp_path / "a")

    assert ContinualPipeline.load(tmp_path / "a", extractor=SCALER).state_digest() == pipeline.state_digest()


def test_doors_without_a_source_are_described_as_ever():
    door = resolve_door("auto", None, 5)
    named_door = resolve_door("auto", None, 5, "net 1")

    assert "source" not in door.spec()
    assert door != named_door
    assert "net 1" in named_door.describe()
    assert Door.from_spec(json.loads(json.dumps(named_door.spec()))) == named_door
    for wrong in (5, None, ["net"]):
        with pytest.raises(ValueError, match="door"):
            Door.from_spec({**door.spec(), "source": wrong})


def test_receipts_stores_and_certificates_name_the_extractor(tmp_path):
    pytest.importorskip("cryptography")
    pipeline = ContinualPipeline(SCALER, LDAClassifier()).fit(X, Y, sample_id=IDS)
    source = pipeline.head.door_.source
    with Store.create(tmp_path / "store", pipeline.head) as store:
        receipt = store.forget(sample_id=[3])
        certificate = receipt.certificate

        assert store.verify(retrain=True).retrained
        with pytest.raises(ValueError, match="different doors"):
            store.merge(LDAClassifier().fit(X[:1], Y[:1], sample_id=["other"]))
    assert certificate["door"]["source"] == source
    assert pipeline.forget(sample_id=[3]).door["source"] == source


def test_an_extractor_with_a_fingerprint_of_its_own_is_asked_for_it():
    class Doubling(FunctionTransformer):
        def __init__(self, version=1):
            super().__init__(lambda rows: rows * 2)
            self.version = version

        def fingerprint(self):
            return f"{self.version:064x}"

    pipeline = ContinualPipeline(Doubling(), LDAClassifier()).fit(X, Y)

    assert pipeline.head.door_.source == f"Doubling {1:064x}"
    with pytest.raises(ValueError, match="use the one"):
        pipeline.set_params(extractor=Doubling(2)).predict(X)


# ---- files


def test_saved_and_loaded_it_goes_on_with_the_same_bits(tmp_path):
    path = tmp_path / "model.safetensors"
    pipeline = ContinualPipeline(SCALER, LDAClassifier(), batch_size=13).fit(X[:40], Y[:40], sample_id=IDS[:40])
    pipeline.save(path)
    loaded = ContinualPipeline.load(path, extractor=SCALER)

    assert path.stat().st_mode & 0o777 == 0o600
    assert loaded.batch_size == 13
    assert loaded.partial_fit(X[40:], Y[40:]).state_digest() == pipeline.partial_fit(X[40:], Y[40:]).state_digest()
    assert loaded.forget(sample_id=[5]).removed == 1
    assert analytic_cl.load(path).door_.source == pipeline.head.door_.source


def test_an_empty_pipeline_is_saved_with_its_extractor(tmp_path):
    ContinualPipeline(SCALER, LDAClassifier()).save(tmp_path / "a")

    assert ContinualPipeline.load(tmp_path / "a", extractor=SCALER).state_digest() == EMPTY
    with pytest.raises(ValueError, match="not from the given PCA"):
        ContinualPipeline.load(tmp_path / "a", extractor=PCA(2).fit(X))


def test_the_file_of_a_head_alone_is_not_a_pipelines(tmp_path):
    LDAClassifier().fit(X, Y).save(tmp_path / "a")
    with pytest.raises(ValueError, match=r"analytic_cl\.load"):
        ContinualPipeline.load(tmp_path / "a", extractor=SCALER)


def test_another_environment_is_a_warning(tmp_path):
    class Elsewhere(Counting):
        device = "cuda, H100"

        def environment(self):
            return {"device": self.device, "torch": "2.4"}

    extractor = Elsewhere()
    ContinualPipeline(extractor, LDAClassifier()).fit(X, Y).save(tmp_path / "a")
    ContinualPipeline.load(tmp_path / "a", extractor=extractor)
    extractor.device = "cpu"
    with pytest.warns(ExtractorWarning, match="device cuda, H100 then, cpu now"):
        ContinualPipeline.load(tmp_path / "a", extractor=extractor)


# ---- features that were extracted again


def test_rows_that_no_longer_match_are_refused_and_forgotten_by_id():
    pipeline = ContinualPipeline(Counting(noise=1e-3), LDAClassifier(door="wide")).fit(X, Y, sample_id=IDS)
    before = state(pipeline)
    with pytest.raises(NotLearnedError, match=r"(?s)row.*extracted again.*forget by sample_id.*cache"):
        pipeline.forget(X[:2], Y[:2])

    assert state(pipeline) == before
    assert pipeline.forget(sample_id=IDS[:2]).removed == 2
    with pytest.raises(NotLearnedError) as caught:
        pipeline.forget(sample_id=[0])
    assert "extracted again" not in str(caught.value)


# ---- the cache


def contents(folder):
    """What a cache holds: (content, bytes of the row) pairs, and (id, content) pairs."""
    if not (folder / "features.sqlite").exists():
        return []
    sql = sqlite3.connect(folder / "features.sqlite")
    try:
        rows = sql.execute("SELECT content, row FROM features").fetchall()
        return sorted(rows) + sorted(sql.execute("SELECT sample, content FROM names").fetchall())
    finally:
        sql.close()


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


# ---- extractors that need no extra


def test_concatenated_features_are_unit_parts_and_remember_their_extractors():
    parts = [SCALER, PCA(2).fit(X), CallableExtractor(lambda rows: rows * 0, "zeros")]
    both = ConcatExtractor(parts)
    rows = both.transform(X)

    assert rows.shape == (60, 12)
    assert rows.dtype == np.float32
    np.testing.assert_allclose((rows[:, :5] ** 2).sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose((rows[:, 5:7] ** 2).sum(1), 1, rtol=1e-6)
    assert not rows[:, 7:].any()
    np.testing.assert_allclose(
        ConcatExtractor(parts, normalise=False).transform(X)[:, :5], SCALER.transform(X), rtol=1e-6
    )
    fingerprints = [
        both,
        ConcatExtractor(parts, normalise=False),
        ConcatExtractor(parts[::-1]),
        ConcatExtractor(parts[:2]),
    ]
    assert len({each.fingerprint() for each in fingerprints}) == 4
    assert both.fingerprint() == ConcatExtractor(parts).fingerprint()
    assert ContinualPipeline(both, LDAClassifier()).fit(X, Y).score(X, Y) > 0.9
    with pytest.raises(ValueError, match="at least one"):
        ConcatExtractor([])


def test_fingerprints_of_transformers_are_of_values_not_of_objects():
    from analytic_cl.extractors.resolve import as_extractor

    def fingerprint(transformer):
        return as_extractor(transformer).fingerprint()

    fitted = HashingVectorizer(n_features=300)
    before = fingerprint(fitted)
    fitted.transform(TEXTS)  # leaves bookkeeping behind

    assert fingerprint(fitted) == before == fingerprint(HashingVectorizer(n_features=300))
    assert fingerprint(HashingVectorizer(n_features=301)) != before
    assert fingerprint(StandardScaler().fit(X)) == fingerprint(StandardScaler().fit(X))
    turned = PCA(3).fit(X)
    turned.components_ = np.asfortranarray(turned.components_)
    assert fingerprint(turned) == fingerprint(PCA(3).fit(X))
    assert fingerprint(StandardScaler().fit(X)) != fingerprint(StandardScaler().fit(np.nextafter(X, 9)))
    assert fingerprint(FunctionTransformer(np.log1p)) != fingerprint(FunctionTransformer(np.abs))


def test_a_fingerprint_is_the_same_in_another_process():
    import subprocess
    import sys

    code = """
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from analytic_cl.extractors.resolve import as_extractor
words = TfidfVectorizer(stop_words=["a", "the"]).fit(["the cat sat", "a dog ran", "cats run"])
words.transform(["a cat"])
print(as_extractor(words).fingerprint())
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in "12"
    }

    assert len(found) == 1


@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_function_needs_a_name(name):
    with pytest.raises(ValueError, match="name must say"):
        CallableExtractor(np.asarray, name)
