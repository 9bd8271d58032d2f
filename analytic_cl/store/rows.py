"""The rows of a store: their integers, labels, ids, subjects and sessions, read a batch at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic_cl._text import plain_text
from analytic_cl.ledger import SampleId
from analytic_cl.ledger.ids import other_kind
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics import Label, Targets, as_label, encode_labels
from analytic_cl.store.database import Database, parsed
from analytic_cl.store.errors import DamagedError
from analytic_cl.store.tombstones import Tombstones

_NEVER = 2**62  # no log has so many entries
_BATCH_BYTES = 2**25  # of integers that are in memory at a time


# SQLite does a CROSS JOIN in the order as written; any other join with the selection may scan all rows.
_CHOSEN = "chosen CROSS JOIN rows USING (row)"


def _checksum(integers: str = "integers", label: str = "rows.label", restricted: str = "restricted") -> str:
    """SQL of the checksum over all that a row holds, its label as text."""
    text = f"(SELECT label FROM labels WHERE code = {label})"
    return f"checksum_of({integers}, {text}, {restricted}, sample, subject, session, learned, time)"


_SOUND = f"checksum = {_checksum()}"

_MACHINE = "learned IN (SELECT number FROM audit WHERE instr(entry, '\"confidence\"'))"
_MACHINE_AFTER = _MACHINE.replace("WHERE", "WHERE number > ?1 AND") + " AND learned > ?1"


class Batch(NamedTuple):
    """Rows to learn, with what is known of each."""

    rows: NDArray[Any]
    targets: Targets
    ids: Sequence[SampleId | None]
    subjects: Sequence[str | None]
    sessions: Sequence[str | None]


class Rows:
    """Reads and writes the table `rows`; a selection is kept in a temporary table, in memory."""

    def __init__(self, database: Database) -> None:
        self._db = database
        database.run("CREATE TEMP TABLE chosen (row INTEGER PRIMARY KEY)")

    def count(self, *, restricted: bool = False) -> int:
        return int(self._db.one("SELECT count(*) FROM rows WHERE restricted = ?", restricted))

    def labels(self) -> dict[int, Label]:
        """Labels by their numbers."""
        return {code: as_label(parsed(text)) for code, text in self._db.run("SELECT code, label FROM labels")}

    def any(self) -> bool:
        return self._db.one("SELECT 1 FROM rows LIMIT 1") is not None

    def counts(self) -> dict[Label, int]:
        """Rows of each label that are in the state."""
        labels = self.labels()
        query = "SELECT label, count(*) FROM rows WHERE restricted = 0 GROUP BY label"
        return {labels[code]: count for code, count in self._db.run(query)}

    def odd_names(self) -> list[str]:
        """Ids, subjects, sessions and labels that are not in their one spelling."""
        names = [
            name_of(text)
            for column in ("sample", "subject", "session")
            for (text,) in self._db.run(f"SELECT DISTINCT {column} FROM rows WHERE {column} NOT NULL")
        ]
        names += [json.loads(text) for (text,) in self._db.run("SELECT label FROM labels")]
        return [name for name in names if isinstance(name, str) and name != plain_text(name)]

    # ---- choose

    def known(self, ids: Iterable[SampleId]) -> list[SampleId]:
        """Ids that have a row."""
        find = "SELECT 1 FROM rows WHERE sample = ?"
        return [name for name in ids if self._db.one(find, text_of(name)) is not None]

    def erased(self, tombstones: Tombstones) -> list[int]:
        """Numbers of rows of which the id or the subject has a tombstone."""
        columns: dict[str, Any] = {"sample": tombstones.erased_ids, "subject": tombstones.erased_subjects}
        numbers: set[int] = set()
        for column, erased in columns.items():
            query = f"SELECT {column}, row FROM rows WHERE {column} NOT NULL"
            named = [(name_of(text), row) for text, row in self._db.run(query)]
            gone = set(erased(sorted({name for name, _ in named}, key=str)))
            numbers |= {row for name, row in named if name in gone}
        return sorted(numbers)

    def unknown(self, ids: Iterable[SampleId]) -> list[SampleId]:
        """Ids that have no row."""
        ids = list(ids)
        known = set(self.known(ids))
        return [name for name in ids if name not in known]

    def of_another_kind(self, unknown: Sequence[SampleId]) -> str:
        """What to say where text was asked for and the ids are integers, or the other way round; else nothing."""
        if not unknown:
            return ""
        others = [other for name in unknown if (other := other_kind(name)) is not None]
        return mistaken_kind(unknown, bool(self.known(others)), self.has_ids(text=True), self.has_ids(text=False))

    def has_ids(self, *, text: bool) -> bool:
        """Whether there are ids that are text, or integers: by how `text_of` begins."""
        first, end = ('"', "#") if text else ("#", "$")
        return self._db.one("SELECT 1 FROM rows WHERE sample >= ? AND sample < ? LIMIT 1", first, end) is not None

    def choose_samples(self, ids: Iterable[SampleId]) -> None:
        self._db.run("DELETE FROM chosen")
        self._db.run_many(
            "INSERT OR IGNORE INTO chosen SELECT row FROM rows WHERE sample = ?", ((text_of(name),) for name in ids)
        )

    def choose_rows(self, numbers: Iterable[int]) -> None:
        self._db.run("DELETE FROM chosen")
        self._db.run_many("INSERT INTO chosen SELECT row FROM rows WHERE row = ?", ((number,) for number in numbers))

    def _code(self, label: Label) -> int | None:
        code: int | None = self._db.one("SELECT code FROM labels WHERE label = ?", json.dumps(label))
        return code

    def choose(self, column: str, value: Any) -> None:
        """Choose by subject, session, label, or the entry of the log that tells of the row's learning ("learned")."""
        self._db.run("DELETE FROM chosen")
        if column != "learned":
            value = text_of(value) if column != "label" else self._code(value)
        self._db.run(f"INSERT INTO chosen SELECT row FROM rows WHERE {column} = ?", value)

    def keep_chosen(self, *, restricted: bool) -> None:
        """Of what is chosen, keep what is restricted, or what is not."""
        self._db.run(
            f"DELETE FROM chosen WHERE row IN (SELECT row FROM {_CHOSEN} WHERE restricted <> ?)",
            restricted,
        )

    def chosen(self, *, restricted: bool | None = None) -> int:
        """How many rows are chosen."""
        which = "" if restricted is None else f" WHERE restricted = {int(restricted)}"
        return int(self._db.one(f"SELECT count(*) FROM {_CHOSEN}{which}"))

    def chosen_values(self, column: str) -> list[Any]:
        """Distinct values of a column of what is chosen, in order, None left out."""
        query = f"SELECT DISTINCT {column} FROM {_CHOSEN} WHERE {column} NOT NULL ORDER BY {column}"
        return [name_of(value) for (value,) in self._db.run(query)]

    # ---- machine-labelled rows: those of entries of the log that tell of a confidence

    def first_learned(self) -> int:
        """Entry of the log that brought the first of the chosen rows."""
        first = self._db.one(f"SELECT min(learned) FROM {_CHOSEN}")
        return first if isinstance(first, int) else 0  # a damaged row is found where its integers are read

    def machine_rows_after(self, entry: int) -> int:
        """How many machine-labelled rows were learned after an entry of the log, chosen ones left out."""
        query = f"SELECT count(*) FROM rows WHERE {_MACHINE_AFTER} AND row NOT IN (SELECT row FROM chosen)"
        return int(self._db.one(query, entry))

    def choose_machine_rows_after(self, entry: int) -> None:
        """Choose these, too."""
        self._db.run(f"INSERT OR IGNORE INTO chosen SELECT row FROM rows WHERE {_MACHINE_AFTER}", entry)

    def labels_without_others(self) -> int:
        """How many labels have all of their rows in the state chosen."""
        query = f"""SELECT count(*) FROM (SELECT DISTINCT label FROM {_CHOSEN}) AS given
            WHERE NOT EXISTS (SELECT 1 FROM rows WHERE rows.label = given.label AND restricted = 0
                AND row NOT IN (SELECT row FROM chosen))"""
        return int(self._db.one(query))

    # ---- read

    def names(self) -> Iterator[tuple[SampleId | None, str | None]]:
        """Id and subject of each row that has either."""
        query = "SELECT sample, subject FROM rows WHERE sample NOT NULL OR subject NOT NULL"
        for sample, subject in self._db.run(query):
            yield None if sample is None else name_of(sample), None if subject is None else name_of(subject)

    def names_of_chosen(self) -> Iterator[tuple[int, SampleId | None, str | None, Label]]:
        """Number, id, subject and label of each chosen row."""
        labels = self.labels()
        for row, sample, subject, code in self._db.run(f"SELECT row, sample, subject, label FROM {_CHOSEN}"):
            yield row, *(None if name is None else name_of(name) for name in (sample, subject)), labels[code]

    def chosen_batches(self, quantizer: Quantizer, *, restricted: bool) -> Iterator[tuple[NDArray[Any], Targets]]:
        """Integer rows and labels of what is chosen."""
        return self._batches(f"{_CHOSEN} WHERE restricted = ?", (int(restricted),), quantizer)

    def batches(
        self, quantizer: Quantizer, *, after: int = 0, until: int = _NEVER
    ) -> Iterator[tuple[NDArray[Any], Targets]]:
        """Integer rows and labels of the state, those learned after an entry of the log, and not after another."""
        return self._batches("rows WHERE learned > ? AND learned <= ? AND restricted = 0", (after, until), quantizer)

    def _batches(
        self, source: str, values: Sequence[Any], quantizer: Quantizer
    ) -> Iterator[tuple[NDArray[Any], Targets]]:
        labels = self.labels()
        cursor = self._db.run(f"SELECT {_SOUND}, label, integers FROM {source}", *values)
        while entries := cursor.fetchmany(_at_once(quantizer)):
            sound, codes, integers = zip(*entries, strict=True)
            self._check(sound)
            yield _joined(integers, quantizer), encode_labels([labels[code] for code in codes])

    def full_batches(self, quantizer: Quantizer, *, machine: bool) -> Iterator[Batch]:
        """All that is known of rows in the state but for times: of machine-labelled ones, or of the others."""
        labels = self.labels()
        columns = f"{_SOUND}, integers, label, sample, subject, session"
        which = _MACHINE if machine else f"NOT {_MACHINE}"
        cursor = self._db.run(f"SELECT {columns} FROM rows WHERE restricted = 0 AND {which}")
        while entries := cursor.fetchmany(_at_once(quantizer)):
            sound, integers, codes, names, subjects, sessions = zip(*entries, strict=True)
            self._check(sound)
            yield Batch(
                _joined(integers, quantizer),
                encode_labels([labels[code] for code in codes]),
                [None if name is None else name_of(name) for name in names],
                [None if name is None else name_of(name) for name in subjects],
                [None if name is None else name_of(name) for name in sessions],
            )

    def about_chosen(self, quantizer: Quantizer) -> Iterator[dict[str, Any]]:
        """All that is stored of each chosen row."""
        labels = self.labels()
        columns = f"{_SOUND}, sample, subject, session, label, restricted, time, integers, {_MACHINE}"
        query = f"SELECT {columns} FROM {_CHOSEN} ORDER BY row"
        for sound, sample, subject, session, code, restricted, time, integers, machine in self._db.run(query):
            self._check([sound])
            yield {
                "sample_id": None if sample is None else name_of(sample),
                "subject": None if subject is None else name_of(subject),
                "session": None if session is None else name_of(session),
                "label": labels[code],
                "machine_labelled": bool(machine),
                "restricted": bool(restricted),
                "learned": time,
                "integers": np.frombuffer(integers, dtype=_stored(quantizer)).tolist(),
            }

    def _check(self, sound: Sequence[Any]) -> None:
        if not all(sound):
            raise DamagedError(
                f"{self._db.path} is damaged: a row does not have its checksum any more; restore the store from a "
                "backup"
            )

    # ---- write, within a transaction

    def insert(self, batch: Batch, learned: int, time: str) -> None:
        stored = np.ascontiguousarray(batch.rows, dtype=_stored_dtype(batch.rows.dtype))
        codes = self._codes(batch.targets)
        columns = zip(batch.ids, batch.subjects, batch.sessions, codes, stored, strict=True)
        self._db.run_many(
            f"""INSERT INTO rows (sample, subject, session, label, learned, time, integers, checksum)
                SELECT sample, subject, session, given, learned, time, integers,
                    {_checksum(label="given", restricted="0")}
                FROM (SELECT ? AS sample, ? AS subject, ? AS session, ? AS given, ? AS learned, ? AS time,
                    ? AS integers)""",
            (
                (*(None if name is None else text_of(name) for name in names), code, learned, time, row.tobytes())
                for *names, code, row in columns
            ),
        )

    def replace(self, ids: Sequence[SampleId], rows: NDArray[Any], targets: Targets) -> None:
        codes = self._codes(targets)
        stored = np.ascontiguousarray(rows, dtype=_stored_dtype(rows.dtype))
        self._db.run_many(
            f"UPDATE rows SET label = ?1, integers = ?2, checksum = {_checksum('?2', '?1')} WHERE sample = ?3",
            ((code, row.tobytes(), text_of(name)) for name, code, row in zip(ids, codes, stored, strict=True)),
        )
        self._drop_unused_labels()

    def restrict_chosen(self, restricted: bool) -> None:
        query = f"UPDATE rows SET restricted = ?1, checksum = {_checksum(restricted='?1')}"
        self._db.run(f"{query} WHERE row IN (SELECT row FROM chosen)", int(restricted))

    def delete_chosen(self) -> None:
        self._db.run("DELETE FROM rows WHERE row IN (SELECT row FROM chosen)")
        self._db.run("DELETE FROM chosen")
        self._drop_unused_labels()

    def _codes(self, targets: Targets) -> list[int]:
        self._db.run_many("INSERT OR IGNORE INTO labels (label) VALUES (?)", ((json.dumps(x),) for x in targets.values))
        code_of = [
            self._db.one("SELECT code FROM labels WHERE label = ?", json.dumps(label)) for label in targets.values
        ]
        return [code_of[place] for place in targets.codes.tolist()]

    def _drop_unused_labels(self) -> None:
        self._db.run("DELETE FROM labels WHERE NOT EXISTS (SELECT 1 FROM rows WHERE rows.label = labels.code)")


def mistaken_kind(unknown: Sequence[SampleId], others_known: bool, texts: bool, integers: bool) -> str:
    """What to say of unknown ids, if they are known as ids of the other kind, or there are ids of that kind alone."""
    given_text = any(isinstance(name, str) for name in unknown)
    alone = integers and not texts if given_text else texts and not integers
    if not others_known and not (alone and any(other_kind(name) is not None for name in unknown)):
        return ""
    if given_text:
        return "; the store's ids are integers, and these are text (on the command line, give --integer-ids)"
    return "; the store's ids are text, and these are integers (on the command line, leave out --integer-ids)"


def _stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _stored(quantizer: Quantizer) -> np.dtype[Any]:
    return _stored_dtype(quantizer.dtype)


def _at_once(quantizer: Quantizer) -> int:
    return max(1, _BATCH_BYTES // (quantizer.width * quantizer.dtype.itemsize))


def _joined(integers: Sequence[bytes], quantizer: Quantizer) -> NDArray[Any]:
    rows = np.frombuffer(b"".join(integers), dtype=_stored(quantizer))
    return rows.reshape(len(integers), quantizer.width).astype(quantizer.dtype, copy=False)


def text_of(name: SampleId) -> str:
    """A name as it stands in the file, with ends, so that 12 is not found in 123: `#12;`, or JSON with its quotes."""
    return f"#{name};" if isinstance(name, int) else json.dumps(name)


def name_of(text: str) -> Any:
    return int(text[1:-1]) if text.startswith("#") and text[1:-1].lstrip("-").isdecimal() else parsed(text)
