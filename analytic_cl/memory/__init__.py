"""Rows that stay: the state of nearest neighbours, and searches that can be thrown away."""

from analytic_cl.memory.angles import RankedByAngle as RankedByAngle
from analytic_cl.memory.angles import rank_by_angle as rank_by_angle
from analytic_cl.memory.faiss_index import Device as Device
from analytic_cl.memory.faiss_index import FaissIndex as FaissIndex
from analytic_cl.memory.learned_rows import LearnedRows as LearnedRows
from analytic_cl.memory.ranking import Ranked as Ranked
from analytic_cl.memory.ranking import rank as rank
from analytic_cl.memory.scan import Scan as Scan
from analytic_cl.memory.search import IndexKind as IndexKind
from analytic_cl.memory.search import SlowSearchWarning as SlowSearchWarning
from analytic_cl.memory.search import make_index as make_index
from analytic_cl.memory.search import nearest as nearest
