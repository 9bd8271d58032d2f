"""Rows become integers, by declared rules, never by looking at the data."""

from analytic_cl.quantizers.fixed_point import FixedPoint as FixedPoint
from analytic_cl.quantizers.fourier import FourierFeatures as FourierFeatures
from analytic_cl.quantizers.inputs import rows_named as rows_named
from analytic_cl.quantizers.joint import DEFAULT_TARGETS as DEFAULT_TARGETS
from analytic_cl.quantizers.joint import JointQuantizer as JointQuantizer
from analytic_cl.quantizers.joint import with_targets as with_targets
from analytic_cl.quantizers.linear_map import Leading as Leading
from analytic_cl.quantizers.linear_map import LinearMap as LinearMap
from analytic_cl.quantizers.losses import Losses as Losses
from analytic_cl.quantizers.losses import QuantizationWarning as QuantizationWarning
from analytic_cl.quantizers.nearest_keys import NearestKeys as NearestKeys
from analytic_cl.quantizers.projection import RandomProjection as RandomProjection
from analytic_cl.quantizers.quantizer import Quantizer as Quantizer
from analytic_cl.quantizers.quantizer import resolve_quantizer as resolve_quantizer
from analytic_cl.quantizers.random_features import RandomFeatures as RandomFeatures
from analytic_cl.quantizers.sign_keys import SignKeys as SignKeys
