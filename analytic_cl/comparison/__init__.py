"""Comparisons of closed-form heads with each other and with other libraries, over one stream of features."""

from analytic_cl.comparison.engine import compare as compare
from analytic_cl.comparison.features import Features as Features
from analytic_cl.comparison.summary import summary as summary
