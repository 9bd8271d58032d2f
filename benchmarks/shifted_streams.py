"""Claim: each adaptation at prediction time has a stream where it helps and one where it hurts.

All of it takes some fifteen minutes; ONLY=priors,lame,t3a,memory,moments,experts,names,cost runs parts. Needs the packs
of real features (ANALYTIC_CL_DATA), and the extra `text` for names. The tables of docs/shifted-streams.md are its.
"""

import os
import sys
import warnings
from importlib import import_module

from _shifted_rows import DATA

PARTS = {
    "priors": ("_shifted_priors", "priors", "without_rows"),
    "lame": ("_shifted_lame", "lame"),
    "t3a": ("_shifted_t3a", "t3a"),
    "memory": ("_shifted_memory", "main"),
    "moments": ("_shifted_moments", "main"),
    "experts": ("_shifted_experts", "experts", "glc"),
    "names": ("_shifted_names", "names"),
    "cost": ("_shifted_cost", "cost"),
}


def main() -> None:
    if not (DATA / "clinc150_minilm.npz").exists():
        print(f"no packs of features in {DATA}: set ANALYTIC_CL_DATA; nothing was measured")
        return
    wanted = os.environ.get("ONLY", ",".join(PARTS)).split(",")
    unknown = set(wanted) - set(PARTS)
    if unknown:
        sys.exit(f"ONLY knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    warnings.simplefilter("ignore")
    for part, (module, *functions) in PARTS.items():
        for name in functions if part in wanted else ():
            getattr(import_module(module), name)()


if __name__ == "__main__":
    main()
