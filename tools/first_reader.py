"""The path of a first reader: every `sh` command of docs/start.md, in a fresh clone of HEAD, timed.

Fails where a command fails, or where it takes five minutes or fifteen commands from clone to a deletion. The clone
comes from this repository under the address that the page names; nothing else is changed, and nothing else is known.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "start.md"
REPOSITORY = "https://github.com/analytic-cl/analytic-cl"
MOST_COMMANDS, MOST_SECONDS = 14, 300


def commands():
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def environment(home):
    """A bare one: no environment of Python, and the repository's address leads here."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG", "LC_"))}
    python = Path(sys.executable).resolve().parent
    return kept | {
        "HOME": str(home),
        "PATH": f"{python}:/usr/local/bin:/usr/bin:/bin",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"url.{ROOT}.insteadOf",
        "GIT_CONFIG_VALUE_0": REPOSITORY,
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
    }


def main():
    todo, mark = commands(), "took"
    script = "set -e\n" + "".join(
        f"start=$(date +%s.%N)\n{line}\necho {mark} {number} $(date +%s.%N) $start\n"
        for number, line in enumerate(todo)
    )
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        done = subprocess.run(
            ["bash", "-c", script], cwd=home, env=environment(home), capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - start
    took = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith(f"{mark} ")]
    for number, end, begin in took:
        print(f"{float(end) - float(begin):6.1f} s  {todo[int(number)]}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{seconds:6.1f} s, of processor time {used.ru_utime + used.ru_stime:.1f} s: {len(todo)} commands")
    if done.returncode:
        sys.exit(f"failed: {todo[len(took)]}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if len(todo) > MOST_COMMANDS or seconds > MOST_SECONDS:
        sys.exit(f"more than {MOST_COMMANDS} commands or {MOST_SECONDS} s (is the machine busy with other things?)")
    said = done.stdout
    if "verified" not in said or "erased" not in said:
        sys.exit("no deletion was verified")


if __name__ == "__main__":
    main()
