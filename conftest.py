"""Notebooks against their committed outputs: within the tolerance that a cell's tag allows.

A notebook that ``make book`` has run with the same code, files and versions is not run again: what
came out then is compared. Any other is run by nbval.
"""

from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams

from book.tools.agreement import agree, settled, tolerance_of
from book.tools.content import ROOT, environment
from book.tools.execute import load, with_outputs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each tagged cell its own comparison, and each notebook that was run its outputs."""
    cells = [item for item in items if isinstance(item, IPyNbCell)]
    for cell in cells:
        tolerance = tolerance_of(cell.cell.metadata.get("tags", []))
        if tolerance is not None:
            cell.compare_outputs = _within(cell, tolerance)
    for notebook, of_notebook in groupby(cells, key=lambda cell: cell.parent):
        _replay(notebook, list(of_notebook))


def _replay(notebook: IPyNbFile, cells: list[IPyNbCell]) -> None:
    if not notebook.path.is_relative_to(ROOT):
        return
    executed = load(notebook.path, notebook.nb, environment())
    if executed is None:
        return
    shown = [c for c in with_outputs(notebook.nb, executed).cells if c.cell_type == "code"]
    notebook.setup = notebook.setup_sanitize_files  # and no kernel
    for cell in cells:
        cell.runtest = partial(_compare, cell, shown[cell.cell_num].outputs)


def _compare(cell: IPyNbCell, outputs: list) -> None:
    if cell.options["skip"]:
        pytest.skip()
    committed = coalesce_streams(cell.cell.outputs)
    if cell.options["check"] and not cell.compare_outputs(coalesce_streams(outputs), committed):
        cell.raise_cell_error("Cell outputs differ", "\n".join(cell.comparison_traceback))


def _within(item: IPyNbCell, tolerance: float) -> Callable[..., Any]:
    strict = item.compare_outputs

    def agreed(text: str, committed: str) -> bool:
        return agree(item.sanitize(text), item.sanitize(committed), tolerance)

    def compare(outputs: list, committed: list, skip_compare: Any = None) -> bool:
        return strict(settled(outputs, committed, agreed), committed, skip_compare)

    return compare
