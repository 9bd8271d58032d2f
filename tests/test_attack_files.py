"""A damaged, foreign or hostile file is refused with an error that was foreseen, or nothing that counts has changed."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from attacks import harmed
from common import HEADS, blobs, head_name, ignore_quantization
from safetensors.numpy import save_file
from sklearn.base import clone

import analytic_cl
from analytic_cl import ContinualPipeline, LDAClassifier, RandomProjection, RLSClassifier
from analytic_cl.extractors import CallableExtractor
from analytic_cl.extractors.cache import CacheWarning
from analytic_cl.heads import persistence

X, Y = blobs(40, 5, 4)

ABOUT = {"format": persistence.FORMAT, "format_version": str(persistence.FORMAT_VERSION)}


@ignore_quantization
@pytest.mark.parametrize("head", HEADS[:12], ids=head_name)
def test_a_damaged_head_is_refused_or_the_same(tmp_path, head):
    head = clone(head).fit(X, Y, sample_id=None if head.track == "none" else range(40))
    head.save(tmp_path / "head")

    for what, content in harmed((tmp_path / "head").read_bytes(), 1):
        (tmp_path / "head").write_bytes(content)
        try:
            loaded = analytic_cl.load(tmp_path / "head")
        except ValueError:
            continue
        assert loaded.state_digest() == head.state_digest(), what
        np.testing.assert_array_equal(loaded.predict(X), head.predict(X))


def double(X):
    return 2 * np.asarray(X)


@pytest.mark.filterwarnings("ignore:.*another environment")
def test_a_damaged_pipeline_is_refused_or_the_same(tmp_path):
    extractor = CallableExtractor(double, "double 1")
    pipeline = ContinualPipeline(extractor, LDAClassifier()).fit(X, Y, sample_id=range(40))
    pipeline.save(tmp_path / "pipeline")

    for what, content in harmed((tmp_path / "pipeline").read_bytes(), 2):
        (tmp_path / "pipeline").write_bytes(content)
        try:
            loaded = ContinualPipeline.load(tmp_path / "pipeline", extractor=extractor)
        except ValueError:
            continue
        assert loaded.state_digest() == pipeline.state_digest(), what
        np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))


@pytest.mark.filterwarnings(f"ignore::{CacheWarning.__module__}.{CacheWarning.__name__}")
def test_a_damaged_cache_of_features_changes_nothing_that_is_learned(tmp_path):
    def learned():
        pipeline = ContinualPipeline(CallableExtractor(double, "double 1"), LDAClassifier(), cache=tmp_path)
        return pipeline.fit(X, Y, sample_id=range(40)).state_digest()

    digest, file = learned(), tmp_path / "features.sqlite"
    for what, content in harmed(file.read_bytes(), 3):
        file.write_bytes(content)
        try:
            assert learned() == digest, what
        except OSError as error:
            assert "features.sqlite" in str(error)  # noqa: PT017  (where the header names another program)
            file.unlink()
            learned()


def raw(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def tensor(**about):
    return {"__metadata__": {**ABOUT, "head": "{}", "checksum": ""}, "a": {"dtype": "I64", "shape": [2], **about}}


HEADERS = {
    "a header longer than the file": b"",
    "offsets that overlap": {
        **tensor(data_offsets=[0, 16]),
        "b": {"dtype": "I64", "shape": [2], "data_offsets": [8, 24]},
    },
    "offsets out of the file": tensor(data_offsets=[0, 1600]),
    "offsets that run backwards": tensor(data_offsets=[16, 0]),
    "more values than bytes": tensor(shape=[2**62, 4], data_offsets=[0, 16]),
    "an endless empty array": tensor(shape=[2**63, 0, 2**63], data_offsets=[0, 0]),
    "a hundred dimensions": tensor(shape=[1] * 100, data_offsets=[0, 8]),
    "a negative size": tensor(shape=[-2], data_offsets=[0, 16]),
    "a type that nobody has": tensor(dtype="X9", data_offsets=[0, 16]),
    "a type that NumPy lacks": tensor(dtype="F8_E5M2", shape=[16], data_offsets=[0, 16]),
    "metadata that is no text": {"__metadata__": {**ABOUT, "format_version": 1}},
    "metadata that is a list": {"__metadata__": [1]},
    "two kinds of metadata": b'{"__metadata__":{"format":"a"},"__metadata__":{"format":"b"}}',
    "a number that is none": b'{"a":{"dtype":"I64","shape":[NaN],"data_offsets":[0,Infinity]}}',
    "lists in lists": b"[" * 100_000 + b"]" * 100_000,
    "a list for an array": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_is_refused(tmp_path, name):
    raw(tmp_path / "head", HEADERS[name], bytes(16))
    if not HEADERS[name]:
        (tmp_path / "head").write_bytes((2**63).to_bytes(8, "little") + b"{}")

    with pytest.raises(ValueError, match="head"):
        analytic_cl.load(tmp_path / "head")


DESCRIPTIONS = {
    "lists in lists": '{"class":' + "[" * 100_000 + "]" * 100_000 + "}",
    "a name twice": '{"class": "LDAClassifier", "class": "RLSClassifier", "parameters": {}}',
    "a number of 5,000 digits": '{"class": ' + "1" * 5000 + "}",
    "not a number": "NaN",
    "nothing": "null",
    "a class that is a list": '{"class": []}',
    "parameters that are a list": '{"class": "LDAClassifier", "parameters": []}',
    "a parameter that is not a number": '{"class": "LDAClassifier", "parameters": {"shrinkage": NaN}}',
    "an endless number of bits": '{"class": "LDAClassifier", "parameters": {"quantizer": {"FixedPoint": [1e999, '
    "null]}}}",
    "keys without centres": '{"class": "KeyValueBottleneckClassifier", "parameters": {"keys": {"NearestKeys": {}, '
    '"quantizer": {}}}}',
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_hostile_description_with_a_right_checksum_is_refused(tmp_path, name):
    text = DESCRIPTIONS[name]
    save_file({}, tmp_path / "head", {**ABOUT, "head": text, "checksum": persistence._checksum(text, {})})

    with pytest.raises(ValueError, match="does not describe a possible head"):
        analytic_cl.load(tmp_path / "head")


@pytest.mark.parametrize(("name", "value"), [("n_features", 10**9), ("n_components", 10**9), ("n_components", 2**62)])
def test_a_projection_too_large_for_its_file_is_refused_before_it_is_made(tmp_path, name, value):
    RLSClassifier(projection=RandomProjection(20)).fit(X, Y).save(tmp_path / "head")
    arrays, metadata = persistence._read(tmp_path / "head")
    about = json.loads(metadata["head"])
    (about["quantizer"] if name == "n_features" else about["quantizer"]["projection"])[name] = value
    text = json.dumps(about)
    checksum = persistence._checksum(text, arrays)
    save_file(arrays, tmp_path / "head", {**ABOUT, "head": text, "checksum": checksum})

    with pytest.raises(ValueError, match="larger than its state"):  # it would take hours
        analytic_cl.load(tmp_path / "head")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs os.mkfifo")
def test_a_pipe_is_refused_instead_of_waited_on(tmp_path):
    os.mkfifo(tmp_path / "head")
    os.mkfifo(tmp_path / "features.sqlite")
    with pytest.raises(ValueError, match="a pipe or a device"):
        analytic_cl.load(tmp_path / "head")
    with pytest.raises(ValueError, match="a pipe or a device"):
        analytic_cl.load("/dev/zero")
    extractor = CallableExtractor(double, "double 1")
    with pytest.raises(OSError, match=r"features\.sqlite"):
        ContinualPipeline(extractor, LDAClassifier(), cache=tmp_path).fit(X, Y)


COMMAND = "import sys; from analytic_cl.cli.main import main; main(sys.argv[1:])"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"format": NaN}', '{"a": ' + "1" * 5000 + "}", '{"signature": {"key": [], "value": 7}}']
)
def test_a_hostile_certificate_does_not_verify(tmp_path, text):
    (tmp_path / "certificate.json").write_text(text)
    (tmp_path / "keys.json").write_text('{"public_keys": {}}')

    command = [sys.executable, "-c", COMMAND, "verify", "certificate.json", "--keys", "keys.json"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 4, run.stderr
    assert run.stderr.startswith("Error: ") and run.stderr.count("\n") == 1
