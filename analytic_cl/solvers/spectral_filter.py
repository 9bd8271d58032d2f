"""A function of a tridiagonal matrix that drops small eigenvalues, without its eigenvectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic_cl._config import get_backend, get_threads
from analytic_cl._numba import kernel
from analytic_cl._parallel import map_blocks, row_blocks

Floats = NDArray[np.float64]

_COLUMNS = 16  # that are solved for at a time: 5,000 rows of them stay in the second-level cache
_ERROR = 1e-15


def filtered_inverse(diagonal: Floats, beside: Floats, low: float, high: float, power: int, right: Floats) -> Floats:
    """V values^-power V^T right, of the eigenpairs of a tridiagonal matrix with eigenvalues of at least `high`; there
    are none between `low` and that, and it is positive. Right is of shape (n, k).

    The step from 0 to 1 between `low` and `high` is a rational function, Zolotarev's best one, to 15 digits. In partial
    fractions it is a sum of solutions of shifted tridiagonal systems, whose shifts lie on a line through the middle of
    the gap; divided by values^power it keeps its shifts.

    Cost: some 40 n k operations for each of 20 to 100 shifts, the more the narrower the gap is; 32 n numbers of memory
    a thread.

    Exactness: bit for bit the same with every backend and number of threads. Within what an error of eps |A| in A does.

    References
    ----------
    Zolotarev 1877, as in Nakatsukasa and Freund, Computing fundamental matrix decompositions accurately via the matrix
    sign function in two iterations, SIAM Review 58 (2016). Hale, Higham and Trefethen, Computing A^alpha, log(A), and
    related matrix functions by contour integrals, SIAM J. Numer. Anal. 46 (2008).
    """
    largest = float(np.abs(diagonal).max(initial=0.0) + 2 * np.abs(beside).max(initial=0.0))
    middle, half = (low + high) / (2 * largest), (high - low) / (2 * largest)
    shifts, residues = sign_poles(half, 1.0 + middle)
    poles = middle + 1j * shifts
    weights = residues / 2 / poles**power / largest**power
    out = np.empty(right.shape)
    matrix = diagonal / largest, beside / largest
    z_parts, w_parts = ((np.ascontiguousarray(z.real), np.ascontiguousarray(z.imag)) for z in (poles, weights))
    add_solutions = _add_solutions_reference if get_backend() == "numpy" else _add_solutions

    def solve(part: slice) -> None:
        for start in range(part.start, part.stop, _COLUMNS):
            some = slice(start, min(start + _COLUMNS, part.stop))
            block = np.zeros((len(right), some.stop - start))
            add_solutions(*matrix, *z_parts, *w_parts, np.ascontiguousarray(right[:, some]), block)
            out[:, some] = block

    map_blocks(solve, row_blocks(right.shape[1], -(-right.shape[1] // get_threads())))
    return out


def sign_poles(low: float, high: float) -> tuple[Floats, Floats]:
    """T and a with sum of a x / (x^2 + t^2) = sign x to 15 digits, for low <= |x| <= high."""
    ratio = low / high
    n = max(2, int(np.ceil(np.log(4 / _ERROR) * np.log(4 / ratio) / np.pi**2)))
    u = _quarter_period(ratio) * np.arange(1, 2 * n) / (2 * n)
    near = np.minimum(u, u[::-1])  # both halves mirror each other
    tangents = _tangent(near, ratio)
    tangents = np.where(np.arange(1, 2 * n) <= n, tangents, 1 / (ratio * tangents))
    squares = tangents**2
    zeros, poles = squares[1::2], squares[::2]
    # in the order of their size, so that products stay in range
    a = np.array([_residue(zeros, poles, j) for j in range(n)])
    at_low = float((a / (1 + poles)).sum())
    return low * np.sqrt(poles), low * a / at_low


def _residue(zeros: Floats, poles: Floats, j: int) -> float:
    others = np.delete(poles, j)
    return float(np.prod((zeros - poles[j]) / (others - poles[j])))


def _quarter_period(complement: float) -> float:
    """Complete elliptic integral K of the modulus with this complement, by the arithmetic-geometric mean."""
    a, b = 1.0, complement
    while abs(a - b) > 1e-15 * a:
        a, b = (a + b) / 2, float(np.sqrt(a * b))
    return float(np.pi / (a + b))


def _tangent(u: Floats, complement: float) -> Floats:
    """sn(u) / cn(u) of the modulus with this complement, by Landen's transformation of the cotangent, which keeps all
    digits where the modulus is 1 but for the last ones.

    References
    ----------
    Bulirsch, Numerical calculation of elliptic integrals and elliptic functions, Numer. Math. 7 (1965).
    """
    a, b, steps = 1.0, complement, []
    while True:
        steps.append((a, b))
        mean = (a + b) / 2
        if abs(a - b) <= 1e-9 * a:
            break
        a, b = mean, float(np.sqrt(a * b))
    cot = 1 / np.tan(u * mean)
    c, dn = mean * cot, np.ones_like(u)
    a_now = cot
    for b_now, e in reversed(steps):
        a_now = a_now * c
        c = c * dn
        dn = (e + a_now) / (b_now + a_now)
        a_now = c / b_now
    return np.asarray(1 / c)


@kernel
def _add_solutions(
    diagonal: Floats,
    beside: Floats,
    pole_re: Floats,
    pole_im: Floats,
    weight_re: Floats,
    weight_im: Floats,
    right: Floats,
    out: Floats,
) -> None:
    """Add the real part of weight (T - pole)^-1 right for each pole: by elimination, with rows exchanged where the one
    below has the larger entry, as LAPACK's zgtsv does.
    """
    n, k = right.shape
    # 1 / d, and the two diagonals above, of the upper factor; what is taken of a row; whether rows were exchanged
    u = np.empty((n, 6))
    x, y = np.empty((n, k)), np.empty((n, k))
    for p in range(pole_re.size):
        x[:] = right
        y[:] = 0.0
        zr, zi, wr, wi = pole_re[p], pole_im[p], weight_re[p], weight_im[p]
        dr, di = diagonal[0] - zr, -zi
        er = beside[0] if n > 1 else 0.0
        ei = 0.0
        for i in range(n - 1):
            low = beside[i]
            next_r, next_i = diagonal[i + 1] - zr, -zi
            above = beside[i + 1] if i + 2 < n else 0.0
            x0, y0, x1, y1 = x[i], y[i], x[i + 1], y[i + 1]
            if abs(dr) + abs(di) >= abs(low):
                size = dr * dr + di * di
                ir, ii = dr / size, -di / size
                fr, fi = low * ir, low * ii
                u[i, 0], u[i, 1], u[i, 2], u[i, 3], u[i, 4], u[i, 5] = ir, ii, er, ei, 0.0, 0.0
                dr, di = next_r - (fr * er - fi * ei), next_i - (fr * ei + fi * er)
                er, ei = above, 0.0
                for j in range(k):
                    x1[j] -= fr * x0[j] - fi * y0[j]
                    y1[j] -= fr * y0[j] + fi * x0[j]
            else:
                fr, fi = dr / low, di / low
                u[i, 0], u[i, 1], u[i, 2], u[i, 3], u[i, 4], u[i, 5] = 1.0 / low, 0.0, next_r, next_i, above, 0.0
                dr, di = er - (fr * next_r - fi * next_i), ei - (fr * next_i + fi * next_r)
                er, ei = -(fr * above), -(fi * above)
                for j in range(k):
                    a, b = x0[j], y0[j]
                    x0[j], y0[j] = x1[j], y1[j]
                    x1[j] = a - (fr * x0[j] - fi * y0[j])
                    y1[j] = b - (fr * y0[j] + fi * x0[j])
        size = dr * dr + di * di
        u[n - 1, 0], u[n - 1, 1] = dr / size, -di / size
        for i in range(n - 1, -1, -1):
            x0, y0, total = x[i], y[i], out[i]
            if i + 1 < n:
                er, ei, x1, y1 = u[i, 2], u[i, 3], x[i + 1], y[i + 1]
                for j in range(k):
                    x0[j] -= er * x1[j] - ei * y1[j]
                    y0[j] -= er * y1[j] + ei * x1[j]
            if i + 2 < n and u[i, 4] != 0.0:
                er, x1, y1 = u[i, 4], x[i + 2], y[i + 2]
                for j in range(k):
                    x0[j] -= er * x1[j]
                    y0[j] -= er * y1[j]
            ir, ii = u[i, 0], u[i, 1]
            for j in range(k):
                a = ir * x0[j] - ii * y0[j]
                b = ir * y0[j] + ii * x0[j]
                x0[j], y0[j] = a, b
                total[j] += wr * a - wi * b


def _add_solutions_reference(
    diagonal: Floats,
    beside: Floats,
    pole_re: Floats,
    pole_im: Floats,
    weight_re: Floats,
    weight_im: Floats,
    right: Floats,
    out: Floats,
) -> None:
    """All poles at once, in real numbers: NumPy may round products of complex ones otherwise."""
    n, m = len(right), len(pole_re)
    zeros = np.zeros(m)
    x, y = np.repeat(right[:, None], m, axis=1), np.zeros((n, m, right.shape[1]))
    u = np.zeros((n, 6, m))
    dr, di, er, ei = diagonal[0] - pole_re, -pole_im, np.full(m, beside[0] if n > 1 else 0.0), zeros
    for i in range(n - 1):
        low, next_r, next_i = beside[i], diagonal[i + 1] - pole_re, -pole_im
        above = np.full(m, beside[i + 1] if i + 2 < n else 0.0)
        stays = np.abs(dr) + np.abs(di) >= abs(low)
        with np.errstate(divide="ignore", invalid="ignore"):
            size = dr * dr + di * di
            ir, ii = np.where(stays, dr / size, 1.0 / low), np.where(stays, -di / size, 0.0)
            fr, fi = np.where(stays, low * (dr / size), dr / low), np.where(stays, low * (-di / size), di / low)
        top_r, top_i = np.where(stays, er, next_r), np.where(stays, ei, next_i)
        under_r, under_i = np.where(stays, next_r, er), np.where(stays, next_i, ei)
        u[i] = ir, ii, top_r, top_i, np.where(stays, 0.0, above), zeros
        dr, di = under_r - (fr * top_r - fi * top_i), under_i - (fr * top_i + fi * top_r)
        er, ei = np.where(stays, above, -(fr * above)), np.where(stays, 0.0, -(fi * above))
        moved = ~stays
        x[i, moved], x[i + 1, moved] = x[i + 1, moved], x[i, moved]
        y[i, moved], y[i + 1, moved] = y[i + 1, moved], y[i, moved]
        fr, fi = fr[:, None], fi[:, None]
        x[i + 1] -= fr * x[i] - fi * y[i]
        y[i + 1] -= fr * y[i] + fi * x[i]
    size = dr * dr + di * di
    u[n - 1, 0], u[n - 1, 1] = dr / size, -di / size
    for i in range(n - 1, -1, -1):
        ir, ii, er, ei, far, _ = u[i, :, :, None]
        if i + 1 < n:
            x[i] -= er * x[i + 1] - ei * y[i + 1]
            y[i] -= er * y[i + 1] + ei * x[i + 1]
        if i + 2 < n:
            x[i] -= far * x[i + 2]
            y[i] -= far * y[i + 2]
        x[i], y[i] = ir * x[i] - ii * y[i], ir * y[i] + ii * x[i]
    for p in range(m):
        out += weight_re[p] * x[:, p] - weight_im[p] * y[:, p]
