"""Comparisons of closed-form heads with each other and with other libraries, over one stream of features."""

from analytic_cl.comparison.adapted_streams import compare_adapted as compare_adapted
from analytic_cl.comparison.adapted_summary import adapted_summary as adapted_summary
from analytic_cl.comparison.engine import compare as compare
from analytic_cl.comparison.features import Features as Features
from analytic_cl.comparison.summary import summary as summary
