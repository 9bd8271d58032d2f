"""Where integer products are made: in the CPU's own kernels, or by PyTorch on a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEVICES = ("cpu", "cuda", "torch-cpu")
FEW_ROWS = 16  # in host memory; so few are done before a device has begun

# What a GPU's int8 product asks of the sides of its matrices: more than 16, and multiples of 8.
_SIDE = 32
_WORD = 8  # bytes; divides it

_device: ContextVar[str] = ContextVar("analytic_cl_device")


def get_device() -> str:
    """Name the device in force: `use_device`'s, else ``ANALYTIC_CL_DEVICE``, else "cpu"."""
    return _device.get("") or _checked(os.environ.get("ANALYTIC_CL_DEVICE", "cpu"))


@contextmanager
def use_device(name: str) -> Iterator[None]:
    """Run the body's quantising and integer products on one device.

    Parameters
    ----------
    name : {"cpu", "cuda", "torch-cpu"}
        "cuda" is PyTorch's current CUDA device (``pip install 'analytic-cl[torch]'``). "torch-cpu" runs the code of
        "cuda" on the CPU: for tests, and slower than "cpu".

    Raises
    ------
    ImportError
        Without PyTorch.
    ValueError
        For an unknown name, and where PyTorch finds no CUDA device.

    Notes
    -----
    On the device: rows to integers, random projections, class sums and the Gram matrix of all rows. Solving, scoring
    and all other states stay on the CPU. Rows in the device's memory (tensors, and what speaks DLPack) are read where
    they are.

    Exactness: bit for bit the same integer state on every device.

    Cost: for a Gram matrix on the device 16 d^2 bytes of its memory (48 d^2 behind a 32-bit quantizer), half of them
    until the state is read.

    Holds for the current thread, or asyncio task; ``ANALYTIC_CL_DEVICE`` in the environment is for a whole process.

    Examples
    --------
    >>> from analytic_cl import LDAClassifier, use_device
    >>> try:
    ...     with use_device("cuda"):
    ...         head = LDAClassifier().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    ... except (ImportError, ValueError) as error:
    ...     reason = str(error)  # no PyTorch, or no CUDA device
    """
    token = _device.set(_checked(name))
    try:
        yield
    finally:
        _device.reset(token)


@cache
def _checked(name: str) -> str:
    if name not in DEVICES:
        raise ValueError(f"unknown device {name!r}: choose one of {', '.join(DEVICES)}")
    if name == "cpu":
        return name
    try:
        torch = pytorch()
    except ImportError as error:
        raise ImportError(f"device {name!r} needs PyTorch: pip install 'analytic-cl[torch]' ({error})") from error
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f'no CUDA device was found by PyTorch {torch.__version__}: use "cpu", or see what torch.cuda reports'
        )
    return name


def pytorch() -> Any:
    """The module torch, which the package does without until a device is asked for."""
    return import_module("torch")


def described_device() -> str:
    """The device in force with what it is called and PyTorch's version, for records."""
    name = get_device()
    if name == "cpu":
        return name
    torch = pytorch()

    card = f", {torch.cuda.get_device_name()}" if name == "cuda" else ""
    return f"{name}{card}, torch {torch.__version__}"


def torch_device() -> Any:
    """PyTorch's name of the device in force, which must not be "cpu"."""
    torch = pytorch()

    if get_device() == "cuda":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def sent(array: NDArray[Any], device: Any) -> Any:
    """An array as a tensor on a device."""
    torch = pytorch()

    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)


@contextmanager
def device_work(what: str) -> Iterator[None]:
    """Raise MemoryError, saying what for and what to do, where the device has too little memory for the body.

    All of it is in inference mode, so that what one call made there another may change, whatever mode users are in.
    """
    torch = pytorch()

    try:
        with torch.inference_mode():
            yield
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError(
            f"the device has too little memory for {what}; nothing was changed. Learn fewer rows at a time by "
            f'partial_fit, free what else is on it (torch.cuda.empty_cache()), or use_device("cpu"). {error}'
        ) from error


def padded_side(side: int) -> int:
    """A side of a matrix as `product` needs it."""
    return -(-side // _SIDE) * _SIDE


def padded(matrix: Any) -> Any:
    """An int8 matrix with zeros at its ends, as `product` needs it: a copy, unless it is so already."""
    torch = pytorch()

    n, k = matrix.shape
    sides = padded_side(n), padded_side(k)
    if sides == (n, k):
        return matrix.contiguous()
    out = torch.zeros(sides, dtype=torch.int8, device=matrix.device)
    out[:n, :k] = matrix
    return out


def columns(matrix: Any) -> Any:
    """The columns of an int8 matrix one a row, `padded`, for products that sum over its rows: their order is another.

    Eight rows at a time become words, which are transposed then: a card copies single bytes less than half as fast.
    """
    torch = pytorch()

    matrix = padded(matrix)
    eighths = matrix.view(_WORD, -1, matrix.shape[1])
    return eighths.permute(1, 2, 0).contiguous().view(torch.int64)[:, :, 0].T.contiguous().view(torch.int8)


def product(left: Any, right: Any) -> Any:
    """Int32 product left @ right.T of int8 matrices that are `padded`.

    Both lie row by row, the one layout that every card's int8 product takes.
    """
    torch = pytorch()

    return torch._int_mm(left, right.t())


class DeviceRows:
    """Integer rows in a device's memory. NumPy reads them as an array: then they are copied to the host, once."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor
        self._here: NDArray[Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def ndim(self) -> int:
        return int(self.tensor.ndim)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(str(self.tensor.dtype).removeprefix("torch."))

    def __len__(self) -> int:
        return len(self.tensor)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if self._here is None:
            torch = pytorch()

            here = np.empty(self.shape, dtype=self.dtype)  # memory of NumPy's own, which a ledger may keep
            torch.from_numpy(here).copy_(self.tensor)
            self._here = here
        return np.array(self._here, dtype=dtype, copy=copy)
