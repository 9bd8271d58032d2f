"""A package with a head and a state of its own: once installed, it works in stores, commands and comparisons."""

import csv
import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from common import blobs

import analytic_cl
from analytic_cl import baselines, heads
from analytic_cl.heads import BaseHead, head_classes, head_entries

PACKAGE = Path(__file__).parents[1] / "examples" / "feature_maxima"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package as an installer leaves it: its files, and what pyproject.toml says about them."""
    folder = tmp_path_factory.mktemp("site")
    copytree(PACKAGE / "feature_maxima", folder / "feature_maxima")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    about = folder / f"feature_maxima-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["analytic_cl.heads"]
    lines = [f"{name} = {value}\n" for name, value in points.items()]
    (about / "entry_points.txt").write_text("[analytic_cl.heads]\n" + "".join(lines))
    return folder


@pytest.fixture
def run(installed, tmp_path):
    """Run Python where the package is installed; what it wrote."""

    def start(*arguments, code=0):
        path = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-W", "error", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        assert done.returncode == code, (done.stdout[-1000:], done.stderr[-3000:])
        return done.stdout if not code else done.stderr

    return start


COMMAND = "-c", "from analytic_cl.cli.main import main; main()"

CHECKS_AND_STORE = """
import numpy as np
from sklearn.base import clone
from analytic_cl import LDAClassifier, Store, load
from analytic_cl.checks import check_head
from analytic_cl.heads import head_entries
from feature_maxima import FeatureMaxima, MaximaClassifier

rng = np.random.RandomState(0)
y = np.arange(60) % 3
X = rng.normal(size=(60, 5)) + 3 * rng.normal(size=(3, 5))[y]
for head in head_entries()["maxima"].examples:
    check_head(head, X, y)
    check_head(head, X, np.array(["no", "yes"])[y // 2])
assert MaximaClassifier().fit(X, y).score(X, y) > 0.8

with Store.create("store", MaximaClassifier(slack=1.0)) as store:
    store.learn(X[:40], y[:40], sample_id=range(40), subject=[f"person {i // 5}" for i in range(40)])
    store.forget(subject="person 2")
    store.forget(sample_id=[3, 4])
    store.learn(X[40:], y[40:])
kept = [i for i in range(60) if i not in (3, 4, *range(10, 15))]
with Store.open("store") as store:
    plain = MaximaClassifier(slack=1.0).fit(X[kept], y[kept])
    assert isinstance(store.head.state_, FeatureMaxima)
    assert store.state_digest() == plain.state_digest()
    assert store.verify(retrain=True)
    assert (store.predict(X) == plain.predict(X)).all()

try:
    LDAClassifier().adopt(plain.learner_)
except ValueError as error:
    assert "LDAClassifier needs Gram matrix" in str(error), error
else:
    raise AssertionError("a head took a state that can't answer it")
"""


def test_checks_and_a_store_take_it_as_one_of_ours(run):
    run("-c", CHECKS_AND_STORE)


def test_the_commands_offer_it_with_its_own_parameters(run, tmp_path):
    X, y = blobs(60, 5, 3)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    (tmp_path / "ids.txt").write_text("".join(f"{i}\n" for i in range(60)))

    assert "|maxima]" in run(*COMMAND, "init", "--help").replace("\n", "").replace(" ", "")
    assert "--alpha is not for --head maxima" in run(
        *COMMAND, "init", "clinic", "--head", "maxima", "--alpha", 1, code=2
    )
    run(*COMMAND, "init", "clinic", "--head", "maxima", "--quantizer", "embedding")
    run(*COMMAND, "learn", "clinic", "X.npy", "y.npy", "--ids", "ids.txt")
    run(*COMMAND, "forget", "clinic", *(part for i in (3, 4, 5) for part in ("--id", i)))
    verified = json.loads(run(*COMMAND, "verify", "clinic", "--full", "--json"))
    predicted = json.loads(run(*COMMAND, "predict", "clinic", "X.npy", "--json"))["labels"]

    assert verified
    assert np.mean(np.array(predicted) == y) > 0.8


def test_a_comparison_runs_and_tunes_it(run, tmp_path):
    X, y = blobs(200, 6, 4)
    np.savez(tmp_path / "rows.npz", X=X, y=y)
    options = "--heads maxima,lda --peers none --scenario class-incremental:2 --seeds 1 --tune holdout --out out"
    run(*COMMAND, "compare", "--features", "rows.npz", *options.split())
    lines = list(csv.DictReader((tmp_path / "out" / "results.csv").read_text().splitlines()))

    assert {line["method"] for line in lines} == {"maxima", "lda"}


LEFT_OUT = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from analytic_cl.heads import head_entries
    names = list(head_entries())
told = [str(warning.message) for warning in caught if "left out" in str(warning.message)]
assert "lda" in names and "maxima" in names, names
assert len(told) == 2, told
assert any("the heads of absent are left out: ModuleNotFoundError" in text for text in told), told
double = "the heads of double are left out: ValueError: there is a head called 'lda' already"
assert any(double in text for text in told), told
"""


def test_packages_whose_heads_can_not_be_used_are_left_out_by_name(run, installed, tmp_path):
    (tmp_path / "double.py").write_text(
        "from analytic_cl import LDAClassifier\nfrom analytic_cl.heads import HeadEntry\n"
        "ENTRY = HeadEntry('lda', 'another', lambda seed: LDAClassifier())\n"
    )
    for name, point in (("absent", "no_such_module:ENTRY"), ("double", "double:ENTRY")):
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[analytic_cl.heads]\nx = {point}\n")

    run("-c", LEFT_OUT)  # where `python -c` looks first is the folder that it runs in


# ---- our own


def test_every_head_of_ours_is_registered():
    for room in (heads, baselines):
        for path in Path(room.__file__).parent.glob("*.py"):
            import_module(f"{room.__name__}.{path.stem}")
    public = {
        value
        for module in (heads, baselines, analytic_cl)
        for value in (getattr(module, name) for name in dir(module))
        if isinstance(value, type)
        and issubclass(value, BaseHead)
        and value.__name__.endswith(("Classifier", "Regressor"))
    }

    def below(kind):
        return {kind, *(each for child in kind.__subclasses__() for each in below(child))}

    defined = {
        kind
        for kind in below(BaseHead)
        if kind.__module__.startswith((heads.__name__, baselines.__name__)) and "__init__" in vars(kind)
    }

    assert public == defined == set(head_classes().values())


def test_every_class_of_heads_has_examples_that_tests_run():
    with_examples = {type(example) for entry in head_entries().values() for example in entry.examples}

    assert with_examples == set(head_classes().values())
    for entry in head_entries().values():
        assert all(type(example) is entry.head_class for example in entry.examples)
        assert entry.examples or entry.grid or not entry.store, entry.name
