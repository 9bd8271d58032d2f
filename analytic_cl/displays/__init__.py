"""Pictures in the manner of scikit-learn's displays: made from a head or from predictions, drawn on any axes.

They need matplotlib: ``pip install 'analytic-cl[plots]'``.
"""

from analytic_cl.displays.accuracy_matrix import AccuracyMatrixDisplay as AccuracyMatrixDisplay
from analytic_cl.displays.confusable_classes import ConfusableClassesDisplay as ConfusableClassesDisplay
from analytic_cl.displays.drift import DriftDisplay as DriftDisplay
