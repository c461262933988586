"""One way to show progress, so that every long job looks and keeps quiet alike."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")


class Reporter(Protocol):
    """What a running job tells: how far it is, and one short remark."""

    def update(self, advance: float = 1.0, remark: str = "") -> None:
        """Advance by `advance` units; `remark` stands behind the bar."""


class _Silent:
    def update(self, advance: float = 1.0, remark: str = "") -> None:
        return None


class _Bar:
    def __init__(self, progress: Progress, description: str, total: float | None) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total, remark="")

    def update(self, advance: float = 1.0, remark: str = "") -> None:
        self._progress.update(self._task, advance=advance, remark=remark)


@contextmanager
def progress_bar(
    description: str, total: float | None = None, enabled: bool | None = None
) -> Iterator[Reporter]:
    """A progress bar on stderr.

    Parameters
    ----------
    description
        What is being done.
    total
        Units of work, if known.
    enabled
        True or False forces it; None shows it only when stderr is a terminal,
        so that logs and notebooks stay clean.

    Examples
    --------
    >>> with progress_bar("adding", total=2, enabled=False) as bar:
    ...     bar.update(1, remark="half")
    """
    if not (sys.stderr.isatty() if enabled is None else enabled):
        yield _Silent()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}"),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as progress:
        yield _Bar(progress, description, total)


def track(
    iterable: Iterable[Item],
    description: str,
    total: float | None = None,
    enabled: bool | None = None,
) -> Iterator[Item]:
    """Yield from `iterable` under a progress bar (see `progress_bar`).

    Examples
    --------
    >>> list(track(range(3), "counting", enabled=False))
    [0, 1, 2]
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with progress_bar(description, total, enabled) as bar:
        for item in iterable:
            yield item
            bar.update()


def say(text: str, enabled: bool | None = None) -> None:
    """One line on stderr, under the same rule as a bar (see `progress_bar`).

    Examples
    --------
    >>> say("not shown", enabled=False)
    """
    if sys.stderr.isatty() if enabled is None else enabled:
        Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)
