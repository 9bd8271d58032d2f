"""Ridge regression of class embeddings on rows: a map from rows into the space that classes have their places in."""

from __future__ import annotations

import numpy as np

from analytic_cl._blas import product
from analytic_cl.solvers.linear import LinearScores
from analytic_cl.solvers.needs import needs
from analytic_cl.solvers.ridge import regularised
from analytic_cl.solvers.spd import Floats, solve_spd
from analytic_cl.solvers.units import class_means
from analytic_cl.statistics import CLASS_SUMS, GRAM, Moments


@needs(CLASS_SUMS, GRAM)
def semantic_ridge(
    moments: Moments, targets: Floats, embeddings: Floats, alpha: float, same_space: bool = False
) -> LinearScores:
    """Scores x W E^T by the map W, shape (width, e), that minimises sum |x W - e_y|^2 + alpha |W - W_0|^2.

    `targets` are embeddings of the classes with rows, shape (k, e), in the order of ``moments.labels``; `embeddings`,
    E, those of all classes that get a score. (G + alpha I) W = sum over c of S_c e_c^T + alpha W_0: class sums are
    enough, and embeddings are no part of the state. W_0 is 0, or in the `same_space` the identity. Nothing is centred:
    classes without rows would be left out of a mean.

    Cost: d^3 / 3 + 2 d^2 e once.
    """
    sums = class_means(moments) * moments.counts[:, None]
    right = product(np.ascontiguousarray(sums.T), targets)
    if same_space:
        right[np.diag_indices(len(right))] += alpha
    a, _ = regularised(moments, alpha, False)
    w = solve_spd(a, np.asfortranarray(right), lambda: regularised(moments, alpha, False)[0])
    coef = product(embeddings, np.ascontiguousarray(w.T))
    zero, origin = np.zeros(len(coef)), np.zeros(moments.quantizer.width, dtype=np.int64)
    return LinearScores(origin, coef, coef @ moments.quantizer.offset, coef, zero, alpha).of_second_class()
