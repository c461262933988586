"""The texts of the book that a program writes: no number is typed by hand."""

from __future__ import annotations

from pathlib import Path

from nbformat import NotebookNode

from book.tools.stage import Page

GENERATED = "book/generated/run-times.md"


def run_times(book: list[Page], shown: dict[Path, NotebookNode], seconds: dict[Path, float]) -> str:
    """Return the table of what each chapter takes to run, in MyST Markdown.

    Parameters
    ----------
    book
        The pages.
    shown, seconds
        Those pages that have code, and how long each took to run, by source path.
    """
    rows = [
        f"| {{doc}}`/{page.name}` | {_duration(seconds[page.source])} "
        f"| {_code_cells(shown[page.source])} |"
        for page in book
        if page.name.startswith("notebooks/") and page.source in shown
    ]
    if not rows:
        return "No chapter has been run yet.\n"
    return "\n".join(
        [
            "| Chapter | Time to run | Code cells |",
            "|---|---:|---:|",
            *rows,
            f"| all pages with code, one after another | {_duration(sum(seconds.values()))} | |",
            "",
        ]
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _code_cells(notebook: NotebookNode) -> int:
    return sum(cell.cell_type == "code" for cell in notebook.cells)
