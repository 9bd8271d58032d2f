"""Ridge weights that follow the state in O(d^2) a row: a cache, never the truth."""

from analytic_cl.recursive.follower import Follower as Follower
from analytic_cl.recursive.follower import RecursiveRegression as RecursiveRegression
from analytic_cl.recursive.follower import RecursiveRidge as RecursiveRidge
