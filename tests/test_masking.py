"""The sum of masked states is the merged state; a message alone tells nothing; a wrong set of clients is found."""

import sys

import numpy as np
import pytest

from analytic_cl import FixedPoint, LDAClassifier, Moments
from analytic_cl.quantizers import SignKeys, resolve_quantizer
from analytic_cl.statistics import EMPTY, KeyCounts

pytest.importorskip("cryptography", reason="needs the extra 'store'")
from analytic_cl.distributed.masking import Agreement, Participant, unmasked

D = 5


def quantizer_of(bits):
    return resolve_quantizer(FixedPoint(bits, scale=1), None, D)


def learned(bits, n, labels, order=2, seed=0):
    """A state of n rows of these classes, at the limits of the quantizer."""
    state, random = Moments(quantizer_of(bits), order), np.random.RandomState(seed)
    if n:
        limit = state.quantizer.limit
        rows = random.randint(-limit, limit + 1, size=(n, D)).astype(state.quantizer.dtype)
        rows[0] = limit
        state.add(rows, [labels[i % len(labels)] for i in range(n)])
    return state


def clients(bits, k, order=2):
    """Unequal ones: the first has no rows, the second a class alone."""
    shares = [(0, []), (7, ["alone"]), (30, ["a", "b"]), (1, ["b"]), (400, ["a", "c"])]
    return {f"client {i}": learned(bits, *shares[i], order, seed=i) for i in range(k)}


def agreed(states, labels=("a", "alone", "b", "c"), **others):
    parts = {name: Participant(name) for name in states}
    keys = {name: part.public_key for name, part in parts.items()} | others
    return parts, Agreement.of(next(iter(states.values())), labels, keys)


def masked(states, parts, agreement):
    return {name: parts[name].masked(state, agreement) for name, state in states.items()}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_sum_is_the_merged_state_bit_for_bit(k, bits, order):
    states = clients(bits, k, order)
    parts, agreement = agreed(states)
    before = [state.digest() for state in states.values()]
    messages = masked(states, parts, agreement)
    merged = Moments(quantizer_of(bits), order)
    for state in states.values():
        merged.merge(state)

    assert {words.size for words in messages.values()} == {agreement.n_words}
    assert unmasked(messages, agreement).digest() == merged.digest()
    assert unmasked(dict(reversed(messages.items())), agreement).labels == merged.labels
    assert [state.digest() for state in states.values()] == before


def test_clients_without_rows_sum_to_nothing():
    states = {name: Moments(quantizer_of(8)) for name in "abc"}
    parts, agreement = agreed(states, labels=())
    assert unmasked(masked(states, parts, agreement), agreement).digest() == EMPTY


@pytest.mark.parametrize("who", ["client 0", "client 2"])
def test_a_message_is_uniform_and_as_long_whatever_was_learned(who):
    """Chi-square over bytes: 255 degrees of freedom, 22.6 a standard deviation, 8 of them once in 10^11 runs."""
    wide = resolve_quantizer(FixedPoint(8, scale=1), None, 100)
    states = {name: Moments(wide) for name in ("client 0", "client 2")}
    states["client 2"].add(np.full((50, 100), 3, dtype=np.int8), ["a"] * 50)
    parts, agreement = agreed(states)
    plain, words = agreement.words(states[who]), parts[who].masked(states[who], agreement)

    def spread(values):
        counts = np.bincount(values.view(np.uint8), minlength=256)
        return ((counts - counts.mean()) ** 2 / counts.mean()).sum()

    assert spread(words) < 255 + 8 * 22.6 < spread(plain)
    assert spread(words - plain) < 255 + 8 * 22.6
    assert not (words == plain).any()


def test_long_messages_are_masked_by_a_stream_that_does_not_repeat():
    wide = resolve_quantizer(FixedPoint(8, scale=1), None, 600)
    states = {name: Moments(wide) for name in "ab"}
    parts, agreement = agreed(states, labels=())
    words = parts["a"].masked(states["a"], agreement)
    assert words.size > 2**17
    assert np.unique(words).size == words.size


def test_a_wrong_set_of_clients_is_found():
    states = clients(8, 3)
    parts, agreement = agreed(states)
    messages = masked(states, parts, agreement)
    with pytest.raises(ValueError, match=r"missing of \['client 1'\], and not expected of \['mallory'\]"):
        unmasked(
            {"client 0": messages["client 0"], "client 2": messages["client 2"], "mallory": messages["client 1"]},
            agreement,
        )
    with pytest.raises(ValueError, match="the masks don't cancel"):
        unmasked({**messages, "client 1": messages["client 2"]}, agreement)
    with pytest.raises(ValueError, match="is not uint64 of shape"):
        unmasked({**messages, "client 1": messages["client 1"][:-1]}, agreement)


@pytest.mark.parametrize("what", ["a key", "a class"])
def test_clients_of_different_agreements_are_found(what):
    states = clients(8, 3)
    parts, agreement = agreed(states)
    keys, labels = agreement.public_keys, agreement.labels
    if what == "a key":
        keys = {**keys, "client 2": Participant("client 2").public_key}
    else:
        labels = [*labels[:-1], "d"]
    other = Agreement.of(states["client 0"], labels, keys)
    assert other.fingerprint != agreement.fingerprint
    messages = {name: parts[name].masked(states[name], agreement) for name in ("client 0", "client 2")}
    messages["client 1"] = parts["client 1"].masked(states["client 1"], other)
    with pytest.raises(ValueError, match="the masks don't cancel"):
        unmasked(messages, agreement)


def test_a_sum_that_is_no_possible_state_is_refused_where_masks_cancel():
    states = clients(8, 2)
    parts, agreement = agreed(states)
    messages = masked(states, parts, agreement)
    messages["client 1"][-1] += np.uint64(1)  # the last entry of the diagonal: parity
    with pytest.raises(ValueError, match=r"or a client sent no state .*diagonal"):
        unmasked(messages, agreement)


def test_those_who_are_left_begin_again_when_a_client_drops_out():
    states = clients(8, 5)
    parts, agreement = agreed(states)
    messages = masked(states, parts, agreement)
    lost = messages.pop("client 4")
    assert lost.size == agreement.n_words
    with pytest.raises(ValueError, match=r"missing of \['client 4'\].*begin again"):
        unmasked(messages, agreement)
    with pytest.raises(RuntimeError, match="every sum takes new participants"):
        parts["client 0"].masked(states["client 0"], agreement)
    del states["client 4"]
    parts, agreement = agreed(states)
    merged = Moments(quantizer_of(8))
    for state in states.values():
        merged.merge(state)
    assert unmasked(masked(states, parts, agreement), agreement).digest() == merged.digest()


def test_agreements_and_states_that_do_not_fit_are_refused():
    states = clients(8, 3)
    parts, agreement = agreed(states)
    one = states["client 1"]
    with pytest.raises(ValueError, match="fewer than two clients hides nothing"):
        Agreement.of(one, ["a"], {"client 1": parts["client 1"].public_key})
    with pytest.raises(ValueError, match="public keys must be 32 bytes, and different"):
        Agreement.of(one, ["a"], dict.fromkeys("ab", b"\1" * 32))
    with pytest.raises(ValueError, match="order must be 1 or 2"):
        Agreement(one.quantizer, 3, (), agreement.public_keys)
    with pytest.raises(ValueError, match="'stranger' has no part in this agreement"):
        Participant("stranger").masked(one, agreement)
    with pytest.raises(ValueError, match="has no part in this agreement under its key"):
        Participant("client 1").masked(one, agreement)
    with pytest.raises(TypeError, match="only Moments can be masked, got KeyCounts"):
        parts["client 1"].masked(KeyCounts(quantizer_of(8), SignKeys(4, 2, 0)), agreement)
    for other in (learned(8, 3, ["a"], order=1), learned(16, 3, ["a"])):
        with pytest.raises(ValueError, match="the agreement is on order 2 behind"):
            parts["client 1"].masked(other, agreement)
    with pytest.raises(ValueError, match="classes that the agreement does not have: 'x', 'y'"):
        parts["client 1"].masked(learned(8, 4, ["y", "x", "a"]), agreement)
    assert parts["client 1"].masked(one, agreement).size == agreement.n_words  # nothing of this used it up


def test_what_is_missing_without_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(ImportError, match=r"pip install 'analytic-cl\[store\]'"):
        Participant("ann")


def test_a_head_serves_the_sum_and_a_client_leaves_it():
    X, y = np.random.RandomState(0).normal(size=(90, D)), np.arange(90) % 3
    heads = {name: LDAClassifier().fit(X[i::3], y[i::3]) for i, name in enumerate(("ann", "bob", "cy"))}
    states = {name: head.moments_ for name, head in heads.items()}
    parts, agreement = agreed(states, labels=range(3))
    total = LDAClassifier.from_moments(unmasked(masked(states, parts, agreement), agreement))
    assert total.state_digest() == LDAClassifier().fit(X, y).state_digest()
    total.unmerge(LDAClassifier.from_moments(heads["bob"].moments_))
    left = np.arange(90) % 3 != 1
    assert total.state_digest() == LDAClassifier().fit(X[left], y[left]).state_digest()
