"""Claim: each adaptation at prediction time has a stream where it helps and one where it hurts.

All of it takes some fifteen minutes; ONLY=priors,lame,t3a,memory,moments,experts,names,cost runs parts. Needs the packs
of real features (ANALYTIC_CL_DATA), and the extra `text` for names. The tables of docs/shifted-streams.md are its.
"""

import os
import sys
import warnings

from _shifted_rows import DATA

PARTS = ("priors", "lame", "t3a", "memory", "moments", "experts", "names", "cost")


def main() -> None:
    if not (DATA / "clinc150_minilm.npz").exists():
        print(f"no packs of features in {DATA}: set ANALYTIC_CL_DATA; nothing was measured")
        return
    wanted = os.environ.get("ONLY", ",".join(PARTS)).split(",")
    unknown = set(wanted) - set(PARTS)
    if unknown:
        sys.exit(f"ONLY knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    warnings.simplefilter("ignore")
    if "priors" in wanted:
        from _shifted_priors import priors, without_rows

        priors()
        without_rows()
    if "lame" in wanted:
        from _shifted_lame import lame

        lame()
    if "t3a" in wanted:
        from _shifted_t3a import t3a

        t3a()
    if "memory" in wanted:
        from _shifted_memory import main as memory

        memory()
    if "moments" in wanted:
        from _shifted_moments import main as moments

        moments()
    if "experts" in wanted:
        from _shifted_experts import experts, glc

        experts()
        glc()
    if "names" in wanted:
        from _shifted_names import names

        names()
    if "cost" in wanted:
        from _shifted_cost import cost

        cost()


if __name__ == "__main__":
    main()
