"""The contract of every learned state: a value made of integers over integer rows and what they were learned with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

from numpy.typing import NDArray

from analytic_cl._interrupts import deferred_interrupts
from analytic_cl.quantizers import Quantizer
from analytic_cl.statistics.targets import Targets

# What a state can answer, and a solver can need.
CLASS_SUMS, GRAM, KEY_COUNTS, ROWS = "class sums", "Gram matrix", "key counts", "rows"
CLASS_GRAMS, CLASS_GROUPS = "Gram matrix of each class", "groups of classes"
TARGET_PRODUCTS = "products of rows and numeric targets"
LABEL_SUMS = "sums of rows by label"  # labels overlap; those of classes don't

_KINDS: dict[str, type[State]] = {}


class Change(NamedTuple):
    """Integer rows that came into a state (sign +1) or went out of it (-1)."""

    rows: NDArray[Any]  # or `analytic_cl._sparse.SparseRows`, of a state that takes them: np.asarray makes them dense
    targets: Targets
    sign: int


class State(ABC):
    """A learned state. Whatever sequence of changes leaves the same rows leaves the same bits.

    A kind of state is a subclass with a `kind`: the name under which files and the registry know it. Defining the
    class registers it; `state_kind` finds it again.

    Parameters
    ----------
    quantizer : Quantizer
        What the integer rows mean; part of the digest.

    Attributes
    ----------
    kind : str
        Of all states of a class.
    provides : frozenset of str
        What solvers can ask of it.
    can_drop_classes : bool
        Whether `drop_class` needs no rows.
    takes_device_rows : bool
        Whether `add` and `undo` take `analytic_cl._device.DeviceRows` as well as arrays; false where not said.
    takes_sparse_rows : bool
        Whether all that takes rows takes `analytic_cl._sparse.SparseRows` as well; false where not said.
    can_unmerge : bool
        Whether `unmerge` can take a merged state out again.
    revision : int
        Counts changes, for caches of what is derived from the state.

    Notes
    -----
    A change is whole or not at all: what can fail fails before the first write. Rows are the caller's, and are neither
    written to nor kept, except in a copy.

    Exactness: bit for bit, which every kind must hold to.
    """

    kind: ClassVar[str]
    provides: frozenset[str] = frozenset()
    can_drop_classes: bool = False
    takes_device_rows: ClassVar[bool] = False
    takes_sparse_rows: ClassVar[bool] = False
    can_unmerge: bool = False
    revision: int = 0

    def __init__(self, quantizer: Quantizer) -> None:
        self.quantizer = quantizer

    def __init_subclass__(cls, **how: Any) -> None:
        super().__init_subclass__(**how)
        kind = cls.__dict__.get("kind")
        if kind is not None:
            known = _KINDS.setdefault(kind, cls)
            if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise TypeError(f"two kinds of state are called {kind!r}: {known!r} and {cls!r}")
            _KINDS[kind] = cls

    # ---- what it holds

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Rows in the state."""

    @abstractmethod
    def count(self, target: Any) -> int:
        """Rows that were learned with a target; where the state can't tell, all of its rows; 0 if it can say so."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of the state's values, in hexadecimal: equal digests mean equal states.

        It covers the quantizer and what was learned, in one canonical order; never the order of arrival, a head or its
        parameters. A state without rows has the digest `EMPTY`.
        """

    # ---- change, whole or not at all

    @abstractmethod
    def check_learnable(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        """Raise ValueError, saying why, if `add` would refuse rows that come out of the quantizer."""

    @abstractmethod
    def add(self, rows: NDArray[Any], targets: Iterable[Any], *, from_quantizer: bool = False) -> None:
        """Learn integer rows, shape (n, width) and the quantizer's dtype, with a target each.

        What comes `from_quantizer` is in range, and not looked through again.
        """

    @abstractmethod
    def subtract(self, rows: NDArray[Any], targets: Iterable[Any]) -> None:
        """Unlearn integer rows with their targets.

        Raises ValueError, with nothing changed, when the state proves that these rows were never all learned. Most
        states can't prove it of every row: a ledger can.
        """

    @abstractmethod
    def undo(self, rows: NDArray[Any], targets: Iterable[Any], sign: int) -> None:
        """Undo an `add` (sign +1) or a `subtract` (sign -1) that just happened: unchecked, and not interruptible."""

    def drop_class(self, label: Any) -> None:
        """Unlearn all rows of a class without seeing them, where the state `can_drop_classes`."""
        raise ValueError(f"a state of kind {self.kind!r} mixes all classes: the rows themselves are needed")

    def make_writable(self) -> None:  # noqa: B027  (states without arrays have nothing to copy)
        """Copy arrays that can't be written to, such as maps of files: before anything is changed."""

    def merge(self, other: State) -> Self:
        """Add the rows that another state learned. Returns self; `other` is unchanged."""
        self.check_mergeable(other)
        self._touch()  # what another thread derives from here on is not that of a whole state
        with deferred_interrupts():
            self._absorb(other)
            self._touch()
        return self

    def unmerge(self, other: State) -> Self:
        """Take out the rows that another state learned: the inverse of `merge`. Returns self; `other` is unchanged.

        Raises ValueError, with nothing changed, for another kind of state or quantizer, where this kind can't, and when
        the state proves that these rows were never all learned. As for `subtract`, a ledger can prove more.
        """
        self.check_unmergeable(other)
        self._touch()
        with deferred_interrupts():
            self._separate(other)
            self._touch()
        return self

    def double(self) -> None:
        """Count every row twice as often: as to merge a copy."""
        self.merge(self.copy())

    def _touch(self) -> None:
        """Count a change."""
        self.revision += 1

    def check_mergeable(self, other: Any) -> None:
        """Raise ValueError, saying why, if `merge` would be refused."""
        self._check_of_one_kind(other)
        self._check_compatible(other)

    def check_unmergeable(self, other: Any) -> None:
        """Raise ValueError, saying why, if `unmerge` would be refused before any number is looked at."""
        if not self.can_unmerge:
            raise ValueError(
                f"what was merged into a state of kind {self.kind!r} can't be taken out again as a whole: forget its "
                "rows, or its classes"
            )
        self._check_of_one_kind(other)

    def _check_of_one_kind(self, other: Any) -> None:
        if type(other) is not type(self):
            raise ValueError(f"a state of kind {self.kind!r} can't be merged with {other!r}, or unmerged from it")
        if self.quantizer != other.quantizer:
            raise ValueError(
                f"states behind different quantizers can't be merged: {self.quantizer.describe()}; "
                f"{other.quantizer.describe()}"
            )
        self._check_alike(other)

    def _check_alike(self, other: Any) -> None:  # noqa: B027  (most kinds have nothing to add)
        """Raise ValueError where a state of the same kind and quantizer is of another order, or the like."""

    def _check_compatible(self, other: Any) -> None:  # noqa: B027  (most kinds have nothing to add)
        """Raise ValueError where a state that is alike can't be merged all the same, such as for want of room."""

    @abstractmethod
    def _absorb(self, other: Any) -> None:
        """Add the rows of a state that `check_mergeable` accepts: take memory first, then write."""

    def _separate(self, other: Any) -> None:
        """Take out the rows of a state that `check_unmergeable` accepts, where the kind `can_unmerge`: raise ValueError
        for contradictions and take memory first, then write.
        """
        raise NotImplementedError(f"{type(self).__name__} must define _separate, or not say can_unmerge")

    def empty(self) -> Self:
        """A state of the same kind, without rows."""
        return self.described(self.quantizer, self.describe())

    def copy(self) -> Self:
        """An independent state of the same rows."""
        return self.empty().merge(self)

    # ---- on disk

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What kind of state it is, as JSON values, and nothing of what it learned; `described` makes an empty one."""

    @abstractmethod
    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All that it learned, in an order that arrival has no part in."""

    @classmethod
    @abstractmethod
    def described(cls, quantizer: Quantizer, description: Mapping[str, Any]) -> Self:
        """A state without rows of the kind that `describe` described."""

    @classmethod
    @abstractmethod
    def from_arrays(
        cls, quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """The state that `describe` and `to_arrays` described. Raises an error where it is not a possible one."""


def state_kind(kind: str) -> type[State]:
    """The class of states of a kind. Raises ValueError where no package that was imported defines it."""
    try:
        return _KINDS[kind]
    except KeyError:
        raise ValueError(
            f"there is no kind of state {kind!r}; there are {', '.join(_KINDS)}. Is the package that defines it "
            "installed?"
        ) from None


def empty_state(quantizer: Quantizer, description: Mapping[str, Any]) -> State:
    """A state without rows of the kind that `State.describe` described."""
    return state_kind(description["kind"]).described(quantizer, description)


def state_from_arrays(
    quantizer: Quantizer, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> State:
    """The state of any kind that `describe` and `to_arrays` described; raises an error where it is not one."""
    return state_kind(description["kind"]).from_arrays(quantizer, description, arrays)
