"""What importing costs, and each command's start, each in a fresh process, beside what it has to load anyway."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _common import race

from analytic_cl import LDAClassifier, Store
from analytic_cl.cli.main import main
from analytic_cl.heads import head_entries

MAIN = "from analytic_cl.cli.main import main; main()"


def process(statement, *arguments, expect=0):
    def run():
        found = subprocess.run([sys.executable, "-c", statement, *arguments], capture_output=True, check=False)
        assert found.returncode == expect, found.stderr

    return run


heads = sorted({entry.head_class.__name__ for entry in head_entries().values() if entry.store})
race(
    "import in a fresh process",
    {
        "from analytic_cl import LDAClassifier": process("from analytic_cl import LDAClassifier"),
        **{f"from analytic_cl import {name}": process(f"from analytic_cl import {name}") for name in heads},
        "import analytic_cl": process("import analytic_cl"),
        "from sklearn.base import BaseEstimator": process("from sklearn.base import BaseEstimator"),
        "import numba": process("import numba"),
        "python": process("pass"),
    },
)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "store"
    X, y = np.random.default_rng(0).normal(size=(10_000, 64)), np.arange(10_000) % 10
    with Store.create(path, LDAClassifier()) as store:
        store.learn(X, y, sample_id=range(10_000))
        store.forget(sample_id=[7], request_id="r")
    race(
        "commands in a fresh process, a store of 10,000 rows of 64 features",
        {
            **{f"{name} STORE": process(MAIN, name, str(path)) for name in ("status", "requests", "audit")},
            "audit STORE --head": process(MAIN, "audit", str(path), "--head"),
            "--help": process(MAIN, "--help"),
            **{f"{name} --help": process(MAIN, name, "--help") for name in sorted(main.commands)},
            "compare --heads WRONG": process(MAIN, "compare", "--heads", "wrong", expect=2),
            "compare --scenario WRONG": process(MAIN, "compare", "--scenario", "wrong", expect=2),
            "verify STORE": process(MAIN, "verify", str(path)),
            "import click": process("import click"),
            "python": process("pass"),
        },
    )
