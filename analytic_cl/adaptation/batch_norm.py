"""New statistics for the batch-norm layers of an extractor, from unlabelled inputs, without gradients."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from analytic_cl.extractors import TorchExtractor


def renew_batch_norm(extractor: TorchExtractor, batches: Iterable[Any], pseudo_count: float = 16) -> TorchExtractor:
    """An extractor whose batch-norm layers expect inputs as these, to a part.

    For images that come under other conditions (blur, noise, contrast) to a network with batch norm. It is a new
    extractor, with another fingerprint: heads and stores that learned behind the old one refuse it, and rightly so,
    as their rows would be other rows. Learn the training rows again behind it, or take `MomentAlignment`, which
    leaves the extractor alone.

    Parameters
    ----------
    extractor : TorchExtractor
        Unchanged. Of a module: ``TorchExtractor(module)``.
    batches : iterable of batches of inputs
        As `transform` takes them, without labels. Kept in memory; where they are cut makes no difference but rounding.
    pseudo_count : float >= 0, default=16
        Inputs that the old statistics count for, beside the n new ones: their share is N / (N + n). 0: new ones alone.

    Returns
    -------
    TorchExtractor

    Raises
    ------
    ValueError
        Without inputs, or for a module in which no layer normalises by statistics of batches. TypeError for what is
        no `TorchExtractor`.

    Notes
    -----
    Layers are renewed one after another in the order in which they run, each by what comes to it from layers that were
    renewed before. Variances are those of the mixture of old and new inputs: the difference of the means is part of it.

    Nothing here can be forgotten by a head: the inputs leave their mark in the extractor, outside the guarantee.

    Cost: a forward pass over all inputs for each layer, up to that layer. Memory: two copies of the module.

    Exactness: as `TorchExtractor`; algebraic in how inputs are cut into batches.

    References
    ----------
    Schneider et al., Improving robustness against common corruptions by covariate shift adaptation, NeurIPS 2020.
    There: for each test batch anew; variances are mixed without the difference of means, and the batch's is unbiased.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from analytic_cl.adaptation import renew_batch_norm
    >>> from analytic_cl.extractors import TorchExtractor
    >>> extractor = TorchExtractor(torch.nn.Sequential(torch.nn.BatchNorm1d(3)))
    >>> shifted = np.random.default_rng(0).normal(5, 2, size=(1000, 3)).astype(np.float32)
    >>> renewed = renew_batch_norm(extractor, [shifted[:600], shifted[600:]], pseudo_count=0)
    >>> bool(abs(renewed.transform(shifted).mean()) < 0.01 < extractor.transform(shifted).mean())
    True
    >>> renewed.fingerprint() == extractor.fingerprint()
    False
    """
    if not isinstance(extractor, TorchExtractor):
        raise TypeError(
            f"this renews a TorchExtractor, got {type(extractor).__name__}; TorchExtractor(module) makes one"
        )
    if isinstance(pseudo_count, bool) or not isinstance(pseudo_count, int | float) or not 0 <= pseudo_count < 2**62:
        raise ValueError(f"pseudo_count must be a number of inputs, 0 or more, got {pseudo_count!r}")
    given = [batch for batch in batches if len(batch)]
    if not given:
        raise ValueError("there are no inputs to renew statistics by")
    made = extractor.with_module(copy.deepcopy(extractor.module))
    layers = _layers(made, given[0])
    if not layers:
        raise ValueError(f"{made.name} has no batch-norm layer that keeps statistics: there is nothing to renew")
    n = sum(len(batch) for batch in given)
    old = pseudo_count / (pseudo_count + n)
    for layer in layers:
        mean, variance = _statistics(made, layer, given)
        apart = layer.running_mean.double() - mean
        layer.running_mean.copy_(mean + old * apart)
        layer.running_var.copy_(old * layer.running_var + (1 - old) * variance + old * (1 - old) * apart**2)
    return extractor.with_module(made.module)


class _ArrivedError(Exception):
    """Raised to leave a forward pass."""


@contextmanager
def _hooked(layers: Iterable[Any], hook: Any) -> Iterator[None]:
    handles = [layer.register_forward_pre_hook(hook) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _layers(extractor: TorchExtractor, batch: Any) -> list[Any]:
    """Layers with statistics, in the order in which they first run."""
    nn = import_module("torch").nn
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    having = [part for part in extractor.module.modules() if isinstance(part, kinds) and part.running_mean is not None]
    seen: list[Any] = []
    with _hooked(having, lambda layer, given: None if layer in seen else seen.append(layer)):
        extractor.transform(batch)
    return seen


def _statistics(extractor: TorchExtractor, layer: Any, batches: list[Any]) -> tuple[Any, Any]:
    """Mean and variance of each channel of what comes to a layer."""
    centre = layer.running_mean.double()  # near the mean, so that little cancels
    sums: list[Any] = [0, 0.0, 0.0]

    def note(_: Any, given: tuple[Any, ...]) -> None:
        x = given[0].double().transpose(0, 1).flatten(1) - centre[:, None]
        for place, part in enumerate((x.shape[1], x.sum(dim=1), (x * x).sum(dim=1))):
            sums[place] = sums[place] + part
        raise _ArrivedError

    with _hooked([layer], note):
        for batch in batches:
            with suppress(_ArrivedError):
                extractor.transform(batch)
    count, first, second = sums
    mean = first / count
    return (centre + mean).clone(), (second / count - mean**2).clamp(min=0).clone()
