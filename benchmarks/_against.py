"""Is this tree slower than a commit before it? Run as `make against REV=v0.1`: calls of heads, side by side, in turn.

The commit is checked out and installed in build/against, apart from this tree. Each round runs both, each in a process
of its own on one core; the table has the least time of the rounds. CALLS=_compared times all heads of a comparison.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from _common import machine

ROOT = Path(__file__).parents[1]
CALLS = ROOT / "benchmarks" / f"{os.environ.get('CALLS', '_calls')}.py"
PACK = Path(os.environ.get("ANALYTIC_CL_DATA", ROOT.parent / "shared" / "data")) / "cifar100_mnv2.npz"
ROUNDS = int(os.environ.get("ROUNDS", "3"))


def installed(revision):
    """The Python of an environment that holds the package as it was."""
    commit = subprocess.check_output(["git", "rev-parse", "--short", f"{revision}^{{commit}}"], cwd=ROOT, text=True)
    folder = ROOT / "build" / "against" / commit.strip()
    python = folder / "venv" / "bin" / "python"
    if not (folder / "installed").exists():
        (folder / "tree").mkdir(parents=True, exist_ok=True)
        archive = subprocess.run(["git", "archive", commit.strip()], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(folder / "tree")], input=archive, check=True)
        venv.create(folder / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(folder / "tree")], check=True)
        (folder / "installed").touch()
    return python


def run(python):
    # Isolated, or the folder of this tree would be imported instead.
    return json.loads(subprocess.check_output([python, "-I", CALLS, PACK], env={**os.environ, "OMP_NUM_THREADS": "1"}))


if __name__ == "__main__":
    if not PACK.exists():
        sys.exit(f"{PACK} is missing: set ANALYTIC_CL_DATA to the folder that holds it")
    pythons = {"before": installed(sys.argv[1]), "now": Path(sys.executable)}
    rounds = [{name: run(python) for name, python in pythons.items()} for _ in range(ROUNDS)]
    print(machine())
    print(f"{'milliseconds':58} {sys.argv[1]:>10} {'now':>10}  ratio")
    for call in rounds[0]["now"]:
        before, now = (1e3 * min(times[name][call] for times in rounds) for name in pythons)
        print(f"{call:58} {before:10.3f} {now:10.3f}  {now / before:5.2f}")
