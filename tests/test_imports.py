"""Importing is light, and imports run one way."""

import json
import subprocess
import sys

import pytest
from walls import FILES, PACKAGE, imports_of

import analytic_cl

OPTIONAL = {
    "torch",
    "faiss",
    "dask",
    "distributed",
    "pyspark",
    "ray",
    "matplotlib",
    "pandas",
    "polars",
    "pyarrow",
    "onnx",
    "onnxruntime",
}

# Who may import whom: each room only those to its right.
ROOMS = [
    "cli",
    "displays",
    "studies",
    "report",
    "comparison",
    "adaptation",
    "distributed",
    "export",
    "store",
    "reading",
    "datasets",
    "scenarios",
    "metrics",
    "extractors",
    "checks",
    "baselines",
    "heads",
    "learner",
    "recursive",
    "solvers",
    "memory",
    "ledger",
    "statistics",
    "quantizers",
    "_numba",
    "_parallel",
    "_blas",
    "_files",
    "_html",
    "_integers",
    "_interrupts",
    "_json",
    "_names",
    "_progress",
    "_text",
    "_warnings",
    "_arrays",
    "_locks",
    "_config",
    "_containers",
    "_device",
    "_sparse",
]


def loaded_by(statement):
    code = f"""
import json, sys, time
start = time.perf_counter()
{statement}
print(json.dumps([time.perf_counter() - start, *sys.modules]))
"""
    seconds, *modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    return seconds, set(modules)


def test_importing_the_package_loads_nothing_heavy(record_property):
    seconds, modules = loaded_by("import analytic_cl")
    record_property("import seconds", seconds)

    assert not modules & (OPTIONAL | {"numpy", "scipy", "sklearn", "numba", "rich", "click"})


def test_using_every_public_name_loads_no_extra_beyond_what_scikit_learn_loads(record_property):
    seconds, modules = loaded_by("from analytic_cl import *")
    record_property("import seconds", seconds)
    print(f"from analytic_cl import *: {seconds:.2f} s")

    assert modules & OPTIONAL <= loaded_by("import sklearn.base")[1]
    assert "matplotlib" not in modules


def test_every_public_name_is_there():
    for name in [*analytic_cl.__all__, "checks", "datasets", "metrics", "scenarios", "__version__"]:
        assert getattr(analytic_cl, name) is not None
        assert name in dir(analytic_cl)
    with pytest.raises(AttributeError, match="no attribute 'LDAClassifer'"):
        analytic_cl.LDAClassifer  # noqa: B018


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    for name in imports_of(path):
        top, *rest = name.split(".")
        if top == "analytic_cl" and rest and rest[0] in ROOMS and rest[0] != room:
            assert ROOMS.index(rest[0]) > ROOMS.index(room), f"{room} imports {name}"
        if room in ("scenarios", "metrics"):  # usable with other libraries
            assert top != "analytic_cl" or rest[0] in (room, "_config", "_integers", "_text"), f"{room} imports {name}"
        if room in ("statistics", "solvers", "recursive", "quantizers", "scenarios", "learner", "ledger", "memory"):
            assert top != "sklearn", f"{room} imports {name}"
        if room in ("heads", "solvers", "recursive", "learner"):
            assert top != "numba", f"{room} imports {name}"
        assert top not in ("pickle", "joblib", "dill"), f"{path} imports {name}"
