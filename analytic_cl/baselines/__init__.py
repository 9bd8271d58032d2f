"""Published heads under their names, made right: what a paper says, over the integer state.

They are here to be compared with. What each paper's public code does otherwise, and what the head is worth on real
rows, is in ``docs/compared-with-public-code.md``. They come in by the entry point that heads of other packages use.
"""

from dataclasses import replace

from analytic_cl.baselines.air import AIRClassifier as AIRClassifier
from analytic_cl.baselines.anacp import AnaCPClassifier as AnaCPClassifier
from analytic_cl.baselines.ds_al import DSALClassifier as DSALClassifier
from analytic_cl.baselines.fecam import FeCAMClassifier as FeCAMClassifier
from analytic_cl.baselines.fetril import FeTrILClassifier as FeTrILClassifier
from analytic_cl.baselines.ks_lda import KSLDAClassifier as KSLDAClassifier
from analytic_cl.baselines.l3a import L3AClassifier as L3AClassifier
from analytic_cl.baselines.naive_bayes import NaiveBayesClassifier as NaiveBayesClassifier
from analytic_cl.baselines.napa import NAPAClassifier as NAPAClassifier
from analytic_cl.baselines.qda import QDAClassifier as QDAClassifier
from analytic_cl.baselines.teen import TEENClassifier as TEENClassifier
from analytic_cl.baselines.truncated_ridge import TruncatedRidgeClassifier as TruncatedRidgeClassifier
from analytic_cl.baselines.von_mises_fisher import VonMisesFisherClassifier as VonMisesFisherClassifier
from analytic_cl.heads import HeadEntry, LDAClassifier
from analytic_cl.quantizers import FourierFeatures, RandomProjection

COMPONENTS = 1000  # random features of each stream of DS-AL
FEATURES = 5000  # random features of the others, but for AnaCP's three branches of 2,000

_ENTRIES: tuple[HeadEntry, ...] = (
    HeadEntry(
        "air",
        "AIR",
        lambda _: AIRClassifier(),
        {"alpha": (1.0, 0.01, 0.1, 10.0)},
        examples=(AIRClassifier(),),
    ),
    HeadEntry(
        "fecam",
        "FeCAM",
        lambda _: FeCAMClassifier(),
        {"gamma1": (1.0, 0.1, 10.0), "gamma2": (1.0, 0.0)},
        examples=(FeCAMClassifier(),),
    ),
    HeadEntry(
        "naive-bayes",
        "Gaussian naive Bayes",
        lambda _: NaiveBayesClassifier(),
        {"var_smoothing": (1e-9, 1e-3, 1e-1)},
        examples=(NaiveBayesClassifier(),),
    ),
    HeadEntry(
        "qda",
        "QDA",
        lambda _: QDAClassifier(0.01),
        {"reg_param": (0.01, 0.001, 0.0001, 0.1)},
        examples=(QDAClassifier(0.1),),
    ),
    HeadEntry("teen", "TEEN", lambda _: TEENClassifier(), examples=(TEENClassifier(),)),
    HeadEntry("fetril", "FeTrIL, ridge", lambda _: FeTrILClassifier(), examples=(FeTrILClassifier(),)),
    HeadEntry("napa", "NAPA, ridge", lambda _: NAPAClassifier(), examples=(NAPAClassifier(2, track="rows"),)),
    HeadEntry(
        "ds-al",
        f"DS-AL, {COMPONENTS:,} random features",
        lambda seed: DSALClassifier(n_components=COMPONENTS, random_state=seed),
        examples=(DSALClassifier(n_components=10),),
    ),
    HeadEntry(
        "l3a",
        "L3A",
        lambda _: L3AClassifier(),
        {"alpha": (1.0, 0.01, 0.1, 10.0)},
        compared=False,  # its labels overlap; of one label each, they are what it should not make up
        examples=(L3AClassifier(),),
    ),
    HeadEntry(
        "ks-lda",
        "LDA, Kubokawa-Srivastava",
        lambda _: KSLDAClassifier(),
        examples=(KSLDAClassifier(quantizer="embedding"),),
    ),
    HeadEntry(
        "truncated-ridge-rp",
        f"truncated least squares, {FEATURES:,} random features",
        lambda seed: TruncatedRidgeClassifier(projection=RandomProjection(FEATURES, random_state=seed)),
        {"discard": (0.25, 0.1, 0.5)},
        examples=(TruncatedRidgeClassifier(projection=RandomProjection(24)),),
    ),
    HeadEntry(
        "von-mises-fisher",
        "von Mises-Fisher classes",
        lambda _: VonMisesFisherClassifier(),
        {"prior_rows": (32.0, 0.0, 128.0)},
        examples=(VonMisesFisherClassifier(),),
    ),
    HeadEntry(
        "klda",
        f"KLDA, {FEATURES:,} Fourier features",
        lambda seed: LDAClassifier(0.001, means="plain", projection=FourierFeatures(FEATURES, random_state=seed)),
    ),
    HeadEntry(
        "randumb",
        f"RanDumb, {FEATURES:,} Fourier features",
        # gamma "scale" of its public code, 1 / (columns * variance), is about 1 for rows of unit length
        lambda seed: LDAClassifier("oas", means="plain", projection=FourierFeatures(FEATURES, 1.0, seed)),
    ),
    HeadEntry(
        "anacp",
        "AnaCP, 6,000 random features",
        lambda seed: AnaCPClassifier(projection=RandomProjection(6000, random_state=seed, keep_input=True)),
        {"alpha": (100.0, 1.0, 10.0, 1000.0)},
        examples=(AnaCPClassifier(branches=2, alpha=1.0, projection=RandomProjection(24, keep_input=True)),),
    ),
)

ENTRIES = tuple(replace(entry, by_default=False) for entry in _ENTRIES)
