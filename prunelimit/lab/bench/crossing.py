"""The sparsity at which the survivors can no longer keep the loss within ε."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prunelimit.estimates import Interval
from prunelimit.pruning.threshold import find_crossing

_DENSEST_END = 0.98


@dataclass(frozen=True)
class Existence:
    """How finely an existence threshold is searched.

    Attributes
    ----------
    resolution
        Width of the bracket wanted, in sparsity.
    sparsest
        Upper end of the search.
    measurements
        Masks tried at most.
    """

    resolution: float
    sparsest: float
    measurements: int = 12

    def of(
        self, rise: Callable[[float], float], epsilon: float, one_shot: float, guess: float
    ) -> Interval:
        """Bracket the sparsity at which `rise` first exceeds `epsilon`.

        Parameters
        ----------
        rise
            Sparsity to loss rise; expensive.
        epsilon
            The largest rise that passes.
        one_shot
            Threshold of the untouched survivors: those that are moved reach at least that.
        guess
            Where to begin.

        Examples
        --------
        >>> found = Existence(0.01, 0.99).of(lambda s: s, 0.7, 0.5, guess=0.6)
        >>> round(found.value, 6), found.upper - found.lower <= 0.01
        (0.7, True)
        """
        crossing = find_crossing(
            rise,
            epsilon,
            min(one_shot, _DENSEST_END),
            self.sparsest,
            guess=guess,
            resolution=self.resolution,
            max_measurements=self.measurements,
        )
        return Interval(crossing.lower, crossing.value, crossing.upper)
