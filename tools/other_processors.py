"""The digests on record on processors that this machine has not, emulated: `make other-processors [PROCESSORS=s390x]`.

For 64-bit ARM, and for IBM's s390x, which is big-endian. Python and the libraries come from Debian's packages and are
unpacked, with the wheel of this repository, under build/other-processors; a cross compiler makes the C++ kernels.
qemu-user runs there the tests of `tools/same_bits.py`, and those of digests on every backend. Then saved heads, stores
and masked sums of `tools/exchange.py` go from here to there, and back.

Needs apt-get and the network, and of Debian's packages qemu-user-static (or qemu-user), g++-aarch64-linux-gnu and
g++-s390x-linux-gnu: what is missing is named.
"""

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

from same_bits import FILES

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "other-processors"
SUITE = "forky"  # of Debian: the first one whose libraries are as new as pyproject.toml asks
PACKAGES = [
    *("base-files", "python3-dev", "python3-numpy", "python3-scipy", "python3-sklearn", "python3-safetensors"),
    *("python3-threadpoolctl", "python3-click", "python3-rich", "python3-cryptography", "libopenblas0-pthread"),
    *("python3-pytest", "python3-hypothesis"),
]
# There is no numba for s390x: Python runs its kernels as they stand, but where NumPy's twins or C++ take their place.
NO_NUMBA = """
from numpy import errstate
def njit(**options):
    return errstate(all="ignore")  # as a decorator: the kernel as Python runs it, with integers that wrap around
"""


class Processor(NamedTuple):
    debian: str
    triplet: str
    numba: bool
    backends: tuple[str, ...]


PROCESSORS = {
    "aarch64": Processor("arm64", "aarch64-linux-gnu", True, ("numpy", "blas", "native")),
    "s390x": Processor("s390x", "s390x-linux-gnu", False, ("numpy", "blas", "native")),
}


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], check=False, text=True, **options)
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stdout or ''}{done.stderr or ''}")
    return done.stdout


def fetched(name, processor):
    """A folder with Debian's packages for this processor, unpacked: no root, no chroot, nothing installed here."""
    root, state = BUILD / name, BUILD / f"{name}-apt"
    if (root / "whole").exists():
        return root
    for folder in (root, state):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (root, state / "lists/partial", state / "archives/partial"):
        folder.mkdir(parents=True)
    (state / "status").touch()
    (state / "debian.list").write_text(f"deb http://deb.debian.org/debian {SUITE} main\n")
    settings = {
        "APT::Architecture": processor.debian,
        "APT::Architectures": processor.debian,
        "APT::Sandbox::User": "root",  # its user could not write here
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Etc::SourceList": state / "debian.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Cache": state,
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]
    packages = PACKAGES + ["python3-numba"] * processor.numba
    print(f"{name}: fetching packages of Debian {SUITE}", flush=True)
    try:
        run(*apt, "update", capture_output=True)
        run(*apt, "-y", "--download-only", "--no-install-recommends", "install", *packages, capture_output=True)
    except SystemExit as failure:
        sys.exit(f"{name}: Debian's packages can't be had here, so nothing was tried.\n{failure}")
    for package in state.glob("archives/*.deb"):
        run("dpkg", "-x", package, root)
    shutil.rmtree(state)
    (root / "whole").touch()
    return root


def installed(name, processor, root, wheel):
    """The wheel, the tests, and the C++ kernels where the cross compiler is installed, in a folder for PYTHONPATH."""
    site = root / "site"
    shutil.rmtree(site, ignore_errors=True)
    zipfile.ZipFile(wheel).extractall(site)
    shutil.copytree(ROOT / "tests", site / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    if not processor.numba:
        (site / "numba.py").write_text(NO_NUMBA)
    compiler = shutil.which(f"{processor.triplet}-g++")
    if compiler is None:
        print(f"{name}: no {processor.triplet}-g++ here (package g++-{processor.triplet}): without C++ kernels")
        return site, [each for each in processor.backends if each != "native"]
    nanobind = Path(run(sys.executable, "-m", "nanobind", "--include_dir", capture_output=True).strip()).parent
    headers = next((root / "usr/include").glob("python3.*"))
    sources = [*sorted((ROOT / "native").glob("*.cpp")), nanobind / "src/nb_combined.cpp"]
    run(
        *(compiler, "-std=c++17", "-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-DNDEBUG"),
        *(f"-I{each}" for each in (headers, nanobind / "include", nanobind / "ext/robin_map/include")),
        *("-idirafter", root / "usr/include"),  # where pyconfig.h of the processor is; the rest is the compiler's own
        *(source for source in sources if source.name != "sanitize.cpp"),
        *("-pthread", "-o", site / "analytic_cl/_native.so"),
    )
    return site, list(processor.backends)


def emulator(name):
    found = shutil.which(f"qemu-{name}-static") or shutil.which(f"qemu-{name}")
    return found or sys.exit(f"there is no qemu-{name} here: install Debian's qemu-user-static")


def python(name, processor, root, site):
    """The command of the emulated Python."""
    libraries = root / "usr/lib" / processor.triplet
    paths = ":".join(map(str, (libraries / "openblas-pthread", libraries)))
    variables = {
        "LD_LIBRARY_PATH": paths,
        "PYTHONPATH": site,
        "NUMBA_CACHE_DIR": root / "numba-cache",
        "OPENBLAS_NUM_THREADS": 1,
    }
    interpreter = next(path for path in sorted((root / "usr/bin").glob("python3.*")) if path.suffix[1:].isdigit())
    settings = [part for key, value in variables.items() for part in ("-E", f"{key}={value}")]
    return [emulator(name), "-L", root, *settings, interpreter]


def same_digests(name, command, site, backends):
    for backend in backends:
        start = time.perf_counter()
        options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-o", "pythonpath=tests"]
        print(f"-- {name}, backend {backend}", flush=True)
        environment = {**os.environ, "ANALYTIC_CL_BACKEND": backend}
        # The rest of the tests is long where Python itself is emulated, and longer where numba has to compile.
        tests = [f"tests/{file}" for file in (FILES if backend == "numpy" else FILES[:1])]
        run(*command, "-m", "pytest", *options, *tests, cwd=site, env=environment)
        print(f"   {time.perf_counter() - start:.0f} s", flush=True)


def exchanged(name, command, site):
    """Files from here are read there, and files from there here."""
    script, mine = ROOT / "tools/exchange.py", [sys.executable]
    environment = {**os.environ, "ANALYTIC_CL_BACKEND": "numpy"}
    for source, target, way in ((mine, command, f"from here to {name}"), (command, mine, f"from {name} to here")):
        folder = BUILD / "exchange"
        shutil.rmtree(folder, ignore_errors=True)
        print(f"-- {way}", flush=True)
        run(*source, script, "write", folder, cwd=site, env=environment)
        run(*target, script, "read", folder, cwd=site, env=environment)


def main():
    asked = sys.argv[1:] or list(PROCESSORS)
    if unknown := set(asked) - PROCESSORS.keys():
        sys.exit(f"no processor {', '.join(unknown)}: there are {', '.join(PROCESSORS)}")
    wheels = BUILD / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT),
        env={**os.environ, "SKBUILD_WHEEL_CMAKE": "false"},
        capture_output=True,
    )
    for name in asked:
        emulator(name)  # before anything is fetched
        processor = PROCESSORS[name]
        root = fetched(name, processor)
        site, backends = installed(name, processor, root, next(wheels.glob("*.whl")))
        command = python(name, processor, root, site)
        print(f"== {name}", flush=True)
        where = "import analytic_cl, sys; print(sys.byteorder, 'endian,', analytic_cl.show_config())"
        run(*command, "-c", where, cwd=site)
        same_digests(name, command, site, backends)
        exchanged(name, command, site)


if __name__ == "__main__":
    main()
