"""What a store refuses, and what it finds wrong."""


class StoreError(Exception):
    """A directory that is not a usable store: foreign, damaged, of another version, or not writable."""


class DamagedError(StoreError):
    """Content of a store that is not what was written."""


class StoreLockedError(StoreError):
    """Another process writes to this store."""


class RefusedError(ValueError):
    """A request that can't be carried out. Nothing was changed; the reason is on record under the request's id."""


class AlreadyErasedError(RefusedError):
    """Rows to learn whose id or subject was erased."""


class LeftoverWarning(UserWarning):
    """Bytes of erased rows that can't be removed yet, because another process reads the store at this moment."""


class VerificationError(Exception):
    """Evidence that does not hold: an altered log, certificate, snapshot, or state."""
