"""Where the parts are worked on: in this process, or by the processes of an executor."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any, Protocol

from analytic_cl._warnings import warn
from analytic_cl.distributed.partitioned.register import part_name
from analytic_cl.store import Store, StoreLockedError

_PATIENCE = 60.0  # seconds to wait for a part that another worker, taken for dead, still works on

Work = Callable[..., Any]  # of an open store and values that can be sent


class Executor(Protocol):
    """What carries out calls elsewhere: an executor of `concurrent.futures`, or a client of Dask."""

    def submit(self, work: Work, /, *arguments: Any) -> Any:
        """A future, with a method `result`."""


class Host(Protocol):
    """Carries out work on parts."""

    def run(self, work: Work, given: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        """Results of ``work(store, *given[number])`` by the numbers of parts. Raises what one of them raised."""

    def close(self) -> None: ...


class Here:
    """In this process, with the parts open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stores: dict[int, Store] = {}

    def run(self, work: Work, given: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        return {number: work(self._store(number), *arguments) for number, arguments in given.items()}

    def _store(self, number: int) -> Store:
        if number not in self._stores:
            self._stores[number] = Store.open(self._path / part_name(number))
        return self._stores[number]

    def close(self) -> None:
        while self._stores:
            self._stores.popitem()[1].close()


class Elsewhere:
    """By an executor: whichever worker gets a call opens the part for it, and closes it.

    Work may be carried out twice, where a worker died after it was done, and must change nothing the second time. Where
    the executor itself is broken, as a process pool is when one of its processes is killed, it is carried out here.
    """

    def __init__(self, path: Path, executor: Executor) -> None:
        self._path = path
        self._executor = executor
        self._warned = False

    def run(self, work: Work, given: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        calls = {
            number: (carry_out, self._path / part_name(number), secrets.token_hex(8), work, arguments)
            for number, arguments in given.items()
        }
        futures = {number: self._submitted(call) for number, call in calls.items()}
        results, errors = {}, []
        for number, future in futures.items():  # all of them end before this returns, whatever happens to one
            try:
                try:
                    results[number] = future.result() if future is not None else self._here(calls[number])
                except BrokenExecutor:
                    results[number] = self._here(calls[number])
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return results

    def _submitted(self, call: tuple[Any, ...]) -> Any:
        try:
            return self._executor.submit(*call)
        except BrokenExecutor:
            return None

    def _here(self, call: tuple[Any, ...]) -> Any:
        if not self._warned:
            self._warned = True
            warn(
                "the executor is broken, as a process pool is when one of its processes is killed: this process does "
                "its work. Nothing is lost; open the store anew with another executor",
                RuntimeWarning,
            )
        function, *arguments = call
        return function(*arguments)

    def close(self) -> None:
        """The executor is the caller's."""


def carry_out(path: Path, call: str, work: Work, arguments: tuple[Any, ...]) -> Any:
    """Open a part, work on it, close it. `call` makes the call unlike all others, for executors that remember calls."""
    last = time.monotonic() + _PATIENCE
    while True:
        try:
            store = Store.open(path)
            break
        except StoreLockedError:
            if time.monotonic() > last:
                raise
            time.sleep(0.05)
    with store:
        return work(store, *arguments)
