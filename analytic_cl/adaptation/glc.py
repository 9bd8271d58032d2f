"""Which rows of a batch are of none of the known classes, by clusters (GLC)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from analytic_cl._integers import as_integer
from analytic_cl.adaptation.trust import checked, entropies

Floats = NDArray[np.float64]

UNKNOWN = -1

_COEFFICIENTS = (0.25, 0.5, 1.0, 2.0, 3.0)  # of the number of known classes
_SEEN = 2000  # rows that silhouettes are taken of
_REJECT = 0.55  # share of the largest entropy


def glc_labels(
    X: ArrayLike, posteriors: ArrayLike, *, n_neighbors: int = 4, rho: float = 0.75, n_clusters: int | None = None
) -> NDArray[np.int64]:
    """Columns of the classes of rows, or -1 for rows of none: global and local clustering.

    Each class is compared with clusters of all rows but its surest. Where unknown rows come in classes of their own,
    and `n_clusters` is right, it does as well as the best threshold on `score_samples`, and nobody has to find that.
    The downside: it needs hundreds of rows at once; and with more clusters than there are classes, as where there are
    no unknown rows, it gives up a third to a half of the known ones.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features of unlabelled rows. With dozens of classes their `LDAClassifier.transform`, which leaves out what does
        not tell classes apart, does better; with few classes it leaves out what unknown rows differ by.
    posteriors : array-like of shape (n_samples, n_classes)
        Of the known classes, two or more.
    n_neighbors : int >= 0, default=4
        Rows that a row's label is averaged with.
    rho : float from 0 to 1, default=0.75
        How little a class's surest rows' posteriors count.
    n_clusters : int, optional
        About as many as there are classes in X, unknown ones included; by default the best silhouette of K-means for a
        quarter, a half, one, two and three times `n_classes`, which is often wrong.

    Returns
    -------
    ndarray of int64, shape (n_samples,)

    Raises
    ------
    ValueError
        Where rows and posteriors don't match, or are not finite, or there are fewer than two classes or rows.

    Notes
    -----
    Cost: 5 + n_classes K-means of all rows.

    Exactness: a pure function of X and the posteriors; algebraic, so that a row between two clusters may get another
    label on another machine.

    References
    ----------
    Qu et al., Upcycling models under domain and category shift, CVPR 2023. There: it labels rows for training; the
    number of clusters comes from a t-SNE, which no two machines agree on.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import LDAClassifier
    >>> from analytic_cl.adaptation import glc_labels
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(300) % 4
    >>> X = rng.normal(size=(300, 5)) + 8 * np.eye(5)[y]
    >>> head = LDAClassifier().fit(X[y < 3], y[y < 3])
    >>> found = glc_labels(X, head.predict_proba(X), n_clusters=4)
    >>> bool(np.mean(found == np.where(y < 3, y, -1)) > 0.95)
    True
    """
    p, x = checked(posteriors), np.asarray(X, dtype=np.float64)
    if x.ndim != 2 or len(x) != len(p) or not np.isfinite(x).all():
        raise ValueError(f"X must be {len(p)} rows of finite numbers, one for each of the posteriors, got {x.shape}")
    n, k = p.shape
    if n < 2 or k < 2:
        raise ValueError(f"glc_labels needs two rows and two classes, got {n} and {k}")
    if isinstance(rho, bool) or not 0 <= rho <= 1:
        raise ValueError(f"rho must be a number from 0 to 1, got {rho!r}")
    near = min(as_integer("n_neighbors", n_neighbors, 0), n - 1)
    x = _unit(x)
    clusters = _best_number(x, k) if n_clusters is None else as_integer("n_clusters", n_clusters, 1)
    most = max(1, n // clusters)
    own, passes = np.empty((n, k)), np.empty((n, k), dtype=np.bool_)
    for c in range(k):
        sure = np.argsort(-p[:, c], kind="stable")[:most]
        rest = np.setdiff1d(np.arange(n), sure)
        own[:, c] = x @ _unit(x[sure].mean(axis=0)[None])[0]
        scale = (1 - rho) * p[sure, c].mean() + rho
        others = _unit(_centres(x[rest], clusters)) if len(rest) else np.empty((0, x.shape[1]))
        passes[:, c] = own[:, c] * scale > (x @ others.T).max(axis=1, initial=-1)
    best = own.argmax(axis=1)
    known = passes[np.arange(n), best]
    labels = np.where(known[:, None], np.eye(k)[best], 1 / k)
    places = NearestNeighbors(n_neighbors=near + 1, algorithm="brute").fit(x).kneighbors(x, return_distance=False)
    smooth = labels[places].mean(axis=1)
    return np.where(entropies(smooth) > _REJECT * math.log(k), UNKNOWN, smooth.argmax(axis=1)).astype(np.int64)


def _best_number(x: Floats, k: int) -> int:
    """The number of clusters of best silhouette."""
    seen = np.linspace(0, len(x) - 1, min(len(x), _SEEN)).astype(np.intp)
    best = -math.inf, max(2, k)
    for number in sorted({max(2, round(k * coefficient)) for coefficient in _COEFFICIENTS}):
        if number > min(_distinct(x[seen]), len(seen) - 1):
            break
        labels = KMeans(number, n_init=1, random_state=0).fit_predict(x[seen])
        best = max(best, (float(silhouette_score(x[seen], labels)), number))
    return best[1]


def _centres(x: Floats, k: int) -> Floats:
    k = min(k, _distinct(x))
    return np.asarray(KMeans(k, n_init=1, max_iter=100, random_state=0).fit(x).cluster_centers_)


def _distinct(x: Floats) -> int:
    return len(np.unique(x, axis=0))


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))
