"""A store holds what a plain fit on the rows that should be in it holds, whatever happened to it."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from common import blobs, head_name, ignore_quantization
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sklearn.base import clone
from stores import HEADS, reopened

from analytic_cl import (
    LDAClassifier,
    Store,
)
from analytic_cl.statistics import EMPTY
from analytic_cl.store import (
    AlreadyErasedError,
)

POOL, LABELS = blobs(30, 4, 5, seed=7)
POOL = np.concatenate([POOL, POOL[:10]])  # identical rows of different people are normal
LABELS = np.array(["ant", "bee", "cat", "dog", "elk"])[np.concatenate([LABELS, LABELS[:10]])].tolist()
picks = st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=8)
some = st.integers(0, 2**30)


class Entry:
    """A row that was learned, and whose."""

    def __init__(self, row, name, subject, session):
        self.row, self.label, self.name, self.subject, self.session = row, LABELS[row], name, subject, session
        self.restricted = False


class Life(RuleBasedStateMachine):
    """Holds a store and, beside it, the plain list of what should be in it."""

    template = LDAClassifier()

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store.create(self.folder / "store", self.template)
        self.held, self.erased, self.next_id = [], set(), 0

    def teardown(self):
        if hasattr(self, "store"):
            assert self.store.verify(retrain=True).rows == sum(not entry.restricted for entry in self.held)
            self.store.close()
            shutil.rmtree(self.folder)

    def entries(self, rows, with_ids, seed):
        self.next_id += len(rows)
        names = range(self.next_id - len(rows), self.next_id)
        return [
            Entry(
                row,
                (f"person {i}" if i % 2 else i) if with_ids else None,
                f"subject {(seed + i) % 4}" if seed % 3 else None,
                f"session {seed % 3}" if seed % 2 else None,
            )
            for row, i in zip(rows, names, strict=True)
        ]

    def learn_into(self, target, entries, **how):
        target.learn(
            POOL[[entry.row for entry in entries]],
            [entry.label for entry in entries],
            sample_id=None if entries[0].name is None else [entry.name for entry in entries],
            subject=[entry.subject for entry in entries],
            session=[entry.session for entry in entries],
            **how,
        )

    def chosen(self, seed, suits):
        """Some entries that can be named together: with ids, and of one subject at most."""
        fit = [entry for entry in self.held if entry.name is not None and suits(entry)]
        order = np.random.RandomState(seed).permutation(len(fit))[: 1 + seed % 5]
        subjects = {fit[i].subject for i in order} - {None}
        keep = {None, min(subjects, default=None)}
        return [fit[i] for i in order if fit[i].subject in keep]

    def drop(self, gone):
        self.held = [entry for entry in self.held if entry not in gone]

    @rule(rows=picks, with_ids=st.booleans(), seed=some)
    def learn(self, rows, with_ids, seed):
        entries = self.entries(rows, with_ids, seed)
        erased = {entry.subject for entry in entries} & self.erased
        if erased:
            with pytest.raises(AlreadyErasedError):
                self.learn_into(self.store, entries)
            self.erased -= erased
        self.learn_into(self.store, entries, allow_erased=bool(erased))
        self.held += entries

    @rule(rows=picks, seed=some)
    def merge(self, rows, seed):
        with Store.create(self.folder / f"other {self.next_id}", self.template) as other:
            entries = [entry for entry in self.entries(rows, True, seed) if entry.subject not in self.erased]
            if entries:
                self.learn_into(other, entries)
            assert self.store.merge(other) == len(entries)
        self.held += entries

    @rule(seed=some)
    def forget_by_ids(self, seed):
        gone = self.chosen(seed, lambda entry: True)
        if gone:
            names = [entry.name for entry in gone]
            receipt = self.store.forget(sample_id=[*names, "nobody"], skip_unknown=True)
            assert (receipt.requested, receipt.removed, receipt.unknown) == (len(gone) + 1, len(gone), 1)
            self.drop(gone)

    @precondition(lambda self: self.held)
    @rule(seed=some, by=st.sampled_from(["subject", "session", "label"]))
    def forget_by(self, seed, by):
        value = getattr(self.held[seed % len(self.held)], by)
        if value is not None:
            gone = [entry for entry in self.held if getattr(entry, by) == value]
            before = {entry.label for entry in self.held if not entry.restricted}
            receipt = self.store.forget(**{by: value})
            self.drop(gone)
            emptied = before - {entry.label for entry in self.held if not entry.restricted}
            assert (receipt.removed, receipt.classes_emptied) == (len(gone), len(emptied))
            self.erased |= {value} if by == "subject" else set()

    @rule(seed=some, rows=picks)
    def rectify(self, seed, rows):
        old = self.chosen(seed, lambda entry: not entry.restricted)[: len(rows)]
        rows = rows[: len(old)]
        if old:
            labels = [LABELS[row] for row in rows]
            self.store.rectify(POOL[rows], labels, sample_id=[entry.name for entry in old])
            for entry, row, label in zip(old, rows, labels, strict=True):
                entry.row, entry.label = row, label

    @rule(seed=some, back=st.booleans())
    def restrict_or_not(self, seed, back):
        moved = self.chosen(seed, lambda entry: entry.restricted == back)
        if moved:
            move = self.store.unrestrict if back else self.store.restrict
            assert move(sample_id=[entry.name for entry in moved]).removed == len(moved)
            for entry in moved:
                entry.restricted = not back

    @rule(with_snapshot=st.booleans())
    def close_and_open(self, with_snapshot):
        if not with_snapshot:
            self.store.parts.models.loaded = None
        self.store = reopened(self.store)

    @invariant()
    def the_state_is_that_of_a_plain_fit(self):
        kept = [entry for entry in self.held if not entry.restricted]
        if not kept:
            assert self.store.state_digest() == EMPTY
            return
        head = clone(self.template).fit(POOL[[entry.row for entry in kept]], [entry.label for entry in kept])
        assert self.store.state_digest() == head.state_digest()
        assert self.store.n_rows == len(kept)
        np.testing.assert_array_equal(self.store.predict(POOL[:5]), head.predict(POOL[:5]))


@ignore_quantization
@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")
@pytest.mark.parametrize("head", HEADS, ids=head_name)
def test_any_life_of_a_store_ends_in_the_state_of_a_plain_fit(head):
    machine = type("LifeOfOne", (Life,), {"template": head})
    run_state_machine_as_test(machine, settings=settings(max_examples=8, stateful_step_count=12))
