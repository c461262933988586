"""Files that are whole or absent, whenever the process is killed or the disk is full."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prunelimit.errors import PruneLimitError

if sys.platform != "win32":
    import fcntl

_UNFINISHED = ".part-"
_PART = re.compile(r"\.part-[0-9a-f]{16}")
_TRIES = 5
_REMEDIES = {
    errno.ENOSPC: "make room there, or name a place on another disk",
    errno.EDQUOT: "make room there, or name a place on another disk",
    errno.EACCES: "name a place that you may use, or change its permissions",
    errno.EPERM: "name a place that you may use, or change its permissions",
    errno.EROFS: "name a place that can be written",
    errno.ENOENT: "check the name",
    errno.EEXIST: "it is a file; name a folder",
    errno.ENOTDIR: "a part of the name is a file, not a folder; check the name",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all (see `write_bytes`).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder, "a.txt"), "whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, so that a reader sees the old file or the new one.

    A new file has the permissions that the user's umask gives, a file that was there keeps its own.
    What is no file (a terminal, a pipe, /dev/null) is written to as it is. A link stays a link.

    Raises
    ------
    OSError
        If there is no room or no permission; the old file is then as it was.
    """
    target = Path(os.path.realpath(path))
    mode = _mode(target)
    if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        target.write_bytes(content)
        return
    try:
        for left in reversed(range(_TRIES)):
            try:
                _replace(target, content, mode)
                break
            except FileNotFoundError:
                # Another process may have taken the part for a dead one's, see `_part`.
                if not left:
                    raise
    except OSError as error:
        # The user knows the file by its own name.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    flush(target.parent)


def _replace(target: Path, content: bytes, mode: int | None) -> None:
    with _part(target.parent) as (path, descriptor):
        if mode is not None:
            os.chmod(path, stat.S_IMODE(mode))
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.fsync(descriptor)
        os.replace(path, target)


@contextlib.contextmanager
def _part(folder: Path) -> Iterator[tuple[Path, int]]:
    """A new file in `folder` under a name of its own, gone at the end unless it was renamed.

    A process that is killed leaves it behind. So whoever makes one holds the system's lock on it,
    and removes those that nobody holds: a lock goes with its process. In the moment before the
    lock is taken another process may remove it; the rename then finds no file.
    """
    _clear_abandoned(folder)
    path = folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        _locked(descriptor)
        yield path, descriptor
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _clear_abandoned(folder: Path) -> None:
    """Remove the parts in `folder` whose processes are gone, where the system has locks."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        for name in filter(_PART.fullmatch, os.listdir(folder)):
            with contextlib.suppress(OSError):
                _remove_abandoned(folder / name)


def _remove_abandoned(path: Path) -> None:
    # Of a folder that others may write in, anything may bear the name: a link, a pipe.
    if not stat.S_ISREG(path.lstat().st_mode):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _locked(descriptor):
            path.unlink()
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Take the system's lock on an open file; False if another process has it, or there is none."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read_text(path: str | os.PathLike[str]) -> str:
    """The UTF-8 text of a file, or of a pipe that somebody writes to.

    Merely to open a named pipe that nobody writes to would wait for ever: it counts as empty.

    Raises
    ------
    ValueError
        Where there is nothing to read.

    Examples
    --------
    >>> read_text("/dev/null")
    Traceback (most recent call last):
      ...
    ValueError: it is empty, or a pipe that nobody writes to
    """
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        os.set_blocking(file.fileno(), True)
        text = file.read().decode("utf-8")
    if not text:
        raise ValueError("it is empty, or a pipe that nobody writes to")
    return text


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as JSON to `path`, whole or not at all (see `write_bytes`)."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def flush(path: Path) -> None:
    """Have the system put a file or folder on the disk, where it can.

    Without it a power cut (not a kill) could leave the new name on an empty file.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def prepare_output(path: str | os.PathLike[str]) -> Path:
    """Find out, before the work is done, whether its result can be written to `path`.

    The folder is made if it is absent; nothing else is left behind.

    Raises
    ------
    PruneLimitError
        If the folder cannot be made or written, or `path` is a folder.

    Examples
    --------
    >>> prepare_output("/")
    Traceback (most recent call last):
      ...
    prunelimit.errors.PruneLimitError: cannot write '/': Is a directory; it is a folder; name a file
    """
    target = Path(path)
    with _writable(target):
        mode = _mode(target)
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        if mode is None or stat.S_ISREG(mode):
            _probe(Path(os.path.realpath(target)).parent)
    return target


def prepare_folder(path: str | os.PathLike[str]) -> Path:
    """Make the folder `path` if it is absent, and find out whether it can be written.

    Raises
    ------
    PruneLimitError
        If not.
    """
    folder = Path(path)
    with _writable(folder):
        _probe(folder)
    return folder


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[None]:
    """What the system says of `path` inside, as the user's error."""
    try:
        yield
    except OSError as error:
        reason = OSError(error.errno, error.strerror, str(path))
        raise PruneLimitError(f"cannot write {explained(reason)}") from error


def explained(error: OSError) -> str:
    """Which file, what the system said of it, and what to do, in one line.

    Examples
    --------
    >>> print(explained(OSError(errno.ENOSPC, "No space left on device", "report.json")))
    'report.json': No space left on device; make room there, or name a place on another disk
    """
    if error.errno is None:
        return str(error)
    what = error.strerror or os.strerror(error.errno)
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)!r}: "
    remedy = _REMEDIES.get(error.errno)
    return f"{where}{what}" + (f"; {remedy}" if remedy else "")


def _probe(folder: Path) -> None:
    """Make `folder` if it is absent, and a file in it, which is removed again."""
    folder.mkdir(parents=True, exist_ok=True)
    with _part(folder):
        pass


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
