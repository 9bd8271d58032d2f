"""Any PyTorch module as a frozen extractor."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl.extractors import _torch
from analytic_cl.extractors.base import Extractor, sha256_of

Pool = Literal["auto", "mean", "cls", "flatten"] | None


class TorchExtractor(Extractor):
    """The output of a PyTorch module, or of one of its layers, as features.

    The module is copied: the caller's own keeps its mode, device and gradients, and may go on training. The downside:
    twice the memory for weights; and the whole module runs even where an early layer is asked for.

    Parameters
    ----------
    module : torch.nn.Module
    layer : str, optional
        Name of a submodule, as ``module.named_modules()`` gives it, whose output is taken. By default the module's own.
    pool : {"auto", "mean", "cls", "flatten"} or None, default="auto"
        How an output becomes a row. "mean" averages the positions of images (B, C, H, W), channels first, and of
        tokens (B, T, C); "cls" takes the first token; "flatten" keeps all; None demands (B, C). "auto" is None for
        two dimensions and "mean" for more.
    preprocess : callable, optional
        Turns one input into a tensor; the tensors of a batch are stacked. By default inputs are numbers, stacked as
        they are: floats as float32, integers as int64. A function is known by its name, an object by its repr, so
        either must say what it does.
    device : {"auto", "cpu", "cuda"}, default="auto"
    dtype : {"float32", "bfloat16", "float16"}, default="float32"
        Other than float32: mixed precision (autocast). Features are float32 in any case.

    Notes
    -----
    The fingerprint covers weights, the classes and settings of all submodules, layer, pool and preprocess. Code in
    ``forward`` is not in it.

    Cost: a forward pass; once, the digest of the weights (about 1 GB/s).

    Exactness: deterministic for one batch size, device, number of threads and version of PyTorch. Otherwise features
    differ in their last bits.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from analytic_cl.extractors import TorchExtractor
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 5, 3))
    >>> TorchExtractor(module, layer="1").transform(np.zeros((4, 3, 16, 16))).shape
    (4, 8)
    """

    def __init__(
        self,
        module: Any,
        layer: str | None = None,
        pool: Pool = "auto",
        preprocess: Callable[[Any], Any] | None = None,
        device: str = "auto",
        dtype: str = "float32",
    ) -> None:
        torch = _torch.needs("torch", "torch")
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
        if pool not in ("auto", "mean", "cls", "flatten", None):
            raise ValueError(f'pool must be "auto", "mean", "cls", "flatten" or None, got {pool!r}')
        self.device, self._dtype = _torch.chosen_device(device), _torch.check_dtype(dtype)
        names = [name for name, _ in module.named_modules() if name]
        if layer is not None and layer not in names:
            near = difflib.get_close_matches(str(layer), names, 5, 0.3) or names[:5]
            raise ValueError(f"the module has no layer {layer!r}; it has {', '.join(near)} and others")
        self._layer, self._pool, self._preprocess = layer, pool, preprocess
        self._kind = type(module).__name__
        about = {
            "extractor": "torch",
            "module": _torch.structure(module),
            "weights": _torch.weights_digest(module),
            "layer": layer,
            "pool": pool,
            "preprocess": None if preprocess is None else described(preprocess),
        }
        self._fingerprint = sha256_of(about)
        self.module = _torch.frozen(copy.deepcopy(module), self.device)

    def with_module(self, module: Any) -> TorchExtractor:
        """An extractor like this one in all but its module."""
        return TorchExtractor(module, self._layer, self._pool, self._preprocess, self.device, self._dtype)

    @property
    def name(self) -> str:
        return f"TorchExtractor({self._kind}{f', {self._layer}' if self._layer else ''})"

    def fingerprint(self) -> str:
        return self._fingerprint

    def environment(self) -> dict[str, str]:
        return _torch.environment(self.device, self._dtype)

    def transform(self, X: Any) -> NDArray[np.float32]:
        batch = as_batch(X, self._preprocess)
        with _torch.steady(self.device, self._dtype):
            return _torch.as_features(self.rows_of(batch))

    def rows_of(self, batch: Any) -> Any:
        """What becomes feature rows of a batch, as a tensor on the device, with gradients where those are enabled."""
        seen: list[Any] = []
        hooked = self.module if self._layer is None else self.module.get_submodule(self._layer)
        hook = hooked.register_forward_hook(lambda module, given, output: seen.append(output))
        try:
            self.module(batch.to(self.device))
        finally:
            hook.remove()
        if not seen:
            raise ValueError(f"layer {self._layer!r} took no part in the forward pass")
        return self._pooled(seen[-1])

    def _pooled(self, output: Any) -> Any:
        torch = _torch.needs("torch", "torch")
        if isinstance(output, tuple | list) and output:
            output = output[0]
        if not isinstance(output, torch.Tensor) or output.ndim < 2:
            shape = f" of shape {tuple(output.shape)}" if isinstance(output, torch.Tensor) else ""
            raise ValueError(f"the output is a {type(output).__name__}{shape}, not a batch: choose another layer")
        if output.ndim == 2 and self._pool in ("auto", None):
            return output
        if self._pool == "flatten":
            return output.flatten(1)
        if self._pool == "cls" and output.ndim == 3:
            return output[:, 0]
        if self._pool in ("auto", "mean") and output.ndim in (3, 4):
            return output.mean(dim=(2, 3) if output.ndim == 4 else 1)
        raise ValueError(f"pool={self._pool!r} makes no row of an output of shape {tuple(output.shape)}")


def as_batch(X: Any, preprocess: Callable[[Any], Any] | None) -> Any:
    """Inputs as one tensor: of float32 where they are not whole numbers."""
    torch = _torch.needs("torch", "torch")
    if preprocess is not None:
        batch = torch.stack([torch.as_tensor(preprocess(x)) for x in X])
    elif isinstance(X, torch.Tensor):
        batch = X
    else:
        rows = np.stack([np.asarray(x) for x in X])
        if rows.dtype.kind not in "biuf":
            raise TypeError(f"inputs are {rows.dtype}, not numbers: give preprocess, which makes tensors of them")
        batch = torch.as_tensor(rows.astype(np.float32 if rows.dtype.kind == "f" else np.int64))
    return batch.float() if batch.is_floating_point() else batch


def described(function: Any) -> str:
    """What a function or object for preprocessing is, without an address. Raises TypeError where that does not tell."""
    text = repr(function)
    if " at 0x" not in text:
        return text
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '<object>')}"
    if "<" in name:
        raise TypeError(
            f"preprocess {text} has no name that tells it from another: pass a function defined at the top of a "
            "module, or an object whose repr says what it does"
        )
    return name
