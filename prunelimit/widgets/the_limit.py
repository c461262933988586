"""Chapter 6: the pruning limit of a real network, moved by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from prunelimit import limit
from prunelimit.widgets import base
from prunelimit.widgets.network import as_network, first_crossing

if TYPE_CHECKING:
    from prunelimit.report import PruningLimit


class TheLimit(base.BookWidget):
    """One-shot, paper's and sharp answer for a network, moving together.

    Controls: `epsilon`, `scale` (of the weights, so of R), `sharpness` (of the spectrum),
    `guess` (a sparsity; 0 for none) and `reveal`.

    The network is what `as_network` takes: by default the example.

    Examples
    --------
    >>> widget = TheLimit()
    >>> flatter = TheLimit(sharpness=0.1)
    >>> flatter.numbers()["paper"] > widget.numbers()["paper"]
    True
    """

    _module = "the_limit"
    _heading = "The limit: distance, curvature, and what may be lost"
    _ready_made = {
        "Flatter": {"sharpness": 0.1},
        "Sharper": {"sharpness": 10.0},
        "Weights × ½": {"scale": 0.5},
        "Weights × 2": {"scale": 2.0},
        "½ and 4 × sharper": {"scale": 0.5, "sharpness": 4.0},
    }

    _folded = frozenset({"guess"})
    _guided = (
        ("R(k) grows as weights are cut. A boundary says how far is too far: they meet.", {}),
        ("Halve the weights: R halves, and the meeting point moves to the right.", {"scale": 0.5}),
        ("A flatter loss lifts the boundary, with the same effect.", {"sharpness": 0.1}),
        (
            "Halved weights and four times the curvature: back where it started.",
            {"scale": 0.5, "sharpness": 4.0},
        ),
        ("Allow less, ε = 0.005, and everything moves to the left.", {"epsilon": 0.005}),
    )

    epsilon = base.slider("loss budget ε", 0.05, 1e-4, 2.0, 0.005, log=True)
    scale = base.slider("weights ×", 1.0, 0.25, 4.0, 0.005, log=True)
    sharpness = base.slider("curvature ×", 1.0, 0.01, 100.0, 0.01, log=True)
    guess = base.slider("your guess", 0.0, 0.0, 0.999, 0.001, unit="%", typed=True)
    reveal = base.toggle("show what was measured", False)

    def __init__(
        self, network: PruningLimit | Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        data = settings.pop("data", None) or as_network(network)
        settings.setdefault("epsilon", min(2.0, max(1e-4, data["epsilon"])))
        super().__init__(data=data, **settings)

    def numbers(self) -> dict[str, float]:
        """Sparsities of the three answers, and the weights kept."""
        grid = self.data
        nodes = np.array(grid["nodes"]) * self.sharpness

        def distance(kept: float) -> float:
            return self.scale * float(np.sqrt(np.interp(kept, grid["kept"], grid["squares"])))

        arguments = (nodes, distance, self.epsilon, grid["counts"])
        paper, sharp = limit.paper_limit(*arguments), limit.sharp_limit(*arguments)
        rise = self.epsilon / (self.sharpness * self.scale**2)
        return {
            "oneShot": first_crossing(grid["sparsities"], grid["rises"], rise),
            "paper": 1 - paper / grid["dim"],
            "sharp": 1 - sharp / grid["dim"],
            "paperKept": paper,
            "sharpKept": sharp,
        }

    def describe(self) -> str:
        """One sentence on the three answers."""
        found = self.numbers()
        return (
            f"{self.data['name']}: with epsilon = {self.epsilon:.3g}, magnitude pruning alone can "
            f"remove {found['oneShot']:.1%} of the weights, the paper's limit is "
            f"{found['paper']:.1%} and the sharp one {found['sharp']:.1%}."
        )

    def _draw(self, figure: Figure) -> None:
        found, grid = self.numbers(), self.data
        axes = figure.subplots()
        sparsity = 1 - np.array(grid["kept"]) / grid["dim"]
        axes.plot(sparsity, self.scale * np.sqrt(grid["squares"]), label="R(k)")
        nodes = np.array(grid["nodes"]) * self.sharpness
        ridges = np.geomspace(nodes[nodes > 0].min() * 1e-3, nodes.max() * grid["dim"], 200)
        kept = np.asarray(limit.effective_dimension(nodes, ridges, grid["counts"]))
        flat = grid["dim"] - kept
        boundaries = {
            "paper": ("--", "#A8487C", ridges),
            "sharp": ("-.", "k", ridges * kept / flat),
        }
        for name, (dash, colour, curvature) in boundaries.items():
            axes.plot(
                1 - kept / grid["dim"],
                np.sqrt(2 * self.epsilon / curvature),
                dash,
                color=colour,
                label=f"boundary, {name}: {found[name]:.1%}",
            )
        axes.set(xlabel="sparsity 1 − k/D", ylabel="distance R", xlim=(0, 1))
        axes.set_ylim(0, 1.6 * np.sqrt(grid["squares"][0]))
        axes.legend()
