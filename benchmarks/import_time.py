"""What importing costs, each in a fresh process, beside what it has to load anyway."""

import subprocess
import sys

from _common import race


def process(statement):
    return lambda: subprocess.run([sys.executable, "-c", statement], check=True)


race(
    "import in a fresh process",
    {
        "from analytic_cl import LDAClassifier": process("from analytic_cl import LDAClassifier"),
        "import analytic_cl": process("import analytic_cl"),
        "from sklearn.base import BaseEstimator": process("from sklearn.base import BaseEstimator"),
        "import numba": process("import numba"),
        "python": process("pass"),
    },
)
