"""How long a chapter takes, by one rule; ``python -m book.tools.minutes`` prints it for each.

The words at 200 a minute, exercises and solutions left out; two minutes for each widget; one for
each guess, each figure and each code cell that stands open; up to the next five. Each exercise is
a quarter of an hour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from book.tools.content import ROOT

WORDS_A_MINUTE = 200
MINUTES_AN_EXERCISE = 15
_WIDGET = "application/vnd.jupyter.widget-view+json"
_FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
_BOXES = re.compile(r"^(:::+|```+)\{(?:exercise|solution)\}.*?^\1\s*$", re.MULTILINE | re.DOTALL)
_GATED = re.compile(r"\{solution-start\}.*?\{solution-end\}", re.DOTALL)


@dataclass(frozen=True)
class Length:
    """What a chapter's notebook asks of a reader."""

    words: int
    widgets: int
    guesses: int
    figures: int
    cells: int
    open_cells: int
    exercises: int

    @property
    def reading(self) -> int:
        """Minutes for everything but the exercises, up to the next five."""
        minutes = self.words / WORDS_A_MINUTE + 2 * self.widgets
        minutes += self.guesses + self.figures + self.open_cells
        return 5 * -int(-minutes // 5)

    @property
    def exercising(self) -> int:
        """Minutes for the exercises."""
        return MINUTES_AN_EXERCISE * self.exercises

    def told(self) -> str:
        """Return the words with which a chapter's head says it."""
        exercises = f" Exercises: {self.exercising} minutes." if self.exercises else ""
        return f"Reading: {self.reading} minutes.{exercises}"


def length(notebook: NotebookNode) -> Length:
    """Return what `notebook` asks of a reader; cells within a solution are the exercise's."""
    # One text, each code cell a mark in it, so that solutions take their cells along.
    code = [c for c in notebook.cells if c.cell_type == "code"]
    marks = iter(range(len(code)))
    told = "\n\n".join(
        c.source if c.cell_type == "markdown" else f"\0{next(marks)}\0" for c in notebook.cells
    )
    exercises = len(re.findall(r"\{exercise\}", told))
    told = _GATED.sub("", _BOXES.sub("", told))
    read = [code[int(n)] for n in re.findall(r"\0(\d+)\0", told)]
    shown = [[o.get("data", {}) for o in c.outputs] for c in read]
    return Length(
        words=len(re.sub(r"\0\d+\0", "", told).split()),
        widgets=sum(_WIDGET in data for outputs in shown for data in outputs),
        guesses=len(re.findall(r"\{admonition\} Predict", told)),
        figures=sum("image/png" in d and _WIDGET not in d for outputs in shown for d in outputs),
        cells=len(code),
        open_cells=sum(not _FOLDED & set(c.metadata.get("tags", [])) for c in read),
        exercises=exercises,
    )


def main() -> None:
    """Print a row for each chapter."""
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        found = length(nbformat.read(path, as_version=4))
        print(f"{path.stem}: {found.words} words, {found.cells} code cells. {found.told()}")


if __name__ == "__main__":
    main()
