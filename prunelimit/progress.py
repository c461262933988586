"""One way to show progress, so that every long job looks and keeps quiet alike."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import rich.progress
from rich.console import Console

Item = TypeVar("Item")


def is_shown(enabled: bool | None = None) -> bool:
    """Whether progress is shown: as `enabled` says, and by default on a terminal alone.

    So logs and notebooks stay clean.

    Examples
    --------
    >>> is_shown(True), is_shown(False)
    (True, False)
    """
    return sys.stderr.isatty() if enabled is None else enabled


def bars(enabled: bool | None = None) -> rich.progress.Progress:
    """Bars on stderr, to be entered; each task of theirs has a field ``remark``."""
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.fields[remark]}"),
        console=Console(stderr=True),
        refresh_per_second=4,
        disable=not is_shown(enabled),
    )


@dataclass(frozen=True)
class Reporter:
    """What a running job tells: how far it is, and one short remark."""

    progress: rich.progress.Progress
    task: rich.progress.TaskID

    def update(self, advance: float = 1.0, remark: str = "") -> None:
        """Advance by `advance` units; `remark` stands behind the bar."""
        self.progress.update(self.task, advance=advance, remark=remark)


@contextmanager
def progress_bar(
    description: str, total: float | None = None, enabled: bool | None = None
) -> Iterator[Reporter]:
    """A progress bar on stderr, over `total` units of work if their number is known.

    Examples
    --------
    >>> with progress_bar("adding", total=2, enabled=False) as bar:
    ...     bar.update(1, remark="half")
    """
    with bars(enabled) as progress:
        yield Reporter(progress, progress.add_task(description, total=total, remark=""))


def track(
    iterable: Iterable[Item], description: str, enabled: bool | None = None
) -> Iterator[Item]:
    """Yield from `iterable` under a progress bar (see `progress_bar`).

    Examples
    --------
    >>> list(track(range(3), "counting", enabled=False))
    [0, 1, 2]
    """
    total = len(iterable) if isinstance(iterable, Sized) else None
    with progress_bar(description, total, enabled) as bar:
        for item in iterable:
            yield item
            bar.update()


def say(text: str, enabled: bool | None = None) -> None:
    """One line on stderr, under the same rule as a bar (see `progress_bar`)."""
    if is_shown(enabled):
        Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)
