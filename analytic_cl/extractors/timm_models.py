"""Image models of timm as frozen extractors."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.extractors import _torch
from analytic_cl.extractors.base import Extractor, sha256_of


class TimmExtractor(Extractor):
    """An image model of timm by name, without its classifier, behind its own preprocessing.

    The downside: weights come from the network the first time, under licences of their own.

    Parameters
    ----------
    name : str
        Such as ``"vit_small_patch14_dinov2.lvd142m"``; `timm.list_models` has them all.
    pretrained : bool, default=True
        False: random weights, drawn from PyTorch's global generator, with a new fingerprint each time.
    device : {"auto", "cpu", "cuda"}, default="auto"
    dtype : {"float32", "bfloat16", "float16"}, default="float32"
        Other than float32: mixed precision (autocast). Features are float32 in any case.

    Notes
    -----
    Inputs are paths, PIL images, or arrays (height, width) or (height, width, 3) of uint8. The model pools its features
    as it does before its classifier.

    Cost: a forward pass; once, the digest of the weights (about 1 GB/s).

    Exactness: deterministic for one batch size, device, number of threads and versions. Otherwise features differ in
    their last bits.

    References
    ----------
    Wightman, PyTorch Image Models, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl.extractors import TimmExtractor
    >>> extractor = TimmExtractor("resnet10t", pretrained=False)
    >>> extractor.transform(np.zeros((2, 32, 32, 3), dtype=np.uint8)).shape
    (2, 512)
    """

    reads_files = True

    def __init__(self, name: str, pretrained: bool = True, *, device: str = "auto", dtype: str = "float32") -> None:
        timm = _torch.needs("timm", "timm")
        data = _torch.needs("timm.data", "timm")
        self._device, self._dtype = _torch.chosen_device(device), _torch.check_dtype(dtype)
        try:
            model = timm.create_model(name, pretrained=pretrained, num_classes=0)
        except Exception as error:  # huggingface_hub and its HTTP client have many of their own
            if not pretrained or timm.is_model(name.split(".", maxsplit=1)[0]) is False:
                raise
            raise OSError(
                f"the weights of {name} could not be had ({type(error).__name__}: {error}). Without a network: fetch "
                "them once where there is one and copy the folder HF_HOME names, or put weights of your own into a "
                "module for TorchExtractor"
            ) from error
        config = data.resolve_model_data_config(model)
        self._preprocess = data.create_transform(**config, is_training=False)
        self._model = _torch.frozen(model, self._device)
        self._name = name
        about = {
            "extractor": "timm",
            "name": name,
            "weights": _torch.weights_digest(model),
            "preprocessing": {key: repr(value) for key, value in config.items()},
        }
        self._fingerprint = sha256_of(about)

    @property
    def name(self) -> str:
        return f"TimmExtractor({self._name})"

    def fingerprint(self) -> str:
        return self._fingerprint

    def environment(self) -> dict[str, str]:
        return _torch.environment(self._device, self._dtype, "timm", "torchvision", "pillow")

    def transform(self, X: Any) -> NDArray[np.float32]:
        torch = _torch.needs("torch", "torch")
        batch = torch.stack([self._preprocess(as_image(x)) for x in X]).to(self._device)
        with _torch.steady(self._device, self._dtype):
            return _torch.as_features(self._model(batch))


def as_image(value: Any) -> Any:
    """An RGB image of PIL from a path, an array of uint8 or an image."""
    image = _torch.needs("PIL.Image", "timm")
    if isinstance(value, str | PathLike):
        with image.open(value) as opened:
            return opened.convert("RGB")
    if isinstance(value, image.Image):
        return value.convert("RGB")
    pixels = np.asarray(value)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(
            "an image must be a path, a PIL image, or uint8 of shape (height, width) or (height, width, 3); got "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    return image.fromarray(pixels).convert("RGB")
