"""One process at a time in a directory, however the one before it ended."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from prunelimit.errors import PruneLimitError

_POLL_SECONDS = 0.2


class Busy(PruneLimitError):
    """Another process owns the directory."""


@contextlib.contextmanager
def owned(
    directory: str | os.PathLike[str], name: str = ".lock", wait: float = 0
) -> Iterator[None]:
    """Own `directory` inside the body.

    The lock is the operating system's: it is gone as soon as the process is, so there are no
    stale ones to break. What stands in the file (host, process, since when) only tells others
    whom they wait for.

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
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = open(directory / name, "a+", encoding="utf-8")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise PruneLimitError(f"{directory} cannot be written: {error}") from error
    with lock:
        deadline = time.monotonic() + wait
        while not _locked(lock.fileno()):
            if time.monotonic() >= deadline:
                raise Busy(
                    f"another run is at work in {directory} ({_owner(directory / name)}); "
                    "wait for it, or take another directory"
                )
            time.sleep(_POLL_SECONDS)
        lock.truncate(0)
        json.dump({"host": socket.gethostname(), "pid": os.getpid(), "since": now()}, lock)
        lock.flush()
        yield


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _locked(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: two runs in one folder are the user's to avoid
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks: go on without.
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def _owner(lock: Path) -> str:
    try:
        owner = json.loads(lock.read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "which has just begun"
