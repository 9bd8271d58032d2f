"""Which rows are in the state, and receipts for those that left it."""

from analytic_cl.ledger.ids import SampleId as SampleId
from analytic_cl.ledger.ids import as_ids as as_ids
from analytic_cl.ledger.ids import as_name as as_name
from analytic_cl.ledger.ledger import Draft as Draft
from analytic_cl.ledger.ledger import Ledger as Ledger
from analytic_cl.ledger.ledger import Selection as Selection
from analytic_cl.ledger.ledger import Track as Track
from analytic_cl.ledger.ledger import check_track as check_track
from analytic_cl.ledger.receipt import Receipt as Receipt
from analytic_cl.ledger.receipt import ReceiptDraft as ReceiptDraft
from analytic_cl.ledger.search import NotLearnedError as NotLearnedError
