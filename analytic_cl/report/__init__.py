"""A comparison as one page that people want to look at."""

from analytic_cl.report.page import write as write
