"""Results as pages and pictures that people want to look at."""

from analytic_cl.report.class_graph import class_graph as class_graph
from analytic_cl.report.page import write as write
