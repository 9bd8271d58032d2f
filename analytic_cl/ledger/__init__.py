
from analytic_cl.ledger.ids import SampleId as SampleId
from analytic_cl.ledger.ids import as_ids as as_ids
from analytic_cl.ledger.ledger import Draft as Draft
from analytic_cl.ledger.ledger import Ledger as Ledger
from analytic_cl.ledger.ledger import Selection as Selection
from analytic_cl.ledger.ledger import Track as Track
from analytic_cl.ledger.ledger import check_track as check_track
from analytic_cl.ledger.search import NotLearnedError as NotLearnedError
from analytic_cl.ledger.row_index import Positions as Positions
from analytic_cl.ledger.table import Table as Table
from analytic_cl.ledger.row_state import RowState as RowState
