"""Adapt a fitted head to unlabelled rows at prediction time, without gradients, and without changing it."""

from analytic_cl.adaptation import trust as trust
from analytic_cl.adaptation.base import Adapted as Adapted
from analytic_cl.adaptation.batch_norm import renew_batch_norm as renew_batch_norm
from analytic_cl.adaptation.experts import Experts as Experts
from analytic_cl.adaptation.glc import glc_labels as glc_labels
from analytic_cl.adaptation.growing_memory import GrowingMemory as GrowingMemory
from analytic_cl.adaptation.label_shift import LabelShift as LabelShift
from analytic_cl.adaptation.lame import LAME as LAME
from analytic_cl.adaptation.log_posteriors import UncalibratedWarning as UncalibratedWarning
from analytic_cl.adaptation.moment_alignment import MomentAlignment as MomentAlignment
from analytic_cl.adaptation.names import NamedRows as NamedRows
from analytic_cl.adaptation.names import rows_by_name as rows_by_name
from analytic_cl.adaptation.priors import estimate_priors as estimate_priors
from analytic_cl.adaptation.provenance import CascadeReceipt as CascadeReceipt
from analytic_cl.adaptation.provenance import Provenance as Provenance
from analytic_cl.adaptation.t3a import T3A as T3A
from analytic_cl.adaptation.tip_adapter import TipAdapter as TipAdapter
from analytic_cl.adaptation.zero_shot import ZeroShot as ZeroShot
