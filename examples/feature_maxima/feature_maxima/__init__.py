"""A head for analytic-cl with a state of its own: see docs/tutorials/write-a-head.md."""

from analytic_cl.heads import HeadEntry
from feature_maxima.head import MaximaClassifier as MaximaClassifier
from feature_maxima.state import FeatureMaxima as FeatureMaxima

ENTRY = HeadEntry(
    "maxima",
    "feature maxima",
    lambda seed: MaximaClassifier(),
    grid={"slack": (0.0, 1.0, 4.0)},
    store=True,
    examples=(MaximaClassifier(), MaximaClassifier(slack=2.0, quantizer="embedding", track="rows")),
)
