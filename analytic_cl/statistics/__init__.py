"""The learned state: pure values in integers, no scikit-learn, no files."""

from analytic_cl.statistics.centring import scatter as scatter
from analytic_cl.statistics.centring import scatter_product as scatter_product
from analytic_cl.statistics.digest import EMPTY as EMPTY
from analytic_cl.statistics.interrupts import deferred_interrupts as deferred_interrupts
from analytic_cl.statistics.key_counts import KeyCounts as KeyCounts
from analytic_cl.statistics.labels import EncodedLabels as EncodedLabels
from analytic_cl.statistics.labels import Label as Label
from analytic_cl.statistics.labels import as_label as as_label
from analytic_cl.statistics.labels import encode_labels as encode_labels
from analytic_cl.statistics.labels import label_bytes as label_bytes
from analytic_cl.statistics.labels import label_kind as label_kind
from analytic_cl.statistics.moments import Change as Change
from analytic_cl.statistics.moments import Moments as Moments
from analytic_cl.statistics.wide import Int64s as Int64s
