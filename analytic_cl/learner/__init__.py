"""A state and its ledger as one thing that learns and forgets, whole or not at all."""

from analytic_cl.learner.folds import N_FOLDS as N_FOLDS
from analytic_cl.learner.folds import Fold as Fold
from analytic_cl.learner.folds import deal as deal
from analytic_cl.learner.folds import folds as folds
from analytic_cl.learner.folds import keeps_all_rows as keeps_all_rows
from analytic_cl.learner.learner import Learner as Learner
from analytic_cl.learner.learner import Listener as Listener
from analytic_cl.learner.receipt import Receipt as Receipt
from analytic_cl.learner.receipt import ReceiptDraft as ReceiptDraft
