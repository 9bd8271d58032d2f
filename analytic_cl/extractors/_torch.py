"""What the extractors on PyTorch share: device, precision, deterministic passes, and the digest of weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = ("float32", "bfloat16", "float16")


def needs(module: str, extra: str) -> Any:
    """Import an optional library, or raise an ImportError that names the extra."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{error}: pip install 'analytic-cl[{extra}]'") from error


def chosen_device(device: str) -> str:
    """The device that "auto", "cpu" or "cuda" means here."""
    torch = needs("torch", "torch")
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f'device must be "auto", "cpu" or "cuda", got {device!r}')
    present = bool(torch.cuda.is_available())
    if device == "cuda" and not present:
        raise ValueError('device="cuda", but PyTorch sees no CUDA device: use "cpu" or "auto"')
    return "cuda" if present and device != "cpu" else "cpu"


def check_dtype(dtype: str) -> str:
    """The precision, or ValueError."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(map(repr, DTYPES))}, got {dtype!r}")
    return dtype


def frozen(module: Any, device: str) -> Any:
    """The module itself, in evaluation mode, without gradients, on a device."""
    return module.to(device).eval().requires_grad_(False)


@contextmanager
def steady(device: str, dtype: str) -> Iterator[None]:
    """Full float32 products, deterministic convolutions and no gradients while the body runs; mixed precision if asked.

    PyTorch's settings are global to the process; they are put back.
    """
    torch = needs("torch", "torch")
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            torch.autocast(device, getattr(torch, dtype), enabled=dtype != "float32"),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def as_features(output: Any) -> NDArray[np.float32]:
    """A tensor as a float32 array."""
    features: NDArray[np.float32] = output.float().cpu().numpy()
    return features


def weights_digest(module: Any) -> str:
    """SHA-256 of the names, types, shapes and values of all parameters and persistent buffers, in hexadecimal."""
    torch = needs("torch", "torch")
    h = hashlib.sha256(b"weights 1\0")
    for name, tensor in sorted(module.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"no fingerprint can be made of {name}, which is a {type(tensor).__name__}, not a tensor")
        h.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        h.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return h.hexdigest()


def structure(module: Any) -> list[str]:
    """Names, classes and settings of all submodules: what weights alone don't tell, such as strides and activations."""
    return [
        f"{name} {type(part).__module__}.{type(part).__qualname__}({part.extra_repr()})"
        for name, part in module.named_modules()
    ]


def environment(device: str, dtype: str, *libraries: str) -> dict[str, str]:
    """Device, precision and versions."""
    torch = needs("torch", "torch")
    named = f"cuda, {torch.cuda.get_device_name()}" if device == "cuda" else device
    return {"device": named, "dtype": dtype, **{name: version(name) for name in ("torch", *libraries)}}
