"""Which classes are taken for each other, expected from the state alone: no row is looked at."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from analytic_cl._blas import product
from analytic_cl.solvers.discriminant import Discriminants
from analytic_cl.solvers.spd import Floats, symmetric_product
from analytic_cl.solvers.units import scatter_matrix
from analytic_cl.statistics import ClassGrams

SHARED = 128  # rows that the shared covariance counts for, in the width of a class along a line


def log_pair_errors(space: Discriminants, priors: Floats | None, widths: Floats) -> Floats:
    """Log of the share of rows of classes a and b, were they the only ones, that get the other's name; shape (k, k).

    Between two Gaussians of one covariance the score is linear: along the line from a mean to the other, D apart, rows
    of class a have variance `widths[a, b]` (see `class_widths`), and get the name b beyond the middle plus
    log(p_a / p_b) / D: Phi(-(D / 2 + log(p_a / p_b) / D) / sqrt(width)). Means as in `Discriminants.contrasted`. The
    diagonal is minus infinity.

    Cost: k^2 r.
    """
    means = space.contrasted
    priors = space.counts / space.counts.sum() if priors is None else priors
    squares = np.einsum("ij,ij->i", means, means)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * product(means, means.T), 1e-24))
    logs = np.log(priors)
    there = log_ndtr(-(apart / 2 + (logs[:, None] - logs) / apart) / np.sqrt(widths))
    errors = np.logaddexp(logs[:, None] + there, logs + there.T) - np.logaddexp(logs[:, None], logs)
    np.fill_diagonal(errors, -np.inf)
    return np.asarray(errors)


def class_widths(space: Discriminants, state: ClassGrams | None = None) -> Floats:
    """Variance of rows of class a along the line from its mean to that of b, shape (k, k).

    The shared covariance (1 in this space), or with a state of covariances each class's own, with the shared one as a
    prior of 128 rows: far less would trust ten rows with a width, far more hides that classes differ. To either comes
    the doubt about the class's mean.

    Cost: k r a class, and r d^2 + k r^2 for its own covariance.
    """
    means, doubt = space.contrasted, space.doubt
    widths = np.ones((len(means), len(means)))
    for a, n in enumerate(space.counts):
        line = means - means[a]
        line /= np.maximum(np.sqrt(np.einsum("ij,ij->i", line, line)), 1e-12)[:, None]
        if state is not None and n > 1:
            scatter = scatter_matrix(state.moments_of(state.labels[a]), "class means", 1 / (n - 1))
            own = product(space.directions.T, symmetric_product(scatter, space.directions))
            share = (n - 1) / (n - 1 + SHARED)
            widths[a] += share * (np.einsum("ij,ij->i", product(line, own), line) - 1)
        widths[a] += (line**2) @ doubt[a]
    return widths
