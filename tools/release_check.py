"""The package as it would be released, without changing anything: `make release-check`.

CHANGELOG as a draft; wheel and sdist, checked by twine; what is in them; and both installed in clean environments, of
every Python from 3.11 that is at hand, where a smoke test and `analytic-cl demo` run away from the repository. PYTHONS
names others (PYTHONS=python3.12).
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = ("python3.11", "python3.12", "python3.13", "python3.14")
IN_WHEEL = ("analytic_cl/py.typed", "analytic_cl/data/clinc150_minilm.npz", "analytic_cl/data/README.md")
SMOKE = """
import numpy as np
import analytic_cl
from analytic_cl import LDAClassifier, get_backend, load_clinc150

data = load_clinc150()
X, y = data.X_train[:2000], data.y_train[:2000]
head = LDAClassifier().fit(X, y, sample_id=range(2000))
head.forget(sample_id=[7])
head.save("head.safetensors")
never = LDAClassifier().fit(np.delete(X, 7, 0), np.delete(y, 7))
assert analytic_cl.load("head.safetensors").state_digest() == never.state_digest()
print(analytic_cl.__version__, get_backend(), head.state_digest()[:12], round(head.score(data.X_test, data.y_test), 3))
"""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], check=False, text=True, **options)
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stdout or ''}{done.stderr or ''}")
    return done.stdout


def one_version():
    """`pyproject.toml` has the version; what can't read it there repeats it."""
    found = {}
    for name, line in (
        ("pyproject.toml", "version = "),
        ("CITATION.cff", "version: "),
        ("recipe/recipe.yaml", "  version: "),
    ):
        lines = (ROOT / name).read_text().splitlines()
        found[name] = next(text for text in lines if text.startswith(line)).removeprefix(line).strip('"')
    if len(set(found.values())) > 1:
        sys.exit(f"the versions differ: {found}")
    print(f"version {found['pyproject.toml']}, in all of {', '.join(found)}")


def contents(wheel, sdist):
    names = zipfile.ZipFile(wheel).namelist()
    foreign = [name for name in names if not name.startswith(("analytic_cl/", "analytic_cl-"))]
    missing = [name for name in IN_WHEEL if name not in names]
    native = [name for name in names if "_native." in name and not name.endswith(".pyi")]
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"LICENSE", "README.md", "native/gram.cpp", "tests/test_digests.py", "analytic_cl/py.typed"}
    if foreign or missing or not native or needed - inside:
        sys.exit(f"wheel: foreign {foreign}, missing {missing}, kernels {native}; sdist lacks {needed - inside}")
    print(f"wheel: {len(names)} files, {wheel.stat().st_size / 1e6:.1f} MB, {native[0]}; sdist: {len(inside)} files")


def without_compiler(folder):
    """As README says, the package installs all the same: a wheel without kernels, for any Python."""
    built = folder / "without-compiler"
    environment = {**os.environ, "CXX": "/no/compiler", "CC": "/no/compiler"}
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", built, ROOT),
        env=environment,
        capture_output=True,
    )
    (wheel,) = built.iterdir()
    if not wheel.name.endswith("-py3-none-any.whl"):
        sys.exit(f"without a compiler {wheel.name} was built: kernels in it, or bound to this machine")
    print(f"without a compiler: {wheel.name}")


def pythons():
    """Pythons to try: those on the path, or of pyenv, that start."""
    found = {}
    for name in os.environ.get("PYTHONS", " ".join(NAMES)).split():
        version = name.removeprefix("python")
        for path in [shutil.which(name), *sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/{name}"))]:
            if path and not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode:
                found.setdefault(name, path)
    return found


def main():
    one_version()
    run(ROOT / ".venv/bin/towncrier", "build", "--draft", "--version", "NEXT", cwd=ROOT, capture_output=True)
    print("CHANGELOG: a draft of all fragments was made")
    with tempfile.TemporaryDirectory() as folder:
        dist = Path(folder) / "dist"
        run(sys.executable, "-m", "build", "--outdir", dist, ROOT, capture_output=True)
        wheel, sdist = next(dist.glob("*.whl")), next(dist.glob("*.tar.gz"))
        print(run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist, capture_output=True).strip())
        contents(wheel, sdist)
        without_compiler(Path(folder))
        for name, python in pythons().items():
            mine = name == f"python{sys.version_info.major}.{sys.version_info.minor}"
            environment = Path(folder) / name
            run(python, "-m", "venv", environment)
            # The wheel fits the Python that made it; elsewhere the sdist is built, as for any user without a wheel.
            package = wheel if mine else sdist
            run(environment / "bin/python", "-m", "pip", "install", "--quiet", package, capture_output=True)
            run(environment / "bin/python", "-m", "pip", "check", capture_output=True)
            said = run(environment / "bin/python", "-W", "error", "-c", SMOKE, cwd=folder, capture_output=True)
            run(environment / "bin/analytic-cl", "demo", cwd=folder, capture_output=True)
            print(f"{name}, {'wheel' if mine else 'sdist'}: {said.strip()}")
        if absent := set(NAMES) - pythons().keys():
            print(f"not at hand: {', '.join(sorted(absent))}")


if __name__ == "__main__":
    main()
