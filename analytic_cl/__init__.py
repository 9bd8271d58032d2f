"""Gradient-free continual learning with an integer state: learn, forget and merge, bit for bit."""

from importlib.metadata import version as _version

from analytic_cl._config import get_backend as get_backend
from analytic_cl._config import show_config as show_config
from analytic_cl._config import use_backend as use_backend
from analytic_cl.door import Door as Door
from analytic_cl.door import DoorWarning as DoorWarning
from analytic_cl.door import FixedPoint as FixedPoint
from analytic_cl.door import RandomProjection as RandomProjection
from analytic_cl.heads import Head as Head
from analytic_cl.heads import LDAClassifier as LDAClassifier
from analytic_cl.heads import NearestMeanClassifier as NearestMeanClassifier
from analytic_cl.heads import RLSClassifier as RLSClassifier
from analytic_cl.heads import load as load
from analytic_cl.ledger import NotLearnedError as NotLearnedError
from analytic_cl.ledger import Receipt as Receipt
from analytic_cl.statistics import Moments as Moments

__version__ = _version("analytic-cl")
