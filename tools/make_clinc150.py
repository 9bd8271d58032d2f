"""Make analytic_cl/data/clinc150_minilm.npz from a pack of float MiniLM features of CLINC150.

Usage: python tools/make_clinc150.py PACK.npz

The pack holds X_train, y_train, X_test, y_test, classes, domains and class_domain. Features are stored as
round(512 x) in int8: the embedding quantizer's own step at 384 features.
"""

import sys
from pathlib import Path

import numpy as np

SCALE = 512
OUT = Path(__file__).parent.parent / "analytic_cl" / "data" / "clinc150_minilm.npz"


def main(source: str) -> None:
    with np.load(source, allow_pickle=False) as pack:
        rows = {
            f"X_{part}": np.clip(np.rint(pack[f"X_{part}"].astype(np.float64) * SCALE), -127, 127)
            for part in ("train", "test")
        }
        labels = {f"y_{part}": pack[f"y_{part}"].astype(np.uint8) for part in ("train", "test")}
        names = {name: pack[name] for name in ("classes", "domains", "class_domain")}
    np.savez_compressed(OUT, **{name: q.astype(np.int8) for name, q in rows.items()}, **labels, **names)
    print(f"{OUT}: {OUT.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
