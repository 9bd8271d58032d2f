"""A real data set that ships with the package."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from sklearn.utils import Bunch

_SCALE = 512


def load_clinc150() -> Bunch:
    """Load CLINC150: 150 intents of real user queries, as frozen MiniLM features.

    Returns
    -------
    Bunch
        ``X_train`` (15000, 384) and ``X_test`` (4500, 384), float32 (stored integers / 512); ``y_train`` and ``y_test``
        int64, indices into ``classes``; ``classes`` (150 names), ``domains`` (10 names), ``class_domain`` (domain of
        each class); ``DESCR``: where it comes from, and the licences.

    Notes
    -----
    Text: clinc/oos-eval (Larson et al., EMNLP-IJCNLP 2019), CC BY 3.0. Features: all-MiniLM-L6-v2, Apache-2.0. No
    network is needed.

    Exactness: bit for bit what is stored.

    Examples
    --------
    >>> from analytic_cl.datasets import load_clinc150
    >>> data = load_clinc150()
    >>> data.X_train.shape, str(data.classes[data.y_train[0]])
    ((15000, 384), 'flight_status')
    """
    folder = files("analytic_cl") / "data"
    with (folder / "clinc150_minilm.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for part in ("train", "test"):
        arrays[f"X_{part}"] = arrays[f"X_{part}"].astype(np.float32) / np.float32(_SCALE)
        arrays[f"y_{part}"] = arrays[f"y_{part}"].astype(np.int64)
    return Bunch(**arrays, DESCR=(folder / "README.md").read_text(encoding="utf-8"))
