"""First-session adaptation: a network is trained on the first session, then frozen. The only place with gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl.extractors import _torch
from analytic_cl.extractors.batches import item, n_inputs
from analytic_cl.extractors.torch_modules import Pool, TorchExtractor, as_batch
from analytic_cl.heads.validation import label_input
from analytic_cl.quantizers import rows_named
from analytic_cl.statistics import encode_labels

_NORMALISATIONS = (  # of torch.nn; subclasses count too
    *("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"),
    *("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "GroupNorm", "LayerNorm", "RMSNorm"),
)


def adapt_first_session(
    module: Any,
    X: Any,
    y: ArrayLike,
    *,
    parameters: Literal["film", "full"] = "film",
    layer: str | None = None,
    pool: Pool = "auto",
    preprocess: Callable[[Any], Any] | None = None,
    epochs: int = 10,
    lr: float = 1e-3,
    batch_size: int = 64,
    seed: int = 0,
    device: str = "auto",
) -> Any:
    """Train a copy of a pre-trained module on the first session, and freeze it.

    A temporary linear head on the features is trained along with cross-entropy (Adam, cosine schedule down to 0), and
    thrown away. Put a `TorchExtractor` around the result, alone (FSA) or beside the module as it was (APER, with
    `ConcatExtractor`), and a head behind it.

    **The adapted parameters are outside the guarantee of forgetting.** They keep a trace of every row of X, which no
    `forget` of a head reaches: adapt on public rows, or on rows that may stay. A state that was learned behind the
    module as it was is refused behind the adapted one: the fingerprint of a `TorchExtractor` covers the weights.

    Parameters
    ----------
    module : torch.nn.Module
        Left alone: parameters, buffers, mode, device and gradients.
    X : list or array
        Inputs of the first session, as `TorchExtractor` takes them.
    y : array-like of shape (n_samples,)
        Their labels, of at least two classes.
    parameters : {"film", "full"}, default="film"
        "film" trains the scale and shift of normalisation layers (those of torch.nn: batch, instance, group, layer
        and RMS normalisation), with running statistics fixed and dropout off. "full" trains every parameter in
        training mode, so that running statistics follow the rows.
    layer, pool, preprocess
        What becomes a feature row; give the same to `TorchExtractor`.
    epochs : int, default=10
        Passes over X.
    lr : float, default=1e-3
        Learning rate at the start.
    batch_size : int, default=64
        At least 2. Batches of a pass differ by at most one row, so that none is left with a single row.
    seed : int, default=0
        Of the temporary head, the order of rows and dropout. PyTorch's own generator is left alone.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where it is trained. The result is on the device of `module`.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, with no parameter requiring gradients.

    Raises
    ------
    ImportError
        Without PyTorch; the extra is ``torch``.
    ValueError
        For a module without normalisation layers ("film") or parameters ("full"), where none of them takes part in
        the features, fewer than two classes, missing labels, NaN or infinity in inputs, a loss that diverges.

    Notes
    -----
    The downside, besides the guarantee: what helps the classes of the first session may harm those that come later,
    above all where it has few classes. Compare with the module as it was, on rows set aside.

    Keep the adapted weights (``safetensors.torch.save_model``). Training again on another machine, device, version of
    PyTorch or number of threads gives weights that differ in their last bits, hence another fingerprint, behind which
    learned states are refused.

    Cost: `epochs` forward and backward passes over X; memory for a copy of the module, three more of what is trained,
    and the activations of a batch.

    Exactness: the same weights, bit for bit, for one seed on one machine, device, version of PyTorch and number of
    threads, as far as PyTorch has deterministic kernels; it warns where it has none.

    References
    ----------
    Panos et al., First session adaptation, ICCV 2023, arXiv 2303.13199. There FiLM layers are added to a network whose
    normalisation is fixed, which is the same function as training the scale and shift of batch normalisation; rates
    fall in steps, and images are augmented; here by a cosine, and inputs are taken as they are.
    Zhou et al., Revisiting class-incremental learning with pre-trained models (APER), IJCV 2024. There with SGD and a
    cosine head.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from analytic_cl import ContinualPipeline, LDAClassifier
    >>> from analytic_cl.extractors import TorchExtractor, adapt_first_session
    >>> _ = torch.manual_seed(0)
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.LayerNorm(16), torch.nn.ReLU())
    >>> X, y = np.random.RandomState(0).normal(size=(90, 4)), np.arange(90) % 3
    >>> X[np.arange(90), y] += 3
    >>> adapted = adapt_first_session(module, X[y < 2], y[y < 2], epochs=2)
    >>> pipeline = ContinualPipeline(TorchExtractor(adapted), LDAClassifier()).fit(X[y < 2], y[y < 2])
    >>> pipeline = pipeline.partial_fit(X[y == 2], y[y == 2])  # a later session: closed form
    >>> bool(pipeline.score(X, y) > 0.8)
    True
    """
    torch = _torch.needs("torch", "torch")
    if parameters not in ("film", "full"):
        raise ValueError(f'parameters must be "film" or "full", got {parameters!r}')
    epochs, batch_size = as_integer("epochs", epochs, 1), as_integer("batch_size", batch_size, 2)
    seed = as_integer("seed", seed, 0)
    if not (isinstance(lr, int | float) and 0 < lr < math.inf):
        raise ValueError(f"lr must be a positive number, got {lr!r}")
    codes, n_classes = _codes(y, n_inputs(X))
    n_batches = min(math.ceil(len(codes) / batch_size), len(codes) // 2)
    with _repeatable(_torch.chosen_device(device), seed):
        extractor = TorchExtractor(module, layer, pool, preprocess, device)  # checks, and copies the module
        body, where = extractor.module, extractor.device
        trained = _trained(body, parameters)
        for weight in trained:
            weight.requires_grad_(True)
        probe = extractor.rows_of(_batch(X, np.arange(2), preprocess))
        if not probe.requires_grad:
            raise ValueError(f"none of the parameters that {parameters!r} trains takes part in these features")
        head = torch.nn.Linear(probe.shape[1], n_classes, device=where)
        optimiser = torch.optim.Adam([*trained, *head.parameters()], lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * n_batches)
        body.train(parameters == "full")
        for epoch in range(epochs):
            losses = []
            for rows in np.array_split(torch.randperm(len(codes)).numpy(), n_batches):
                logits = head(extractor.rows_of(_batch(X, rows, preprocess)))
                loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(codes[rows], device=where))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                losses.append(loss.detach())
            if not torch.stack(losses).isfinite().all():
                raise ValueError(f"the loss is not finite in epoch {epoch + 1}: a smaller lr than {lr:g} may help")
    for weight in trained:
        weight.grad = None
    return _torch.frozen(body, next(module.parameters()).device)


def _trained(body: Any, parameters: str) -> list[Any]:
    """The parameters to train, each once, in the order of the module."""
    torch = _torch.needs("torch", "torch")
    if parameters == "full":
        found = list(body.parameters())
        if not found:
            raise ValueError("the module has no parameters to train")
        return found
    kinds = tuple(getattr(torch.nn, name) for name in _NORMALISATIONS)
    layers = [part for part in body.modules() if isinstance(part, kinds)]
    found = list(dict.fromkeys(weight for part in layers for weight in part.parameters(recurse=False)))
    if not found:
        raise ValueError(
            'parameters="film" trains the scale and shift of normalisation layers of torch.nn, and the module has '
            f'{"none with a scale or shift" if layers else "no such layers"}: use parameters="full"'
        )
    return found


def _codes(y: ArrayLike, n: int) -> tuple[NDArray[np.int64], int]:
    """Labels as numbers from 0, and how many classes they are."""
    labels = np.asarray(label_input(y))
    if labels.shape != (n,):
        raise ValueError(f"y must have one label an input, shape ({n},); got shape {labels.shape}")
    missing = np.flatnonzero(~np.isfinite(labels)) if labels.dtype.kind == "f" else np.zeros(0, np.intp)
    if missing.size:
        raise ValueError(f"y has no label (NaN or infinity) in {rows_named(missing)}")
    classes, codes = encode_labels(labels)
    if len(classes) < 2:
        raise ValueError(f"adaptation needs rows of at least two classes, got {n} of one: learn them with a head alone")
    return codes, len(classes)


def _batch(X: Any, rows: NDArray[np.int64], preprocess: Callable[[Any], Any] | None) -> Any:
    """These inputs as one tensor, as `TorchExtractor` makes it. Raises ValueError naming those with NaN or infinity."""
    torch = _torch.needs("torch", "torch")
    inputs = [item(X, int(row)) for row in rows]
    batch = as_batch(torch.stack(inputs) if isinstance(X, torch.Tensor) else inputs, preprocess)
    if not batch.is_floating_point():
        return batch
    bad = rows[~batch.flatten(1).isfinite().all(dim=1).cpu().numpy()]
    if bad.size:
        raise ValueError(f"inputs hold NaN or infinity in {rows_named(np.sort(bad))}: drop or repair them")
    return batch


@contextmanager
def _repeatable(device: str, seed: int) -> Iterator[None]:
    """Gradients, a seeded generator, full float32 products and deterministic kernels; all put back afterwards."""
    torch = _torch.needs("torch", "torch")
    precision = torch.get_float32_matmul_precision()
    deterministic, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    torch.set_float32_matmul_precision("highest")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.random.fork_rng(devices),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            warnings.catch_warnings(),
        ):
            # On one stream, as here, cuBLAS is deterministic without the setting that PyTorch asks for.
            warnings.filterwarnings("ignore", ".*uses CuBLAS")
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.set_float32_matmul_precision(precision)
