"""How files are harmed, the same in every test: one bit flipped, or the end cut off."""

import os
import random

ROUNDS = int(os.environ.get("ANALYTIC_CL_ATTACKS", "20"))


def harmed(content, seed):
    """`ROUNDS` damaged copies of a file, each with what was done to it."""
    chance = random.Random(seed)
    for number in range(ROUNDS):
        copy, place = bytearray(content), chance.randrange(len(content))
        if number % 4 == 3:
            yield f"cut at {place}", bytes(copy[:place])
        else:
            bit = chance.randrange(8)
            copy[place] ^= 1 << bit
            yield f"bit {bit} of byte {place}", bytes(copy)
