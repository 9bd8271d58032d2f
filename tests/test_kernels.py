"""Every numba kernel has a twin in plain NumPy with the same bits, and that is what `use_backend("numpy")` runs."""

import ast
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import analytic_cl
from analytic_cl._config import native
from analytic_cl._numba import KERNELS
from analytic_cl._sparse import SparseRows

PACKAGE = Path(analytic_cl.__file__).parent

for path in PACKAGE.rglob("*.py"):
    if "import kernel\n" in path.read_text():
        import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))


def module(name):
    return sys.modules[f"analytic_cl.{name}"]


def integers(*shape, low=-9, high=10, dtype=np.int64, seed=0):
    return np.random.RandomState(seed).randint(low, high, size=shape).astype(dtype)


def floats(*shape, dtype=np.float64, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype(dtype)


def reference(room, name):
    """The twin of a kernel, where it stands beside it as NAME_reference."""
    return getattr(module(room), f"{name}_reference")


def quantised(name, x, *more):
    """Case of a kernel that has its twin in `quantizer.reference`, and writes int8 rows."""
    return getattr(module("quantizers.reference"), name), (x, *more, 400.0, 127.0, np.empty(x.shape, dtype=np.int8))


def lanes(squares, scratch):
    return float(module("quantizers.reference").sum_in_lanes(squares[None])[0])


def window(n, cells):
    return np.linspace(0, n - 3, cells).astype(np.int64), np.abs(floats(cells, 3))


def image(name, make):
    """The twin of one step of the image features, which returns what the kernel writes to `out`."""

    def run(*arguments):
        for out, value in zip(*make(getattr(module("extractors.gradient_reference"), name), *arguments), strict=True):
            out[...] = value

    return run


def binomial(twin, v, scratch):
    scratch[...] = 0  # what the kernel leaves there is of no account
    return [v], [twin(v)]


def finish(features, channels, n_first, n_second, out):
    n_means, n_layer = channels, channels * n_first
    first = features[n_means : n_means + n_layer].reshape(1, channels, n_first, *features.shape[1:])
    second = features[n_means + n_layer :].reshape(1, channels, n_first, n_second, *features.shape[1:])
    module("extractors.gradient_reference")._finish(features[None, :channels], [first, second], out[None])
    features[channels:] = np.sqrt(features[channels:])


def oriented(*arguments):
    module("extractors.gradient_reference").oriented_gradients(*arguments)


def round_of_words(*words):
    return tuple(int(x[0]) for x in module("ledger.siphash")._sip_round(*(np.array([word]) for word in words)))


def squares_of(centres):
    return module("quantizers.nearest").squares(centres)


def no_counts(d):
    """Columns of which nothing was counted yet."""
    counts = np.zeros((len(module("quantizers.loss_kernels").COLUMNS), d))
    counts[0] = np.nan
    return counts


def inner(x, y):
    product = sum(int(a) * int(b) for a, b in zip(x, y, strict=True))
    return product >> 32, product & 0xFFFFFFFF


def in_limbs(value, out):
    out[:] = [(value >> 32 * i) & 0xFFFFFFFF for i in range(out.size)]


def limbs(high, low, out):
    in_limbs(abs(high * 2**32 + low), out)


def multiply(a, b, out):
    x, y = (sum(int(limb) << 32 * i for i, limb in enumerate(part)) for part in (a, b))
    in_limbs(x * y, out)


def larger_cosine(a, b, room):
    (ax, ay), (bx, by) = ((int(v[0]) * 2**32 + int(v[1]), int(v[2]) * 2**32 + int(v[3])) for v in (a, b))
    mine, other = ax * abs(ax) * by, bx * abs(bx) * ay
    return (mine > other) - (mine < other)


def by_line(rows):
    """Entries of sparse rows in the order of their columns, as the Gram matrix of sparse rows takes them."""
    lines = module("statistics.sparse_gram")._Lines(SparseRows.of(rows), 8)
    return lines.columns, lines.entries, lines.ends, lines.indices, lines.starts


def first_products(row, weights, step, centre, bits, sums, units):
    whole, origin, units[:] = module("quantizers.linear_map").as_integers(weights, step, centre)
    sums[:] = whole @ row.astype(np.int64) - origin
    return True


V, CENTRES = np.abs(floats(7, 9)), integers(3, 5, 8, dtype=np.int16)
TABLES, KEYS = integers(4, 8, 5, low=0, high=30, dtype=np.int32), integers(4, 20, low=0, high=8, dtype=np.uint16)
WORDS = integers(4, low=1, high=2**40, dtype=np.uint64)
BITS = floats(5, 40).view(np.uint64)
HALF = np.uint64(2**63 - 1)
ROWS = integers(30, 6, low=-3, high=4, dtype=np.int32)
X, LONG = floats(6, 8), integers(37, low=-(2**30), high=2**30)
BIG = integers(3, low=0, high=2**32, dtype=np.uint64)
WINDOWS = (window(7, 4), window(9, 5), window(4, 2), window(5, 3))

SPARSE = csr_array(integers(6, 9, low=-3, high=4, dtype=np.int8))
ENTRIES = SPARSE.data, SPARSE.indices, SPARSE.indptr
LINES = by_line(SPARSE)

# By kernel: the twin, and arguments that both are called with. Arrays are compared afterwards, and what is returned.
CASES = {
    "quantizers.kernels.largest_magnitude": (
        lambda *a: module("quantizers.reference").largest_magnitude(*a),
        (BITS, HALF, np.zeros(5, np.uint64)),
    ),
    "quantizers.kernels.sum_in_lanes": (lanes, (floats(48) ** 2, np.zeros(16))),
    "quantizers.kernels.normalised_rows": quantised(
        "normalised_rows", floats(5, 37), np.abs(floats(5, 37)).max(axis=1)
    ),
    "quantizers.kernels.normalised_singles": quantised("normalised_singles", floats(5, 37, dtype=np.float32)),
    "quantizers.kernels.affine_rows": (
        lambda *a: module("quantizers.reference").affine_rows(*a),
        (floats(5, 7), floats(7, seed=1), np.full(7, 99.5), 127.0, np.zeros((5, 7), np.int8)),
    ),
    "quantizers.sparse_rows._normalised_entries": (
        reference("quantizers.sparse_rows", "_normalised_entries"),
        (floats(len(ENTRIES[0])), *ENTRIES[1:3], 400.0, 127.0, np.zeros(len(ENTRIES[0]), np.int8)),
    ),
    "quantizers.loss_kernels.count_losses": (
        lambda *a: module("quantizers.loss_reference").count_losses(*a),
        (
            X,
            np.ones(6),
            True,
            np.zeros(8),
            np.full(8, 50.0),
            127.0,
            no_counts(8),
            np.empty((6, 3)),
            np.empty(6, np.int64),
        ),
    ),
    "memory.angles._inner": (inner, (LONG, LONG[::-1])),
    "memory.angles._limbs": (limbs, (-5, 7, np.zeros(3, np.uint64))),
    "memory.angles._multiply": (multiply, (BIG, BIG[::-1].copy(), np.zeros(6, np.uint64))),
    "memory.angles._larger_cosine": (
        larger_cosine,
        (np.array([3, 9, 2, 5]), np.array([4, 1, 3, 8]), np.zeros((5, 9), np.uint64)),
    ),
    "memory.angles._rank": (
        reference("memory.angles", "_rank"),
        (
            ROWS[:4],
            ROWS,
            ROWS.view(np.uint8),
            np.arange(30, dtype=np.int32) % 3,
            np.array([1, 2, 0]),
            np.tile(np.arange(30), (4, 1)),
            np.full((4, 5), -1),
            np.zeros((4, 5)),
            np.ones((4, 5)),
            np.empty(4),
        ),
    ),
    "quantizers.kernels.table_of_turns": (
        lambda *a: module("quantizers.reference").table_of_turns(*a),
        (
            integers(6, 9, low=-(2**24) + 1, high=2**24).astype(np.float32),
            2**31 + 3,
            integers(9, low=0, high=2**32),
            integers(4096, low=-127, high=128, dtype=np.int8),
            np.empty((6, 9), dtype=np.int8),
        ),
    ),
    "quantizers.linear_map._first_products": (
        first_products,
        (
            integers(9, low=-127, high=128, dtype=np.int8),
            floats(4, 9),
            np.abs(floats(9, seed=1)),
            integers(9),
            46,
            np.empty(4, dtype=np.int64),
            np.empty(4),
        ),
    ),
    "quantizers.kernels.sums_of_squares": (
        lambda *a: module("quantizers.reference").sums_of_squares(*a),
        (integers(5, 70_000, low=-127, high=128, dtype=np.int8), np.empty(5, dtype=np.int64)),
    ),
    "quantizers.kernels.rectified_shift": (
        lambda *a: module("quantizers.reference").rectified_shift(*a),
        (integers(9, 4, low=-900, high=900, dtype=np.float32), 3, 127, np.zeros((9, 4), np.int8)),
    ),
    "quantizers.sign_keys._pack": (
        reference("quantizers.sign_keys", "_pack"),
        (integers(9, 15, low=-1, high=2, dtype=np.int8), 5, np.zeros((9, 3), np.uint16)),
    ),
    "quantizers.nearest_keys._shift_and_clip": (
        reference("quantizers.nearest_keys", "_shift_and_clip"),
        (integers(9, 15, low=-(10**6), high=10**6, dtype=np.int32), 5, 16, 4095, np.zeros((9, 15), np.int16)),
    ),
    "quantizers.nearest._nearest": (
        reference("quantizers.nearest", "_nearest"),
        (integers(9, 3, 5, dtype=np.int16), CENTRES, squares_of(CENTRES), np.zeros((9, 3), np.uint16)),
    ),
    "solvers.spectral_filter._add_solutions": (
        reference("solvers.spectral_filter", "_add_solutions"),
        (floats(9), floats(8, seed=1), *floats(4, 3, seed=2), floats(9, 5), np.zeros((9, 5))),
    ),
    "solvers.coordinate_scores._add_products": (
        reference("solvers.coordinate_scores", "_add_products"),
        (floats(7, 6), floats(6, 300, seed=1), floats(7, 300, seed=2)),
    ),
    "solvers.read_out._add_logs": (
        reference("solvers.read_out", "_add_logs"),
        (TABLES, KEYS, 4, 0.05, np.log(np.arange(30) + 0.05), True, np.zeros((20, 4)), np.zeros(20)),
    ),
    "solvers.read_out._add_posteriors": (
        reference("solvers.read_out", "_add_posteriors"),
        (TABLES, KEYS, 4, 0.05, np.zeros((20, 4))),
    ),
    "statistics.key_counts._add_up": (
        reference("statistics.key_counts", "_add_up"),
        (KEYS, integers(20, low=0, high=5), -1, TABLES // 10),
    ),
    "statistics.gram._add_triangle": (
        reference("statistics.gram", "_add_triangle"),
        (integers(15), integers(5, 5, dtype=np.float32), -1),
    ),
    "statistics.centring._fill_panel": (
        reference("statistics.centring", "_fill_panel"),
        (integers(15), integers(2, 4), floats(2, 4), 1, np.zeros((2, 4))),
    ),
    "statistics.centring._fill_panel_of_one": (
        reference("statistics.centring", "_fill_panel_of_one"),
        (integers(55), integers(10), integers(10, seed=1), integers(10, seed=2), 7, 3, np.zeros((4, 7))),
    ),
    "statistics.centring._mirror": (reference("statistics.centring", "_mirror"), (floats(70, 70),)),
    "statistics.class_sums._add_rows": (
        reference("statistics.class_sums", "_add_rows"),
        (integers(30, 7, dtype=np.int8), integers(30, low=0, high=4), 2, 6, np.zeros((4, 7), np.int32)),
    ),
    "statistics.sparse_sums._add_entries": (
        reference("statistics.sparse_sums", "_add_entries"),
        (*ENTRIES[:3], integers(6, low=0, high=4), np.zeros((4, 9), np.int64)),
    ),
    "statistics.sparse_gram._add_products": (
        reference("statistics.sparse_gram", "_add_products"),
        (integers(45), 2, 7, *LINES, ENTRIES[0], -1),
    ),
    "statistics.sparse_gram._add_split_products": (
        reference("statistics.sparse_gram", "_add_split_products"),
        (*integers(3, 45), 0, 9, *LINES, *integers(2, len(ENTRIES[0]), seed=1), -1),
    ),
    "statistics.class_gram._add_plane": (
        reference("statistics.class_gram", "_add_plane"),
        (integers(15), integers(15, dtype=np.int32, seed=1), np.zeros(15, np.int32)),
    ),
    "statistics.row_match._match": (
        reference("statistics.row_match", "_match"),
        (
            integers(30, 2, low=0, high=3, dtype=np.uint16),  # many are equal, within classes and across
            np.arange(2, 30),
            integers(28, low=0, high=2),
            integers(20, 2, low=0, high=3, dtype=np.uint16, seed=1),
            integers(20, low=0, high=2, seed=1),
            np.zeros(28, bool),
            np.zeros(20, bool),
        ),
    ),
    "ledger.siphash._sip_round": (round_of_words, tuple(WORDS)),
    "ledger.siphash._hash_rows": (
        reference("ledger.siphash", "_hash_rows"),
        (*(integers(70, *k, low=0, high=2**40, dtype=np.uint64) for k in ([3], [], [2])), np.zeros((70, 2), np.uint64)),
    ),
    "memory.ranking._rank": (
        reference("memory.ranking", "_rank"),
        (
            integers(8, 6, low=-3, high=4, dtype=np.int32),
            ROWS,
            ROWS.view(np.uint8),
            integers(30, low=0, high=3, dtype=np.int32),
            np.array([1, 2, 0]),
            np.stack([np.random.RandomState(i).permutation(30)[:12] for i in range(8)]),
            True,
            np.full((8, 4), -1),
            np.zeros((8, 4), np.int64),
            np.zeros((8, 4), np.int64),
        ),
    ),
    "memory.scan._keep": (
        reference("memory.scan", "_keep"),
        (integers(6, 20, low=0, high=9).astype(np.float64), 100, np.full((6, 4), np.inf), np.full((6, 4), -1)),
    ),
    "extractors.gradient_kernels.oriented_gradients": (
        oriented,
        (floats(2, 7, 9, 2), floats(4, 2), floats(2, 2), *WINDOWS, np.zeros((2, 2 * (1 + 4 + 8), 2, 3), np.float32)),
    ),
    "extractors.gradient_kernels._to_unit_range": (
        image("_to_unit_range", lambda twin, x, v: ([v], [twin(x[None])[0]])),
        (floats(7, 9, 2), np.zeros((2, 7, 9))),
    ),
    "extractors.gradient_kernels._scharr": (
        image("_scharr", lambda twin, v, gx, gy, m: ([gx, gy, m], [*twin(v), sum(g * g for g in twin(v))])),
        (V, *np.zeros((3, 7, 9))),
    ),
    "extractors.gradient_kernels._differences": (
        image("_differences", lambda twin, v, gx, gy, m: ([gx, gy, m], [*twin(v), sum(g * g for g in twin(v))])),
        (V, *np.zeros((3, 7, 9))),
    ),
    "extractors.gradient_kernels._binomial": (image("_binomial", binomial), (V, None)),
    "extractors.gradient_kernels._respond": (
        image("_respond", lambda twin, *a: ([a[-1]], [twin(*a[:-1])])),
        (floats(7, 9), floats(7, 9, seed=1), V, np.array([0.6, 0.8]), False, np.zeros((7, 9))),
    ),
    "extractors.gradient_kernels._pool": (
        image("_pool", lambda twin, v, rows, columns, line, out: ([out], [twin(v, rows, columns)])),
        (V, *WINDOWS[:2], None, np.zeros((4, 5))),
    ),
    "extractors.gradient_kernels._finish": (
        finish,
        (np.abs(floats(26, 2, 3)), 2, 4, 2, np.zeros((26, 2, 3), np.float32)),
    ),
}
# Arguments that a kernel uses to work in, by place: their content afterwards is its own affair.
SCRATCH = {
    "quantizers.kernels.sum_in_lanes": {1: (16,)},
    "extractors.gradient_kernels._binomial": {1: (7, 9)},
    "extractors.gradient_kernels._pool": {3: (9,)},
    "memory.angles._larger_cosine": {2: (5, 9)},
}
# A logarithm of numba's and one of NumPy's may differ in the last bit.
ALGEBRAIC = {"solvers.read_out._add_logs": 1e-14, "quantizers.loss_kernels.count_losses": 1e-12}


def test_every_kernel_has_a_twin_in_the_table():
    assert {f"analytic_cl.{name}" for name in CASES} == KERNELS.keys()


@pytest.mark.parametrize("name", CASES)
def test_kernel_and_twin_give_the_same_bits(name):
    twin, arguments = CASES[name]
    scratch = SCRATCH.get(name, {})
    ours, theirs = (
        [
            np.zeros(scratch[i], getattr(a, "dtype", None))
            if i in scratch
            else a.copy()
            if isinstance(a, np.ndarray)
            else a
            for i, a in enumerate(arguments)
        ]
        for _ in range(2)
    )
    before = [np.copy(a) for a in ours if isinstance(a, np.ndarray)]

    returned = KERNELS[f"analytic_cl.{name}"](*ours), twin(*theirs)

    assert returned[0] is None or returned[0] == returned[1]
    changed = [np.copy(a) for a in ours if isinstance(a, np.ndarray)]
    assert returned[0] is not None or any(not np.array_equal(a, b) for a, b in zip(before, changed, strict=True))
    for place, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
        if place not in scratch and isinstance(mine, np.ndarray):
            np.testing.assert_allclose(mine, its, rtol=ALGEBRAIC.get(name, 0), atol=0, strict=True)


# Every head, keys and image features under the NumPy backend, in a process where a compiled kernel raises an error.
WITHOUT_NUMBA = """
import numba

def njit(**how):
    def forbid(function):
        def compiled(*arguments):
            raise AssertionError(f"{function.__qualname__} ran under the NumPy backend")
        return compiled
    return forbid

numba.njit = njit
import numpy as np
import analytic_cl
from analytic_cl.heads import head_entries
from sklearn.base import clone

rng = np.random.RandomState(0)
narrow, wide, y = rng.normal(size=(36, 5)), rng.normal(size=(36, 300)), np.arange(36) % 3
keys = analytic_cl.NearestKeys.from_rows(narrow, n_codebooks=4, bits=3)
heads = [head for entry in head_entries().values() for head in entry.examples]
for how in ("mean posterior", "mean log posterior"):
    heads.append(analytic_cl.KeyValueBottleneckClassifier(16, read_out=how))
heads += [analytic_cl.KeyValueBottleneckClassifier(keys=keys)]
for head in heads:
    for X in (narrow,) if head.get_params().get("keys", "signs") is keys else (narrow, wide):
        fitted = clone(head).fit(X, y)
        fitted.partial_fit(X[:6] + 1, y[:6])
        fitted.forget(X[:4], y[:4])
        (fitted.predict if head.task == 'regression' else fitted.decision_function)(X)
analytic_cl.OrientedGradients().fit_transform(rng.normal(size=(2, 16, 16)))
"""


def test_no_kernel_runs_under_the_numpy_backend():
    code = "import warnings; warnings.simplefilter('ignore')\n" + WITHOUT_NUMBA
    environment = {**os.environ, "ANALYTIC_CL_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


# ---- the C++ kernels and what mypy knows of them


def plain_types(annotations):
    """int, str and bool by name; everything else, arrays above all, as "object"."""
    return [kind if kind in ("int", "str", "bool") else "object" for kind in annotations]


def of_stub(function):
    arguments = [a for a in function.args.posonlyargs if a.arg != "self"]
    return plain_types(ast.unparse(argument.annotation) for argument in arguments)


def of_module(function):
    """Types of the arguments as nanobind writes them at the head of the documentation."""
    arguments = re.match(r"\w+\((.*)\)", function.__doc__.splitlines()[0]).group(1)
    outside = re.sub(r"\[[^][]*\]", "", re.sub(r"\[[^][]*\]", "", arguments))
    given = [argument.split(":") for argument in outside.split(", ") if argument not in ("/", "self", "")]
    return plain_types(kind.strip() for _, kind in given)


@pytest.mark.skipif(native is None, reason="the package was installed without a compiler")
def test_the_stub_of_the_native_module_says_what_the_module_has():
    stub, functions, values = ast.parse((PACKAGE / "_native.pyi").read_text()), {}, set()
    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = of_stub(node)
        elif isinstance(node, ast.ClassDef):
            inits = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            functions[node.name] = of_stub(inits[0])
        elif isinstance(node, ast.AnnAssign):
            values.add(node.target.id)
    public = {name: value for name, value in vars(native).items() if not name.startswith("_")}

    assert values == {name for name, value in public.items() if isinstance(value, int)}
    assert functions == {
        name: of_module(value.__init__ if isinstance(value, type) else value)
        for name, value in public.items()
        if callable(value)
    }
