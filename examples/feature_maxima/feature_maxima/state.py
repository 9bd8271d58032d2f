"""How often each feature of a class had each of a few levels: integers, from which smallest and largest follow."""

import hashlib

import numpy as np

from analytic_cl.statistics import (
    EMPTY,
    LabelledState,
    deferred_interrupts,
    encode_labels,
    label_bytes,
    labels_from_array,
    labels_to_array,
)

HISTOGRAMS = "histograms of features"
LEVELS = 257  # of a value: four to each power of two, of either sign, and one for 0


def levels(rows):
    """Levels of integers, from 0 to 256 in the order of the integers."""
    fraction, exponent = np.frexp(np.abs(rows.astype(np.int64)).astype(np.float64))
    magnitude = 4 * exponent.astype(np.int64) + (8 * fraction).astype(np.int64) - 7
    return np.sign(rows).astype(np.int64) * np.where(rows == 0, 0, magnitude) + LEVELS // 2


class FeatureMaxima(LabelledState):
    """For each class a table of counts, shape (n_features, LEVELS).

    A largest value alone could not be forgotten: the counts below it say what the next one is.

    Exactness: bit for bit. Cost: one addition a number, 8 n_features LEVELS bytes a class.
    """

    kind = "feature maxima"
    provides = frozenset({HISTOGRAMS})
    can_drop_classes = True

    def __init__(self, quantizer):
        super().__init__(quantizer)
        self._tables = {}  # by label

    def __repr__(self):
        return f"FeatureMaxima({self.n_rows} rows of {len(self._tables)} classes, {self.quantizer.describe()})"

    # ---- what it holds

    @property
    def labels(self):
        return sorted(self._tables)

    @property
    def counts(self):
        return np.array([self.count(label) for label in self.labels], dtype=np.int64)

    @property
    def n_rows(self):
        return int(self.counts.sum())

    def count(self, label):
        known = self._same_kind(label) and label in self._tables
        return int(self._tables[label][0].sum()) if known else 0

    def _known_label(self):
        return next(iter(self._tables), None)

    @property
    def boxes(self):
        """Smallest and largest levels, shape (n_classes, n_features) each, classes sorted."""
        tables = np.stack([self._tables[label] > 0 for label in self.labels])
        return tables.argmax(axis=2), LEVELS - 1 - tables[:, :, ::-1].argmax(axis=2)

    def digest(self):
        if not self._tables:
            return EMPTY
        h = hashlib.sha256(b"feature maxima 1\0" + self.quantizer.canonical_bytes())
        for name, label in sorted((label_bytes(label), label) for label in self.labels):
            h.update(len(name).to_bytes(8, "little") + name)
            h.update(self._tables[label].astype("<i8").tobytes())
        return h.hexdigest()

    # ---- change, whole or not at all

    def add(self, rows, targets, *, from_quantizer=False):
        encoded = self._encoded(rows, targets) if from_quantizer else self._checked(rows, targets)
        self._check_room(len(rows))
        self._replace(self._changed(rows, encoded.used(), +1))

    def subtract(self, rows, targets):
        encoded = self._checked(rows, targets).used()
        self._check_forgettable(encoded.values, np.bincount(encoded.codes, minlength=len(encoded.values)))
        changed = self._changed(rows, encoded, -1)
        if any((table < 0).any() for table in changed.values()):
            raise ValueError("these rows were never all learned under these labels: a count would be negative")
        self._replace(changed)

    def undo(self, rows, targets, sign):
        self._replace(self._changed(rows, encode_labels(targets).used(), -sign))

    def drop_class(self, label):
        if not self.count(label):
            raise ValueError(f"no rows of class {label!r}")
        self._replace({label: np.zeros_like(self._tables[label])})

    def _absorb(self, other):
        self._replace({label: self._table(label) + table for label, table in other._tables.items()})

    def _table(self, label):
        return self._tables.get(label, np.zeros((self.quantizer.width, LEVELS), dtype=np.int64))

    def _changed(self, rows, encoded, sign):
        """New tables of the classes that these rows touch; nothing is written yet."""
        changed, place = {}, levels(rows)
        for code, label in enumerate(encoded.values):
            table = self._table(label).copy()
            here = place[encoded.codes == code]
            np.add.at(table, (np.arange(self.quantizer.width), here), sign)
            changed[label] = table
        return changed

    def _replace(self, changed):
        """The one write: other tables take the place of those of some classes, and empty classes go."""
        tables = {label: table for label, table in (self._tables | changed).items() if table.any()}
        with deferred_interrupts():
            self._tables = tables
            self._touch()

    # ---- on disk

    def describe(self):
        return {"kind": self.kind}

    def to_arrays(self):
        shape = (len(self._tables), self.quantizer.width, LEVELS)
        tables = np.array([self._tables[label] for label in self.labels], dtype=np.int64).reshape(shape)
        return {"labels": labels_to_array(self.labels), "tables": tables}

    @classmethod
    def described(cls, quantizer, description):
        return cls(quantizer)

    @classmethod
    def from_arrays(cls, quantizer, description, arrays):
        labels, tables = labels_from_array(arrays.get("labels")), arrays.get("tables")
        shape = (len(labels), quantizer.width, LEVELS)
        if tables is None or tables.dtype != np.int64 or tables.shape != shape or (tables < 0).any():
            raise ValueError(f"array 'tables' is missing, or not int64 of shape {shape} from 0 on")
        rows = tables.sum(axis=2)
        if (rows != rows[:, :1]).any() or (rows == 0).any():
            raise ValueError("not a possible state: features of a class have different numbers of rows, or none")
        state = cls(quantizer)
        state._tables = {label: table.copy() for label, table in zip(labels, tables, strict=True)}
        return state
