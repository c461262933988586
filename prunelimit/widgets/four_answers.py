"""Chapter 0: what was computed and measured on one network, beside the reader's guess."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from prunelimit.widgets import base
from prunelimit.widgets.cut_a_network import hour_network

MOST = 5


class FourAnswers(base.BookWidget):
    """Uncover four questions' answers on the network of chapter 0, one by one, beside a guess.

    Controls: `shown`, how many answers are uncovered, and `guess` (0 for none), which
    `CutANetwork` has kept in the reader's browser.

    Examples
    --------
    >>> found = FourAnswers(shown=5).numbers()
    >>> found["oneShot"] < found["paper"] < found["sharp"]
    True
    """

    _module = "four_answers"
    _heading = "Four questions, one network, and your guess"
    _ready_made = {
        "Only my guess": {"shown": 0},
        "Untouched": {"shown": 2},
        "All": {"shown": 5},
    }
    _guided = (
        ("Your guess from the first section, if you made one. Nothing else is shown.", {}),
        ("Cut, untouched: where it broke, and what a bowl had said before.", {"shown": 2}),
        ("The two limits, computed from the dense network alone.", {"shown": 4}),
        ("And what training the survivors reached.", {"shown": 5}),
    )

    shown = base.slider("answers shown", 0, 0, MOST, 1)
    guess = base.slider("your guess", 0.0, 0.0, 0.99, 0.01, unit="%", typed=True)

    def __init__(self, **settings: Any) -> None:
        super().__init__(data=settings.pop("data", None) or answers(hour_network()), **settings)

    def numbers(self) -> dict[str, float]:
        """Each uncovered answer, the middle of a measured interval."""
        shown = self.data["answers"][: self.shown]
        return {one["key"]: (one["low"] + one["high"]) / 2 for one in shown}

    def describe(self) -> str:
        """One sentence: the answers that are uncovered."""
        labels = {one["key"]: one["label"] for one in self.data["answers"]}
        told = ", ".join(f"{labels[key]} {value:.1%}" for key, value in self.numbers().items())
        return f"{self.data['name']}: {told or 'nothing is shown yet'}."

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots()
        rows = self.data["answers"]  # all of them: a page without scripts uncovers nothing
        for row, one in enumerate(reversed(rows)):
            style = "D" if one["kind"] == "computed" else "s-"
            axes.plot([one["low"], one["high"]], [row, row], style)
        axes.set_yticks(range(len(rows)), [one["label"] for one in reversed(rows)])
        axes.set(xlabel="sparsity", xlim=(0.5, 1))


def answers(network: dict[str, Any]) -> base.Values:
    """The five rows, in the order in which the chapter asks: measured ones as intervals.

    Examples
    --------
    >>> [one["key"] for one in answers(hour_network())["answers"]]
    ['measured', 'oneShot', 'paper', 'sharp', 'retrained']
    """
    level = network["loss"] + network["epsilon"]
    untouched = _passes([row[:2] for row in network["oneShot"]], level)
    again = _passes([[e["sparsity"], e["loss"]] for e in network["retrained"]], level)
    told = network["predicted"]
    rows = (
        ("measured", "cut, untouched", untouched, "measured"),
        ("oneShot", "the same, by the bowl", (told["one_shot"],) * 2, "computed"),
        ("paper", "the paper's limit", (told["paper"],) * 2, "computed"),
        ("sharp", "the sharp limit", (told["sharp"],) * 2, "computed"),
        ("retrained", "survivors trained again", again, "measured"),
    )
    names = ("key", "label", "low", "high", "kind")
    return {
        "name": network["name"],
        "answers": [
            dict(zip(names, (key, label, *ends, kind), strict=True))
            for key, label, ends, kind in rows
        ],
    }


def _passes(points: list[list[float]], level: float) -> tuple[float, float]:
    """The last sparsity at which the loss is still within `level`, and the first at which not.

    For the untouched network the two are neighbours; training again is not monotone.
    """
    failing = [sparsity for sparsity, loss in points if loss > level]
    passing = [sparsity for sparsity, loss in points if loss <= level and sparsity < failing[0]]
    return max(passing), failing[0]
