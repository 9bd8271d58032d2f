"""How to stream data: seeded sessions of row indices, for any learner."""

from analytic_cl.scenarios.blurry import i_blurry as i_blurry
from analytic_cl.scenarios.blurry import si_blurry as si_blurry
from analytic_cl.scenarios.by_class import class_incremental as class_incremental
from analytic_cl.scenarios.by_class import few_shot_class_incremental as few_shot_class_incremental
from analytic_cl.scenarios.by_class import scole as scole
from analytic_cl.scenarios.corruptions import corrupt as corrupt
from analytic_cl.scenarios.deletions import continual_forgetting as continual_forgetting
from analytic_cl.scenarios.multi_label import multi_label as multi_label
from analytic_cl.scenarios.parsing import Scenario as Scenario
from analytic_cl.scenarios.parsing import parse as parse
from analytic_cl.scenarios.session import DeletionRequest as DeletionRequest
from analytic_cl.scenarios.session import Session as Session
from analytic_cl.scenarios.shifted import ShiftedBatch as ShiftedBatch
from analytic_cl.scenarios.shifted import correlated as correlated
from analytic_cl.scenarios.shifted import gradual_shift as gradual_shift
from analytic_cl.scenarios.shifted import label_shift as label_shift
from analytic_cl.scenarios.shifted import relabelled as relabelled
from analytic_cl.scenarios.streams import domain_incremental as domain_incremental
from analytic_cl.scenarios.streams import online as online
from analytic_cl.scenarios.streams import time_ordered as time_ordered
