"""Compare the digests on record with those of the *installed* package, on this machine: `python tools/same_bits.py`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
FILES = ("test_digests.py", "test_digest_order.py", "test_quantisation.py")


def main():
    # Away from the repository, so that its sources don't stand in for what was installed.
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(TESTS, Path(folder) / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        where = (
            "import analytic_cl, json; print(analytic_cl.__file__, json.dumps(analytic_cl.show_config()), flush=True)"
        )
        subprocess.run([sys.executable, "-c", where], cwd=folder, check=True)
        arguments = ["-q", "-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib", "-o", "pythonpath=tests"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments, *(f"tests/{name}" for name in FILES)], cwd=folder, check=False
        )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
