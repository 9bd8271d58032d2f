"""Rows become integers, by declared rules, never by looking at the data."""

from analytic_cl.door.door import Door as Door
from analytic_cl.door.door import resolve_door as resolve_door
from analytic_cl.door.door import rows_named as rows_named
from analytic_cl.door.fixed_point import FixedPoint as FixedPoint
from analytic_cl.door.losses import DoorWarning as DoorWarning
from analytic_cl.door.losses import Losses as Losses
from analytic_cl.door.nearest_keys import NearestKeys as NearestKeys
from analytic_cl.door.projection import RandomProjection as RandomProjection
from analytic_cl.door.sign_keys import SignKeys as SignKeys
