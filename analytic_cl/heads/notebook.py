"""What a notebook shows of a head: scikit-learn's diagram, and what was learned."""

from __future__ import annotations

from typing import Any

from sklearn import get_config
from sklearn.utils import estimator_html_repr

from analytic_cl._html import html_table
from analytic_cl._locks import reading
from analytic_cl.heads.prediction import Prediction

SHOWN = 8  # names of classes

NO_DIGEST = "not shown: with it, readers of a notebook can test guesses about rows; head.state_digest() has it"


class NotebookHead(Prediction):
    """Part of heads that a notebook shows, scikit-learn's diagram first.

    Neither rows, ids nor digests are in it: notebooks are sent around with what they show.
    """

    def _get_fitted_attr_html(self, doc_link: str = "") -> dict[str, Any]:
        """None, in place of scikit-learn's table, which reads every property: heads would be solved, some of whose
        properties raise, and weights and sums be shown.
        """
        return {}

    @reading
    def _repr_html_inner(self) -> str:
        diagram = str(estimator_html_repr(self))
        return diagram + html_table("Learned", self._learned()) if self.__sklearn_is_fitted__() else diagram

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        if get_config()["display"] == "diagram":
            bundle["text/html"] = self._repr_html_inner()
        return bundle

    def _learned(self) -> dict[str, Any]:
        labels, state = self._labelled.labels, self.state_
        names = ", ".join(str(label) for label in labels[:SHOWN])
        more = f" and {len(labels) - SHOWN:,} more" if len(labels) > SHOWN else ""
        n_bytes = sum(array.nbytes for array in state.to_arrays().values())
        return {
            "rows": f"{state.n_rows:,}",
            "classes": f"{len(labels):,}: {names}{more}",
            "state": f"{state.kind}, {n_bytes / 1e6:,.1f} MB",
            "quantizer": state.quantizer.describe(),
            "digest": NO_DIGEST,
        }
