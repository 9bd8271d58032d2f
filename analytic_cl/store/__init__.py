"""A directory that holds a model durably, carries out deletion requests, and can show that it did."""

from analytic_cl.store.certificate import check_certificate as check_certificate
from analytic_cl.store.errors import AlreadyErasedError as AlreadyErasedError
from analytic_cl.store.errors import LeftoverWarning as LeftoverWarning
from analytic_cl.store.errors import RefusedError as RefusedError
from analytic_cl.store.errors import StoreError as StoreError
from analytic_cl.store.errors import StoreLockedError as StoreLockedError
from analytic_cl.store.errors import VerificationError as VerificationError
from analytic_cl.store.receipt import StoreReceipt as StoreReceipt
from analytic_cl.store.store import Store as Store
