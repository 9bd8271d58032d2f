"""An order of digests finds what is there, and keeps nothing of what was struck out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytic_cl.ledger.row_index import DigestOrder


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.randoms())
def test_live_entries_are_found_and_words_of_others_are_gone(words, random):
    digests = np.array([[word, 0] for word in words], dtype=np.uint64)
    alive = np.ones(len(words), dtype=np.bool_)
    order = DigestOrder(digests, np.flatnonzero(alive))
    for gone in np.array_split(random.sample(range(len(words)), len(words)), 4):
        alive[gone.astype(int)] = False
        order.strike(digests[gone.astype(int), 0], alive)
        for word in range(10):
            (found,) = order.find(np.array([word], dtype=np.uint64))
            assert sorted(at for at in found.tolist() if alive[at]) == [
                at for at in range(len(words)) if alive[at] and words[at] == word
            ]
        assert set(order._words.tolist()) <= {words[at] for at in np.flatnonzero(alive)} | {0}
