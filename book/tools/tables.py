"""The texts of the book that a program writes: no number is typed by hand."""

from __future__ import annotations

from pathlib import Path

import nbformat

from book.tools.execute import Executed
from book.tools.stage import Page

GENERATED = "book/generated/run-times.md"


def run_times(book: list[Page], executed: dict[Path, Executed]) -> str:
    """Return the table of what each chapter takes to run, in MyST Markdown."""
    rows = [
        f"| {{doc}}`/{page.name}` | {_seconds(executed[page.source].seconds)} "
        f"| {_code_cells(page)} |"
        for page in book
        if page.name.startswith("notebooks/") and page.source in executed
    ]
    if not rows:
        return "No chapter has been run yet.\n"
    total = sum(executed[page.source].seconds for page in book if page.source in executed)
    return "\n".join(
        [
            "| Chapter | Time to run | Code cells |",
            "|---|---:|---:|",
            *rows,
            f"| all pages with code, one after another | {_seconds(total)} | |",
            "",
        ]
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _code_cells(page: Page) -> int:
    return sum(c.cell_type == "code" for c in nbformat.read(page.source, as_version=4).cells)
