"""A directory that holds a model durably, carries out deletion requests, and can show that it did."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytic_cl.store.certificate import check_certificate as check_certificate
    from analytic_cl.store.copy_register import Copy as Copy
    from analytic_cl.store.errors import AlreadyErasedError as AlreadyErasedError
    from analytic_cl.store.errors import LeftoverWarning as LeftoverWarning
    from analytic_cl.store.errors import RefusedError as RefusedError
    from analytic_cl.store.errors import StoreError as StoreError
    from analytic_cl.store.errors import StoreLockedError as StoreLockedError
    from analytic_cl.store.errors import VerificationError as VerificationError
    from analytic_cl.store.receipt import StoreReceipt as StoreReceipt
    from analytic_cl.store.store import Store as Store

# Imported when first used: commands that only read a store's record do without the model and what it brings along.
_HOME_OF = {
    "Copy": "copy_register",
    "Store": "store",
    "StoreReceipt": "receipt",
    "check_certificate": "certificate",
    **dict.fromkeys(
        (
            "AlreadyErasedError",
            "LeftoverWarning",
            "RefusedError",
            "StoreError",
            "StoreLockedError",
            "VerificationError",
        ),
        "errors",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOME_OF)
