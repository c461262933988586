"""A long run on disk, so that one that was interrupted goes on from its last step."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prunelimit.errors import PruneLimitError
from prunelimit.files import write_bytes

SECONDS_BETWEEN_SAVES = 1.0


class Checkpoint:
    """A directory with vectors, appended to, and a small state file, replaced at once.

    The state names how many vectors it rests on, so a run killed between the two writes
    resumes from the earlier, consistent state.

    The directory is made if it is absent.

    Raises
    ------
    PruneLimitError
        If there is a file of that name.

    Examples
    --------
    >>> import tempfile
    >>> kept = Checkpoint(tempfile.mkdtemp())
    >>> kept.save({"seed": 0}, {"scale": np.array(2.0)}, 1, lambda index: b"four")
    >>> state = kept.load({"seed": 0})
    >>> float(state["scale"]), list(kept.vectors(state, width=4))
    (2.0, [b'four'])
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise PruneLimitError(f"checkpoint={str(path)!r} is a file; give a directory")
        self.path.mkdir(parents=True, exist_ok=True)
        self._state, self._vectors = self.path / "state.npz", self.path / "basis.bin"
        self._bytes, self._count, self._last = 0, 0, -np.inf

    def _read(self) -> dict[str, Any]:
        try:
            with np.load(self._state, allow_pickle=False) as stored:
                found = {name: stored[name] for name in stored.files}
                return {"identity": found.pop("identity"), **found}  # which all have
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise PruneLimitError(
                f"checkpoint {str(self._state)!r} cannot be read ({error}); delete the directory "
                "to start again"
            ) from error

    def identity(self) -> dict[str, Any] | None:
        """What the stored run is of (see `save`), or None where nothing is stored."""
        if not self._state.exists():
            return None
        stored = json.loads(str(self._read()["identity"]))
        assert isinstance(stored, dict)
        return stored

    def load(self, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """The arrays of the stored run, or None where nothing is stored.

        Raises
        ------
        PruneLimitError
            If the stored run is of another model, data or options, or damaged.
        """
        stored = self.identity()
        if stored is None:
            return None
        wanted = json.loads(json.dumps(identity))
        different = [key for key in {*stored, *wanted} if stored.get(key) != wanted.get(key)]
        if different:
            key = sorted(different)[0]
            raise PruneLimitError(
                f"checkpoint {str(self.path)!r} is of another run: its {key} is "
                f"{stored.get(key)!r}, this run's is {wanted.get(key)!r}; use another directory"
            )
        return self._read()

    def vectors(self, state: Mapping[str, Any], width: int) -> Iterator[bytes]:
        """The stored vectors, of `width` bytes each, that `state` rests on.

        Raises
        ------
        PruneLimitError
            If there are fewer.
        """
        self._count = int(state["vectors"])
        self._bytes = self._count * width
        if not self._vectors.exists() or self._vectors.stat().st_size < self._bytes:
            raise PruneLimitError(
                f"checkpoint {str(self._vectors)!r} is shorter than its state says; delete the "
                "directory to start again"
            )
        with self._vectors.open("rb") as file:
            for _ in range(self._count):
                yield file.read(width)

    def save(
        self,
        identity: Mapping[str, Any],
        arrays: Mapping[str, Any],
        count: int,
        vector: Callable[[int], bytes],
        force: bool = False,
    ) -> None:
        """Store `arrays` and the first `count` vectors; at most once a second unless `force`."""
        if not force and time.monotonic() - self._last < SECONDS_BETWEEN_SAVES:
            return
        with self._vectors.open("ab") as file:
            file.truncate(self._bytes)
            file.seek(self._bytes)
            for index in range(self._count, count):
                self._bytes += file.write(vector(index))
            file.flush()
            os.fsync(file.fileno())
        self._count = count
        buffer = io.BytesIO()
        np.savez(buffer, identity=json.dumps(identity), vectors=count, **arrays)
        write_bytes(self._state, buffer.getvalue())
        self._last = time.monotonic()
