"""A head that says where its rows lose much on the way to integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analytic_cl.quantizers import Losses, Quantizer


class Watched:
    """Mixin of `Head`: what one stream of rows lost at the quantizer, from `fit` on or since everything was
    forgotten.
    """

    _losses: Losses
    _tell: Callable[[str], object] | None = None

    def tell_losses_to(self, tell: Callable[[str], object]) -> None:
        """Call `tell` from now on where there would be a warning; for engines that learn where nobody sees one."""
        self._tell = tell

    def _watch_afresh(self, quantizer: Quantizer) -> None:
        self._losses = Losses(quantizer.rows, self._tell)

    def _watch(self, X: Any, quantizer: Quantizer) -> None:
        """Say, once a stream, what rows lose that are about to be learned."""
        losses = self.__dict__.get("_losses")  # none: a head that was loaded, or made from moments or another head
        if losses is None or losses.quantizer != quantizer.rows:
            self._watch_afresh(quantizer)
        self._losses.saw(X, self.__dict__.get("feature_names_in_"))

    @property
    def losses(self) -> Losses | None:
        """What was counted; for engines that encode a stream of rows by several heads."""
        return self.__dict__.get("_losses")

    @losses.setter
    def losses(self, losses: Losses | None) -> None:
        if losses is not None:
            self._losses = losses

    def _stop_watching(self) -> None:
        """Drop what was counted of rows, because some of them are forgotten now."""
        if "_losses" in self.__dict__:
            self._losses.restart()

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]  # BaseEstimator's, not object's
        state.pop("_losses", None)  # it holds traces of rows
        state.pop("_tell", None)
        return state
