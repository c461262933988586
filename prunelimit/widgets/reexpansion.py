"""Chapter 10: one quadratic picture of a loss, drawn anew on the way, against the real loss."""

from __future__ import annotations

import json
from typing import Any

from matplotlib.figure import Figure

from prunelimit.widgets import base
from prunelimit.widgets.cut_a_network import hour_network
from prunelimit.widgets.network import first_crossing

PICTURES = (1, 2, 4, 8, 16)


class Reexpansion(base.BookWidget):
    """Walk a network to a mask along 1 to 16 quadratic pictures; see promise and loss part.

    Controls: `pictures` (how often the loss is expanded anew on the way) and `sparsity` (the
    nearest measured one counts). The numbers were measured on the network of chapter 0 by
    ``python -m book.tools.reexpansion``.

    Examples
    --------
    >>> found = Reexpansion(pictures=1, sparsity=0.8).numbers()
    >>> found["promised"] < found["real"]
    True
    """

    _module = "reexpansion"
    _heading = "One picture, drawn anew"
    _ready_made = {
        "One picture": {"pictures": 1},
        "Sixteen": {"pictures": 16},
        "Too far for any": {"pictures": 16, "sparsity": 0.88},
    }
    _guided = (
        (
            "One bowl, drawn at w*, says where the survivors should go when four in five are cut. "
            "The dashed line is its promise, the solid one the loss on the way.",
            {},
        ),
        (
            "Two bowls: stop halfway, take slope and curvature anew, go on. The second promise "
            "breaks like the first.",
            {"pictures": 2},
        ),
        (
            "Sixteen, and the loss ends within what is allowed. It is still five times what the "
            "last bowl promised.",
            {"pictures": 16},
        ),
        (
            "Cut deeper, and sixteen fail as one did: so far out no bowl is a picture of the loss.",
            {"pictures": 16, "sparsity": 0.88},
        ),
    )

    pictures = base.choice("pictures on the way", 1, {n: str(n) for n in PICTURES}, stepper=True)
    sparsity = base.slider("sparsity at the end", 0.8, 0.68, 0.88, 0.04, unit="%")

    def __init__(self, **settings: Any) -> None:
        super().__init__(data=settings.pop("data", None) or measured_paths(), **settings)

    def numbers(self) -> dict[str, float]:
        """Promise and real loss at the end, and up to where each stays within ε."""
        data = self.data
        paths = data["runs"][str(self.pictures)]
        promised, real = zip(*(_end(path, data["loss"]) for path in paths), strict=True)
        places = [0.0, *data["sparsities"]]
        level = data["loss"] + data["epsilon"]
        here = min(range(len(paths)), key=lambda j: abs(data["sparsities"][j] - self.sparsity))
        return {
            "promised": promised[here],
            "real": real[here],
            "promisedReach": first_crossing(places, [data["loss"], *promised], level),
            "reach": first_crossing(places, [data["loss"], *real], level),
        }

    def describe(self) -> str:
        """One sentence on the promise and the loss."""
        found = self.numbers()
        return (
            f"With {self.pictures} quadratic pictures to sparsity {self.sparsity:.2f}, the last "
            f"promises a loss of {found['promised']:.3g} and the network has {found['real']:.3g}."
        )

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots()
        data = self.data
        dashes = ("-", "--", "-.", (0, (4, 1, 1, 1)), ":")  # one more than there are colours
        for pictures, dash in zip(PICTURES, dashes, strict=True):
            paths = data["runs"][str(pictures)]
            real = [_end(path, data["loss"])[1] for path in paths]
            axes.semilogy(data["sparsities"], real, ls=dash, label=f"{pictures}")
        axes.semilogy(*zip(*data["retrained"], strict=True), "k:", label="fine-tuned")
        axes.axhline(data["loss"] + data["epsilon"], color="0.5", ls="--")
        axes.set(xlabel="sparsity", ylabel="training loss", xlim=(0.5, 1))
        axes.legend(title="pictures on the way")


def measured_paths() -> dict[str, Any]:
    """The paths that the study has measured, and the losses of the network's fine-tunings."""
    stored = json.loads(base.source("reexpanded.json"))
    names = ("name", "dim", "loss", "epsilon", "sparsities", "runs")
    again = [[entry["sparsity"], entry["loss"]] for entry in hour_network()["retrained"]]
    return {name: stored[name] for name in names} | {"retrained": again}


def _end(path: list[list[Any]], loss: float) -> tuple[float, float]:
    """What the last picture of a path promises, and the real loss there."""
    start = loss if len(path) == 1 else path[-2][3][-1]
    _, slope, curvature, losses = path[-1]
    return start + slope + curvature / 2, losses[-1]
