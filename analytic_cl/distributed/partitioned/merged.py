"""The head of the whole: the states of all parts, merged, and kept until one of them changes."""

from __future__ import annotations

from analytic_cl.distributed.partitioned import work
from analytic_cl.distributed.partitioned.hosts import Host
from analytic_cl.distributed.states import reduce_states
from analytic_cl.heads import Head
from analytic_cl.statistics import EMPTY
from analytic_cl.store.certificate import state_hash
from analytic_cl.store.keys import Keys


class Merged:
    """A cache. The states of the parts are the truth."""

    def __init__(self, host: Host, n_parts: int) -> None:
        self._host = host
        self._n_parts = n_parts
        self._head: Head | None = None
        self._digest = ""

    def drop(self) -> None:
        """Merge anew when it is asked for."""
        self._head = None

    def head(self) -> Head:
        if self._head is None:
            heads = self._host.run(work.head_of, dict.fromkeys(range(self._n_parts), ())).values()
            merged = reduce_states(sorted(heads, key=lambda head: not head.__sklearn_is_fitted__()))
            self._digest = merged.state_digest() if merged.__sklearn_is_fitted__() else EMPTY
            self._head = merged
        return self._head

    def digest(self) -> str:
        self.head()
        return self._digest

    def hash(self, keys: Keys) -> str:
        """What certificates say of the state."""
        return state_hash(keys, self.digest())
