"""One process at a time in a directory, however the one before it ended."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from prunelimit.errors import PruneLimitError
from prunelimit.files import write_json


class Busy(PruneLimitError):
    """Another process owns the directory."""


@contextlib.contextmanager
def owned(
    directory: str | os.PathLike[str], name: str = ".lock", wait: float = 0
) -> Iterator[None]:
    """Own `directory` inside the body.

    The lock is the operating system's: it is gone as soon as the process is, so there are no
    stale ones to break. A file beside it (host, process, since when) only tells others whom
    they wait for.

    Parameters
    ----------
    directory
        Made if absent.
    name
        Of the lock file in it.
    wait
        Seconds to wait for the owner before giving up.

    Raises
    ------
    Busy
        If another process owns it for longer than `wait`.
    PruneLimitError
        If the directory cannot be made or written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, owned(folder):
    ...     Path(folder, ".lock").exists()
    True
    """
    path = Path(directory) / name
    owner = path.with_name(f"{name}-owner")
    lock = FileLock(path, timeout=wait)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(poll_interval=0.2)
    except Timeout:
        raise Busy(
            f"another run is at work in {directory} ({_told(owner)}); "
            "wait for it, or take another directory"
        ) from None
    except OSError as error:
        raise PruneLimitError(f"{directory} cannot be written: {error}") from error
    try:
        write_json(owner, {"host": socket.gethostname(), "pid": os.getpid(), "since": now()})
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _told(path: Path) -> str:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "which has just begun"
