"""Notebooks against their committed outputs: within the tolerance that a cell's tag allows."""

from typing import Any

import pytest
from nbval.plugin import IPyNbCell

from book.tools.agreement import agree, settled, tolerance_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each cell that is tagged so its own comparison."""
    for item in items:
        if isinstance(item, IPyNbCell):
            tolerance = tolerance_of(item.cell.metadata.get("tags", []))
            if tolerance is not None:
                item.compare_outputs = _within(item, tolerance)


def _within(item: IPyNbCell, tolerance: float) -> Any:
    strict = item.compare_outputs

    def agreed(text: str, committed: str) -> bool:
        return agree(item.sanitize(text), item.sanitize(committed), tolerance)

    def compare(outputs: list, committed: list, skip_compare: Any = None) -> bool:
        return strict(settled(outputs, committed, agreed), committed, skip_compare)

    return compare
