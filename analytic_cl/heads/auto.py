"""The head that chooses and mixes heads."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic_cl._integers import as_integer
from analytic_cl._locks import reading
from analytic_cl.heads.auto_candidates import Candidate, Scores, candidates, has_long_tail
from analytic_cl.heads.auto_mixing import Judge, Judged
from analytic_cl.heads.auto_samples import Sample
from analytic_cl.heads.calibration import Calibration
from analytic_cl.heads.held_out import in_all_columns
from analytic_cl.heads.posteriors import PosteriorHead
from analytic_cl.learner import N_FOLDS, deal
from analytic_cl.ledger import Track
from analytic_cl.memory import LearnedRows
from analytic_cl.quantizers import FixedPoint, Quantizer, RandomProjection
from analytic_cl.solvers import known_class_odds
from analytic_cl.statistics import ROWS

HELD_OUT = 6000  # rows that are enough to choose by; whole folds are looked at until they are together
ENOUGH = 1000  # random features that are made however few the rows

Floats = NDArray[np.float64]


class Choice(NamedTuple):
    """A candidate, how it did on held-out rows, and its share of the mixture.

    `accuracy` counts every row alike, `balanced_accuracy` every class; `log_loss` is at the best temperature, by the
    weights that rows have in the choice.
    """

    name: str
    accuracy: float
    balanced_accuracy: float
    log_loss: float
    share: float


@dataclass(frozen=True)
class _Member:
    lifted: bool
    scores: Scores
    factor: float


@dataclass(frozen=True)
class _Mixture:
    quantizers: list[Quantizer]  # of the rows alone and, where there are random features, of both
    members: list[_Member]
    calibration: Calibration
    choices: list[Choice]
    n_held_out: int

    def of(self, rows: NDArray[Any]) -> Floats:
        lifted = self.quantizers[-1].lift(rows) if any(member.lifted for member in self.members) else rows
        total: Any = 0.0
        for member in self.members:
            quantizer, own = (self.quantizers[-1], lifted) if member.lifted else (self.quantizers[0], rows)
            total = total + member.factor * member.scores.of(quantizer.deviations(own, member.scores.centre))
        return cast(Floats, total)


class AutoClassifier(PosteriorHead):
    """The head to take when you don't want to choose: it chooses and mixes heads by rows that they have not seen.

    Usually as accurate as the best single head, or more so, without a parameter to tune, and with calibrated
    probabilities. The downside: it keeps all rows, and solves for all candidates again after a change.

    Candidates are `GaussianClassifier`, `LDAClassifier` and `RLSClassifier` on the rows and, for unit rows of 8 bits
    (more than 256 features), on the rows beside `n_components` random features. Where classes have few rows (less than
    60 on average), stronger shrinkage is a candidate too. Held-out rows come from the learned ones, by folds, with all
    of a candidate solved without them; a row counts half for itself and half for its class. Where the largest class has
    more than 10 times the rows of the smallest, it is the classes that count, all alike: then LDA with equal priors is
    a candidate, and ridge is balanced.

    Parameters
    ----------
    n_components : int, default=2500
        Random features beside the row, as by ``RandomProjection(n_components, keep_input=True)``, but not more than
        rows where these are more than 1,000; 0 leaves them out.
    random_state : int, default=0
        Seed of the random features.
    quantizer : {"auto", "embedding", "tabular", "integers"} or FixedPoint, default="auto"
        How rows become integers. "auto" is "embedding" (unit rows, int8) above 256 features, else "tabular" (32 bits).
    track : {"auto", "rows", "digest", "none"}, default="auto"
        As of other heads; the rows themselves are kept in any case.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels that have rows, or were declared by ``partial_fit(classes=)``.
    choices_ : list of Choice
        All candidates, the best first, with accuracy and log-loss on held-out rows, and share of the mixture.
    state_ : LearnedRows
        The learned rows; the digest is that of `NearestNeighborsClassifier` behind the same quantizer. What was chosen
        has no part in it.

    Notes
    -----
    Folds are dealt by a hash of each row's integers, so that neither the order of arrival nor a random number has a
    part in the choice: after `forget` all is chosen as if the rows had never come. Every candidate's scores are divided
    by their best temperature; the first member of the mixture is the one that names most rows, others join while hits
    (by half a standard error) and log-loss get better.

    Cost: learning and forgetting a copy of the rows. A change, then predict: d' = d + n_components columns, n d'^2
    operations for the Gram matrix, and two to six solves of each of 6 candidates, or up to 35 with few rows: 7 s for
    15,000 rows of 384 features and 150 classes, 18 s for 20,000 of 1280 and 100 classes, two cores. Memory n d
    bytes for the rows, n d' more and a few matrices of 8 d'^2 bytes while choosing, and up to 2^28 bytes more.

    Exactness: state bit for bit; choice and weights a pure function of it, bit for bit on one machine and number of
    threads; scores algebraic.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew and Ksikes, Ensemble selection from libraries of models, ICML 2004. There: one split
    into held-out rows; here the folds are a function of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from analytic_cl import AutoClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(90, 4)), np.arange(90) % 3
    >>> X[:, :3] += 3 * np.eye(3)[y]
    >>> head = AutoClassifier().fit(X, y)
    >>> head.predict(np.eye(4)[:3] * 3).tolist()
    [0, 1, 2]
    >>> [choice.name for choice in head.choices_ if choice.share]  # doctest: +SKIP
    ['ridge, 0.5']
    >>> print(head.explain())  # doctest: +SKIP
    """

    needs = frozenset({ROWS})
    priors = None
    projection: RandomProjection | None = None

    def __init__(
        self,
        n_components: int = 2500,
        random_state: int = 0,
        *,
        quantizer: str | FixedPoint = "auto",
        track: Track = "auto",
    ) -> None:
        self.n_components = n_components
        self.random_state = random_state
        self.quantizer = quantizer
        self.track = track

    def check_parameters(self) -> None:
        super().check_parameters()
        if as_integer("n_components", self.n_components, 0):
            self._projection()

    def _projection(self) -> RandomProjection:
        return RandomProjection(self.n_components, self.random_state, keep_input=True)

    def empty_state(self, quantizer: Quantizer) -> LearnedRows:
        return LearnedRows(quantizer)

    @classmethod
    def from_moments(cls, moments: Any, **parameters: Any) -> NoReturn:
        """Refused: rows can't be made from moments."""
        raise TypeError(f"{cls.__name__} learns rows, which moments don't tell: fit it on the rows")

    @property
    @reading
    def choices_(self) -> list[Choice]:
        return list(self._prepared().choices)

    @reading
    def explain(self) -> str:
        """What was chosen, and why, as a table of text."""
        mixture, n_classes = self._prepared(), len(self._labelled.labels)
        lines = [
            f"{self.state_.n_rows} rows of {n_classes} classes, judged by {mixture.n_held_out} held out.",
            f"{'share':>6}  {'accuracy':>8}  {'balanced':>8}  {'log-loss':>8}  candidate",
        ]
        lines += [
            f"{format(share, '.2f') if share else '':>6}  {accuracy:8.4f}  {balanced:8.4f}  {loss:8.4f}  {name}"
            for name, accuracy, balanced, loss, share in mixture.choices
        ]
        return "\n".join(lines)

    @property
    def calibration_(self) -> Calibration:
        return cast(Calibration, self._prepared().calibration)

    @reading
    def score_samples(self, X: ArrayLike) -> Floats:
        """How normal each row is, shape (n_samples,): as of `LDAClassifier` on the same rows. Needs two classes."""
        self._check_has_directions()
        return self._normality_of(X, lambda: known_class_odds(self._sample()[0].lda("oas").space))

    def _compare_rows(self, rows: NDArray[Any], solved: _Mixture) -> Floats:
        return solved.of(rows)

    # ---- the choice

    def _sample(self) -> tuple[Sample, NDArray[np.int64]]:
        """Learned rows in an order of their own, and the fold of each."""
        rows, codes, order, fold_of, _ = deal(self.learner_)
        return Sample(self.quantizer_, rows[order], self._labelled.labels, codes[order]), fold_of

    def _samples_of(self, sample: Sample) -> list[Sample]:
        """The rows alone and, where they have random features, beside these."""
        quantizer, n = sample.quantizer, len(sample.rows)
        if not self.n_components or quantizer.rule.norm != "l2" or quantizer.bits != 8:
            return [sample]
        # many more features than rows cost time, and overfit
        lift = replace(self._projection(), n_components=min(self.n_components, max(ENOUGH, n)))
        both = replace(quantizer, projection=lift)
        return [sample, Sample(both, both.lift(sample.rows), sample.labels, sample.codes)]

    def _solve(self, state: LearnedRows) -> _Mixture:
        sample, fold_of = self._sample()
        samples = self._samples_of(sample)
        tried = candidates(state.counts, len(samples) > 1)
        judge, judged = _judged(samples, fold_of, tried, has_long_tail(state.counts))
        chosen = judge.mixture(judged) if len(judge.places) else [0]
        shares = np.bincount(chosen, minlength=len(tried)) / len(chosen)
        members = [
            _Member(tried[i].lifted, tried[i].solve(samples[tried[i].lifted]), shares[i] * judged[i].factor)
            for i in np.flatnonzero(shares).tolist()
        ]
        mixed: Any = sum(share * one.logs for share, one in zip(shares, judged, strict=True) if share)
        order = sorted(range(len(tried)), key=lambda i: (-shares[i], judged[i].log_loss))
        names = [c.name + (", with random features" if c.lifted else "") for c in tried]
        choices = [
            Choice(names[i], judged[i].accuracy, judged[i].balanced, judged[i].log_loss, float(shares[i]))
            for i in order
        ]
        return _Mixture(
            [sample.quantizer for sample in samples], members, judge.calibration(mixed), choices, len(judge.places)
        )


def _judged(
    samples: list[Sample], fold_of: NDArray[np.int64], tried: list[Candidate], classes_alike: bool
) -> tuple[Judge, list[Judged]]:
    """How each candidate scores rows that it was solved without.

    Rows of classes that have no other row are left out.
    """
    codes, k = samples[0].codes, len(samples[0].labels)
    sizes = np.bincount(fold_of[fold_of >= 0], minlength=N_FOLDS)
    # small classes have so few rows that all are looked at
    n_folds = N_FOLDS if classes_alike else min(N_FOLDS, math.ceil(HELD_OUT / max(1, sizes.max(initial=0))))
    scores: list[list[Floats]] = [[] for _ in tried]
    places = []
    for fold in range(n_folds):
        held = fold_of == fold
        if not held.any() or held.all():
            continue
        known = np.unique(codes[~held])
        judged_rows = np.flatnonzero(held)[np.isin(codes[held], known)]
        places.append(codes[judged_rows])
        others = [sample.without(held) for sample in samples]
        for number, candidate in enumerate(tried):
            solved = candidate.solve(others[candidate.lifted])
            sample = samples[candidate.lifted]

            def score(rows: NDArray[Any], solved: Scores = solved, sample: Sample = sample) -> Floats:
                return solved.of(sample.quantizer.deviations(rows, solved.centre))

            scores[number].append(in_all_columns(score, sample.rows[judged_rows], known, k))
    judge = Judge(np.concatenate(places) if places else np.zeros(0, dtype=np.int64), classes_alike)
    if not len(judge.places):
        return judge, [Judged(np.zeros((0, k)), 1.0, math.nan, math.nan, math.nan) for _ in tried]
    return judge, [judge.judged(np.concatenate(parts)) for parts in scores]
