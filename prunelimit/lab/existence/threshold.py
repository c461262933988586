"""Where real existence ends: the sparsest magnitude mask under which a loss is reached (chapter 7).

Each mask is decided by a converged descent (`prunelimit.lab.existence.converged`). Masks are
nested, so each starts from the solution of a denser one; a descent stops as soon as it is clear on
which side of the level it ends.

Whether the budget decides is asked by doubling it: where that moves the threshold, the doubled
budget becomes the base and is doubled again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from prunelimit.lab.existence.converged import Descent, Minimum, minimise
from prunelimit.lab.existence.landscape import Landscape
from prunelimit.results.existence import Threshold

RESOLUTION = 0.005
SETTLED = 0.003
"""A threshold that twice the budget moves by no more, in sparsity, is not the budget's doing."""
DOUBLINGS = 4
_FACTOR = 1.5


@dataclass
class ExistenceSearch:
    """Thresholds of one network; what one level found serves the next.

    Ask for the levels from the lowest to the highest: a solution of a denser mask is where
    the next descent starts.

    Parameters
    ----------
    landscape
        The loss over all free parameters.
    order
        ``(dim,)``: in which order the prunable weights go, such as `magnitude_order`.
    descent
        When to give a mask up.
    resolution
        Width of the bracket in sparsity to stop at (never below one weight).

    Examples
    --------
    >>> import torch
    >>> from prunelimit.pruning.masks import magnitude_order
    >>> model = torch.nn.Linear(4, 1, bias=False)
    >>> _ = model.weight.data.copy_(torch.tensor([[4.0, 3.0, 2.0, 1.0]]))
    >>> data = [(torch.eye(4), torch.tensor([[4.0], [3.0], [2.0], [1.0]]))]
    >>> search = ExistenceSearch(
    ...     Landscape(model, torch.nn.functional.mse_loss, data), magnitude_order(model))
    >>> found = search.threshold(1.3, guess=0.25)  # (1 + 4) / 4 is lost without two weights
    >>> found.lower, found.upper
    (0.5, 0.75)
    """

    landscape: Landscape
    order: Tensor
    descent: Descent = Descent()
    resolution: float = RESOLUTION
    minima: dict[int, Minimum] = field(default_factory=dict, init=False)
    iterations: int = field(default=0, init=False)
    _tried: set[Any] = field(default_factory=set, init=False)

    @property
    def dim(self) -> int:
        """Number of prunable weights."""
        return len(self.order)

    def threshold(self, level: float, guess: float, *, double: bool = False) -> Threshold:
        """The sparsity at which `level` is last reached.

        Parameters
        ----------
        level
            Absolute loss that passes.
        guess
            Where to begin, a sparsity.
        double
            Try the upper end again with twice the budget, from the lower end's solution too,
            and go on from there if it passes; where the threshold moved by more than `SETTLED`,
            with four times, and so on, `DOUBLINGS` times at most.
        """
        passing, failing = self._enclose(level, guess)
        passing, failing = self._narrow(level, passing, failing, self.descent)
        found = replace(self._existence(passing, failing), budget=self.descent.iterations)
        descent = self.descent
        for _ in range(DOUBLINGS if double else 0):
            if found.status != "bracketed":
                break
            longer = replace(
                descent, iterations=2 * descent.iterations, patience=2 * descent.patience
            )
            passing, failing = self._narrow(level, passing, failing, longer)
            once, found = found.value, self._existence(passing, failing)
            found = replace(found, once=once, budget=descent.iterations)
            if found.value - once <= SETTLED:
                break
            descent = longer
        return found

    # ---------------------------------------------------------------- probing
    def _passes(self, removed: int, level: float, descent: Descent) -> bool:
        """Whether the mask reaches the level: from its own lowest point, or the nearest solution.

        A solution under a sparser mask is one under this mask (exact: masks are nested), so that a
        threshold does not fall as the level rises. The nearest denser mask that passes often is
        the better start: where the mask was first tried, the next solution may have been far off.
        """
        if any(count >= removed and m.loss <= level for count, m in self.minima.items()):
            return True
        known = self.minima.get(removed)
        below = [count for count, m in self.minima.items() if count < removed and m.loss <= level]
        nearest = self.minima[max(below)] if below else None
        starts: list[Minimum | None] = [known, nearest] if known and nearest else [known or nearest]
        for start in starts:
            attempt = (removed, None if start is None else start.loss, level, descent)
            if attempt in self._tried:
                continue
            found = self._descend(removed, start, level, descent)
            self._tried |= {attempt, (removed, found.loss, level, descent)}
            if known is None or found.loss < known.loss:
                known = self.minima[removed] = found
            if found.loss <= level:
                return True
        return False

    def _descend(
        self, removed: int, start: Minimum | None, level: float, descent: Descent
    ) -> Minimum:
        found = minimise(
            self.landscape,
            self.landscape.keep(self.order[:removed]),
            None if start is None else start.point,
            level=level,
            descent=descent,
            damping=1e-2 if start is None else min(start.damping, 1.0),
        )
        self.iterations += found.iterations
        return found

    def _enclose(self, level: float, guess: float) -> tuple[int, int]:
        """Counts removed: one that passes (-1 if none does) and a larger one that fails."""
        kept = min(max(1, round((1 - guess) * self.dim)), self.dim)
        up = self._passes(self.dim - kept, level, self.descent)
        factor = _FACTOR
        while True:
            new = (
                max(0, math.floor(kept / factor)) if up else min(self.dim, math.ceil(kept * factor))
            )
            if new == kept:
                return (self.dim - kept, self.dim + 1) if up else (-1, self.dim - kept)
            passed = self._passes(self.dim - new, level, self.descent)
            if passed != up:
                ends = sorted((self.dim - kept, self.dim - new))
                return ends[0], ends[1]
            kept, factor = new, factor * _FACTOR

    def _narrow(
        self, level: float, passing: int, failing: int, descent: Descent
    ) -> tuple[int, int]:
        """Bisect, try the upper end again, now that a solution stands next to it, and so on."""
        while passing >= 0:
            while failing - passing > max(1, self.resolution * self.dim):
                kept = math.sqrt(max(1, self.dim - passing) * max(1, self.dim - failing))
                middle = min(max(self.dim - round(kept), passing + 1), failing - 1)
                if self._passes(middle, level, descent):
                    passing = middle
                else:
                    failing = middle
            if failing > self.dim or not self._passes(failing, level, descent):
                break
            passing = failing
            higher = [count for count in self.minima if count > failing]
            failing = min(higher, default=self.dim + 1)
        return passing, failing

    def _existence(self, passing: int, failing: int) -> Threshold:
        dim = self.dim
        if passing < 0:
            return Threshold(0.0, 0.0, 0.0, "none")
        if failing > dim:
            return Threshold(passing / dim, 1.0, 1.0, "any")
        return Threshold.between(passing, failing, dim)
