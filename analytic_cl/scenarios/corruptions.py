"""Images as other cameras and other light would show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl.scenarios.session import generator

Floats = NDArray[np.float64]

_WORST = 5


def corrupt(images: ArrayLike, kind: str, severity: int = 3, seed: int = 0) -> NDArray[Any]:
    """Corrupted copies of images.

    Parameters
    ----------
    images : array-like of shape (n, height, width) or (n, height, width, channels)
        Numbers from 0 to 255 (uint8), or from 0 to 1 (float).
    kind : {"noise", "blur", "contrast", "brightness", "occlusion", "shift"}
        Gaussian noise; a Gaussian blur; less contrast; all brighter; a black square; moved to a side.
    severity : int from 1 to 5, default=3
    seed : int, default=0
        Of noise and of places.

    Returns
    -------
    ndarray
        Of the same shape and type.

    Notes
    -----
    Cost: a few passes over the pixels, in float64.

    Exactness: bit for bit the same for one seed, machine and version of NumPy and SciPy.

    A downside: six of the fifteen kinds of the reference, with strengths of our own, made for small grey images.

    References
    ----------
    Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.scenarios import corrupt
    >>> image = np.full((1, 4, 4), 100, dtype=np.uint8)
    >>> corrupt(image, "brightness", severity=2)[0, 0].tolist()
    [151, 151, 151, 151]
    """
    given = np.asarray(images)
    if given.ndim not in (3, 4) or given.dtype.kind not in "uf":
        raise ValueError(
            "images must be uint8 or floats of shape (n, height, width) or (n, height, width, channels), got "
            f"{given.dtype} of shape {given.shape}"
        )
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, got {kind!r}")
    level = as_integer("severity", severity, 1, _WORST) / _WORST
    top = 255.0 if given.dtype.kind == "u" else 1.0
    changed = np.clip(_KINDS[kind](given / top, level, generator(seed, 5)), 0, 1) * top
    return (np.rint(changed) if given.dtype.kind == "u" else changed).astype(given.dtype)


def _noise(x: Floats, level: float, random: np.random.Generator) -> Floats:
    return x + random.normal(scale=0.6 * level, size=x.shape)


def _blur(x: Floats, level: float, random: np.random.Generator) -> Floats:
    sigma = (0, 2.5 * level, 2.5 * level, *[0] * (x.ndim - 3))
    from scipy.ndimage import gaussian_filter  # slow to load, and other scenarios do without

    return np.asarray(gaussian_filter(x, sigma))


def _contrast(x: Floats, level: float, random: np.random.Generator) -> Floats:
    return 0.5 + (x - 0.5) * (1 - 0.95 * level)


def _brightness(x: Floats, level: float, random: np.random.Generator) -> Floats:
    return x + 0.5 * level


def _occlusion(x: Floats, level: float, random: np.random.Generator) -> Floats:
    x = x.copy()
    height, width = (max(1, round(0.6 * level * size)) for size in x.shape[1:3])
    tops = random.integers(0, x.shape[1] - height + 1, len(x))
    lefts = random.integers(0, x.shape[2] - width + 1, len(x))
    for image, top, left in zip(x, tops.tolist(), lefts.tolist(), strict=True):
        image[top : top + height, left : left + width] = 0
    return x


def _shift(x: Floats, level: float, random: np.random.Generator) -> Floats:
    most = max(1, round(0.25 * level * x.shape[2]))
    by = random.integers(-most, most + 1, len(x)).tolist()
    moved = [np.roll(image, steps, axis=1) for image, steps in zip(x, by, strict=True)]
    return np.stack(moved) if moved else x


_KINDS: dict[str, Callable[[Floats, float, np.random.Generator], Floats]] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": _contrast,
    "brightness": _brightness,
    "occlusion": _occlusion,
    "shift": _shift,
}
