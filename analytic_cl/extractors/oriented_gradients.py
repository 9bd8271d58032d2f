"""Features of small images without trained weights: two layers of oriented gradients."""

from __future__ import annotations

import math
from functools import lru_cache
from operator import index
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_array, validate_data

from analytic_cl._config import get_backend
from analytic_cl._integers import as_integer
from analytic_cl._parallel import map_blocks, row_blocks
from analytic_cl.extractors import gradient_kernels, gradient_reference
from analytic_cl.extractors.base import sha256_of
from analytic_cl.quantizers import rows_named

MAX_CHANNELS = 16  # more means that channels came first

_BLOCK = 2**18  # numbers that are looked at in one go, to bound the memory of conversions
_FINE, _COARSE = 1.0, 1.25  # half-widths of the windows, in cells


class OrientedGradients(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Oriented gradients of oriented gradients, pooled over a grid: 99.4 % on MNIST with a ridge head, nothing trained.

    Layer 1 is the image's gradient, seen from `n_orientations` directions and divided by the contrast around it,
    layer 2 the gradient of each of those maps; both are pooled in overlapping cells, which forgives small shifts. The
    brightness and contrast of the whole image don't matter. Best in front of ``RLSClassifier(projection=...)``. The
    downside: made for strokes and shapes; for objects in photographs take a trained network.

    Parameters
    ----------
    grid : int from 1 to 32, default=7
        Cells along each axis; fewer where the image has less than two pixels for each.
    n_orientations : even int from 2 to 32, default=8
        Directions of layer 1 (over the full circle); layer 2 has half as many (over half a circle).
    shape : (height, width) or (height, width, channels), optional
        How to read flat rows. Without it images come as arrays (n, height, width) or (n, height, width, channels).

    Attributes
    ----------
    image_shape_ : tuple
        Height, width and channels of the images of `fit`, which learns nothing else and is not needed.

    Notes
    -----
    Features, in this order: cell means of each channel, less the mean of the image, times 1/2; the square roots of the
    pooled responses of layer 1, then of layer 2, less their mean in the cell. An image is first brought to the range
    from 0 to 1 by its own smallest and largest value, so units don't matter; an image of one value gives zeros.

    Cost: linear in pixels, channels and L = `n_orientations`: 54 microseconds for 28 x 28 pixels on one core.
    channels (1 + L + L^2 / 2) grid^2 features: 2,009 for grey images, 6,027 for colour. Memory: the result, float32,
    and 2 MB a thread.

    Exactness: bit for bit the same features for an image alone or in a batch, on any number of threads, on any machine
    with IEEE arithmetic: elementary float64 operations and square roots in a fixed order, none of them fused. Integers
    from 0 to 255 give the same bits as uint8 and as float; divided by 255 first, they differ in the last bits.

    References
    ----------
    Dalal and Triggs, Histograms of oriented gradients, CVPR 2005. There: gradient angles in bins, blocks of cells
    normalised; here smooth responses (the cube of a cosine), normalised by pixel, and a second layer. Bruna and Mallat,
    Invariant scattering convolution networks, PAMI 2013. There: wavelets of several scales and moduli; here one scale a
    layer. Arandjelovic and Zisserman, RootSIFT, CVPR 2012, for the square root.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from analytic_cl import FixedPoint, OrientedGradients, RLSClassifier
    >>> images, y = load_digits(return_X_y=True)
    >>> X = OrientedGradients(shape=(8, 8)).transform(images)
    >>> X.shape, X.dtype.name
    ((1797, 656), 'float32')
    >>> head = RLSClassifier(quantizer=FixedPoint(16, norm="l2")).fit(X[:1200], y[:1200])
    >>> bool(head.score(X[1200:], y[1200:]) > 0.95)
    True
    """

    def __init__(self, grid: int = 7, n_orientations: int = 8, shape: tuple[int, ...] | None = None) -> None:
        self.grid = grid
        self.n_orientations = n_orientations
        self.shape = shape

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn nothing; check the images and note their shape, which later ones must have.

        Raises ValueError as `transform` does.
        """
        images = self._images(X, reset=True)
        for part in row_blocks(len(images), self._rows_at_once(images)):
            _finite_floats(images, part)
        self.image_shape_ = tuple(images.shape[1:])
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Features of images.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, height, width, channels), or (n, n_pixels) with `shape`
            Finite numbers of any real type and in any unit, channels last.

        Returns
        -------
        ndarray of shape (n, n_features), float32

        Raises
        ------
        ValueError
            NaN or infinity, naming the images; a shape that is none of the above, or another than at `fit`.
        """
        images = self._images(X, reset=False)
        run: Any = gradient_reference if get_backend() == "numpy" else gradient_kernels
        cells = self._cells(images.shape[1:])
        tables = self._tables(images.shape[1:], cells)
        out = np.empty((len(images), self._maps(images.shape[3]), *cells), dtype=np.float32)

        def extract(part: slice) -> None:
            run.oriented_gradients(_finite_floats(images, part), *tables, out[part])

        map_blocks(extract, row_blocks(len(images), self._rows_at_once(images)))
        return out.reshape(len(images), -1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names such as ``c0_mean_0_6``, ``c0_a3_0_6``, ``c0_a3_b1_0_6``: channel, directions, row and column of cell.

        Raises NotFittedError where neither `fit` nor `shape` said how large images are.
        """
        if self.shape is None and not hasattr(self, "image_shape_"):
            raise NotFittedError("feature names depend on the size of the images: call fit, or give shape=")
        *size, channels = getattr(self, "image_shape_", None) or self._declared_shape()
        first, second = range(self.n_orientations), range(self.n_orientations // 2)
        maps = [f"c{c}_mean" for c in range(channels)]
        maps += [f"c{c}_a{a}" for c in range(channels) for a in first]
        maps += [f"c{c}_a{a}_b{b}" for c in range(channels) for a in first for b in second]
        down, across = self._cells((*size, channels))
        return np.array([f"{name}_{i}_{j}" for name in maps for i in range(down) for j in range(across)], dtype=object)

    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, over what features depend on besides the image: method, its version, parameters."""
        self._check_parameters()
        shape = None if self.shape is None else [index(side) for side in self.shape]
        parameters = {"grid": index(self.grid), "n_orientations": index(self.n_orientations), "shape": shape}
        return sha256_of({"name": "analytic-cl oriented gradients", "version": 1, "parameters": parameters})

    def environment(self) -> dict[str, str]:
        """Nothing: no device or version of a library moves a bit of the features."""
        return {}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = self.shape is not None
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _check_parameters(self) -> None:
        for name, step in (("grid", 1), ("n_orientations", 2)):
            value = as_integer(name, getattr(self, name), step, 32)
            if value % step:
                raise ValueError(f"{name} must be an even integer from 2 to 32, got {value}")
        if self.shape is not None:
            self._declared_shape()

    def _declared_shape(self) -> tuple[int, ...]:
        """`shape` with its channels; raises ValueError where it is none."""
        try:
            shape = tuple(index(side) for side in self.shape or ())
        except TypeError:
            shape = ()
        if len(shape) not in (2, 3) or min(shape) < 1:
            raise ValueError(f"shape must be (height, width) or (height, width, channels), got {self.shape!r}")
        return (*shape, 1)[:3]

    def _images(self, X: Any, reset: bool) -> Any:
        """X as an array (n, height, width, channels), numbers not yet looked at."""
        self._check_parameters()
        images = check_array(X, dtype="numeric", allow_nd=True, ensure_all_finite=False, input_name="X", estimator=self)
        if images.dtype.kind not in "biuf":
            raise ValueError(f"X must hold real numbers, got {images.dtype}")
        if images.ndim == 2:
            if self.shape is None:
                raise ValueError(
                    f"X has shape {images.shape}: flat rows need shape=(height, width) or (height, width, channels); "
                    "images come as arrays (n, height, width) or (n, height, width, channels)"
                )
            validate_data(self, X, reset=reset, skip_check_array=True)
        declared = None if self.shape is None else self._declared_shape()
        if images.ndim == 2 and declared:
            if images.shape[1] != math.prod(declared):
                raise ValueError(f"X has {images.shape[1]} features, shape={self.shape} needs {math.prod(declared)}")
            images = images.reshape(len(images), *declared)
        elif images.ndim == 3:
            images = images[..., None]
        elif images.ndim > 4:
            raise ValueError(
                f"X has {images.ndim} dimensions; images are (n, height, width) or (n, height, width, channels)"
            )
        size = tuple(images.shape[1:])
        if min(size) < 1:
            raise ValueError(f"images of shape {size} have no pixels")
        if size[2] > MAX_CHANNELS:
            raise ValueError(
                f"{size[2]} channels are more than {MAX_CHANNELS}: channels come last, X has {images.shape}"
            )
        expected = declared if reset else getattr(self, "image_shape_", declared)
        if expected is not None and size != expected:
            raise ValueError(f"images have shape {size} (height, width, channels), expected {expected}")
        return images

    def _rows_at_once(self, images: NDArray[Any]) -> int:
        return max(1, _BLOCK // math.prod(images.shape[1:]))

    def _maps(self, channels: int) -> int:
        """Number of features in a cell."""
        return channels * (1 + self.n_orientations + self.n_orientations * (self.n_orientations // 2))

    def _cells(self, size: tuple[int, ...]) -> tuple[int, int]:
        """Cells down and across."""
        down, across = (min(int(self.grid), max(1, side // 2)) for side in size[:2])
        return down, across

    def _tables(self, size: tuple[int, ...], cells: tuple[int, int]) -> tuple[Any, ...]:
        """What the kernel needs besides images: directions, and the windows of both stages of pooling."""
        fine = [_windows(side, 2 * count, _FINE) for side, count in zip(size, cells, strict=False)]
        coarse = [_windows(2 * count, count, _COARSE) for count in cells]
        return _directions(self.n_orientations, 2), _directions(self.n_orientations // 2, 1), *fine, *coarse


def _finite_floats(images: NDArray[Any], part: slice) -> NDArray[np.float64]:
    """A copy of some images as float64. Raises ValueError naming those that hold NaN or infinity."""
    with np.errstate(over="ignore"):  # of long doubles, found below
        x = np.array(images[part], dtype=np.float64, order="C")
    bad = np.flatnonzero(~np.isfinite(x).all(axis=(1, 2, 3)))
    if bad.size:
        raise ValueError(
            f"Input X contains NaN or infinity in {rows_named(bad + part.start)}: clean or drop these images first"
        )
    return x


@lru_cache(maxsize=16)
def _directions(n: int, half_turns: int) -> NDArray[np.float64]:
    """Cosine and sine of n directions, rounded to 20 binary places: the same with every C library."""
    angles = [half_turns * math.pi * k / n for k in range(n)]
    return np.array([[round(f(angle) * 2**20) / 2**20 for f in (math.cos, math.sin)] for angle in angles])


@lru_cache(maxsize=64)
def _windows(n: int, cells: int, half_width: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each cell along n points: first point of its triangular window, and weights that add up to 1."""
    size = n / cells
    centres = [(cell + 0.5) * size - 0.5 for cell in range(cells)]
    full = [[max(0.0, 1 - abs(point - centre) / (half_width * size)) for point in range(n)] for centre in centres]
    inside = [[point for point, weight in enumerate(line) if weight > 0] for line in full]
    taps = max(points[-1] - points[0] + 1 for points in inside)
    first = [min(points[0], n - taps) for points in inside]
    weights = [[w / math.fsum(line) for w in line[at : at + taps]] for line, at in zip(full, first, strict=True)]
    return np.array(first, dtype=np.int64), np.array(weights)
