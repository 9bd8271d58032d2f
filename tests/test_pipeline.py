"""A pipeline is its head on extracted features: from raw inputs, whole or not at all, and for one extractor only."""

import json

import numpy as np
import pandas as pd
import pytest
from common import HEADS, head_name, ignore_quantization
from pipelines import IDS, INTENTS, SCALER, TEXTS, Counting, X, Y, contents, lengths
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
    RLSRegressor,
    Store,
)
from analytic_cl.extractors import CallableExtractor, ExtractorWarning
from analytic_cl.quantizers import Quantizer, resolve_quantizer
from analytic_cl.statistics import EMPTY


def named(features, source):
    """A head that says its rows come from `source`, as a pipeline makes it say."""
    head = LDAClassifier()
    head._source = source
    return head.fit(features, Y)


# ---- it is the head on features


@pytest.mark.parametrize("head", HEADS, ids=head_name)
@ignore_quantization
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
    source = pipeline.head.quantizer_.source
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


def test_inputs_with_label_sets_are_learned_and_scored():
    words, sets = ["red", "red round", "round", "ripe"], [{"r"}, {"r", "o"}, {"o"}, set()]
    pipeline = ContinualPipeline(HashingVectorizer(n_features=32), RLSClassifier(0.01)).fit(words, sets)

    assert pipeline.predict(words).tolist() == [[0, 1], [1, 1], [1, 0], [0, 0]]
    assert pipeline.score(words, [{"r"}, {"o"}, {"o"}, set()]) == 0.75
    with pytest.raises(TypeError, match="one of analytic_cl's classifiers, got RLSRegressor"):
        ContinualPipeline(HashingVectorizer(n_features=32), RLSRegressor()).fit(words, [1.0, 2.0, 3.0, 4.0])


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
        (RLSClassifier().fit(X, Y), TypeError, "got RLSClassifier"),
        (LDAClassifier().fit(X, Y), TypeError, r"LDAClassifier.learner_, which holds a Learner: .*CallableExtractor"),
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
    assert pipeline.fit(X, Y).head.quantizer_.source.startswith("PCA ")


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
    source = pipeline.head.quantizer_.source
    features = SCALER.transform(X)
    head = pipeline.head.partial_fit(features[30:], Y[30:])
    twin = LDAClassifier.from_moments(head.moments_)
    fresh = RLSClassifier(projection=RandomProjection(20)).merge(head)

    assert pipeline.state_digest() == ContinualPipeline(SCALER, clone(head)).fit(X, Y).state_digest()
    assert (twin.state_digest(), twin.quantizer_.source) == (pipeline.state_digest(), source)
    assert twin.partial_fit(features[:3], Y[:3]).quantizer_.source == source
    assert fresh.state_digest() == pipeline.state_digest()
    head.forget(features, Y)
    assert head.partial_fit(features, Y).quantizer_.source is None  # nobody says so any more


@pytest.mark.parametrize("head", HEADS, ids=head_name)
@ignore_quantization
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


def test_quantizers_without_a_source_are_described_as_ever():
    quantizer = resolve_quantizer("auto", None, 5)
    named_quantizer = resolve_quantizer("auto", None, 5, "net 1")

    assert "source" not in quantizer.spec()
    assert quantizer != named_quantizer
    assert "net 1" in named_quantizer.describe()
    assert Quantizer.from_spec(json.loads(json.dumps(named_quantizer.spec()))) == named_quantizer
    for wrong in (5, None, ["net"]):
        with pytest.raises(ValueError, match="quantizer"):
            Quantizer.from_spec({**quantizer.spec(), "source": wrong})


def test_receipts_stores_and_certificates_name_the_extractor(tmp_path):
    pytest.importorskip("cryptography")
    pipeline = ContinualPipeline(SCALER, LDAClassifier()).fit(X, Y, sample_id=IDS)
    source = pipeline.head.quantizer_.source
    with Store.create(tmp_path / "store", pipeline.head) as store:
        receipt = store.forget(sample_id=[3])
        certificate = receipt.certificate

        assert store.verify(retrain=True).retrained
        with pytest.raises(ValueError, match="different quantizers"):
            store.merge(LDAClassifier().fit(X[:1], Y[:1], sample_id=["other"]))
    assert certificate["quantizer"]["source"] == source
    assert pipeline.forget(sample_id=[3]).quantizer["source"] == source


def test_an_extractor_with_a_fingerprint_of_its_own_is_asked_for_it():
    class Doubling(FunctionTransformer):
        def __init__(self, version=1):
            super().__init__(lambda rows: rows * 2)
            self.version = version

        def fingerprint(self):
            return f"{self.version:064x}"

    pipeline = ContinualPipeline(Doubling(), LDAClassifier()).fit(X, Y)

    assert pipeline.head.quantizer_.source == f"Doubling {1:064x}"
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
    assert analytic_cl.load(path).quantizer_.source == pipeline.head.quantizer_.source


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
    pipeline = ContinualPipeline(Counting(noise=1e-3), LDAClassifier(quantizer="tabular")).fit(X, Y, sample_id=IDS)
    before = state(pipeline)
    with pytest.raises(NotLearnedError, match=r"(?s)row.*extracted again.*forget by sample_id.*cache"):
        pipeline.forget(X[:2], Y[:2])

    assert state(pipeline) == before
    assert pipeline.forget(sample_id=IDS[:2]).removed == 2
    with pytest.raises(NotLearnedError) as caught:
        pipeline.forget(sample_id=[0])
    assert "extracted again" not in str(caught.value)
