"""A Krylov run on disk, so that an interrupted one goes on from its last step."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prunelimit.errors import PruneLimitError
from prunelimit.files import write_bytes
from prunelimit.spectrum.krylov import KrylovSpace
from prunelimit.spectrum.quadrature import Array

SECONDS_BETWEEN_SAVES = 1.0


class Checkpoint:
    """A directory with the basis, appended to, and a small state file, replaced at once.

    The state names how many vectors of the basis it rests on, so a run killed
    between the two writes resumes from the earlier, consistent state.

    Parameters
    ----------
    path
        Directory; made if absent.

    Examples
    --------
    >>> import tempfile
    >>> Checkpoint(tempfile.mkdtemp()).identity() is None
    True
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise PruneLimitError(f"checkpoint={str(path)!r} is a file; give a directory")
        self.path.mkdir(parents=True, exist_ok=True)
        self._saved = 0
        self._last = -np.inf

    @property
    def _state(self) -> Path:
        return self.path / "state.npz"

    @property
    def _vectors(self) -> Path:
        return self.path / "basis.bin"

    def _read(self) -> dict[str, Any]:
        try:
            with np.load(self._state, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, KeyError, EOFError) as error:
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

    def load(self, space: KrylovSpace, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """Fill an empty `space` from the stored run, and return its extra state, or None.

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
        state = self._read()
        self._load_vectors(space, int(state["vectors"]))
        space.columns = _split(state["columns"], state["column_lengths"])
        space.starts = _split(state["starts"], state["start_lengths"])
        space.scale = float(state["scale"])
        extra = json.loads(str(state["extra"]))
        assert isinstance(extra, dict)
        return extra

    def _load_vectors(self, space: KrylovSpace, count: int) -> None:
        basis = space.basis
        width = basis.dim * basis.dtype.itemsize
        if not self._vectors.exists() or self._vectors.stat().st_size < count * width:
            raise PruneLimitError(
                f"checkpoint {str(self._vectors)!r} is shorter than its state says; delete the "
                "directory to start again"
            )
        with self._vectors.open("rb") as file:
            for _ in range(count):
                raw = torch.frombuffer(bytearray(file.read(width)), dtype=basis.dtype)
                basis.append(raw.to(basis.device))
        self._saved = count

    def save(
        self,
        space: KrylovSpace,
        identity: Mapping[str, Any],
        extra: Mapping[str, Any],
        force: bool = False,
    ) -> None:
        """Store the space and `extra`; at most once a second unless `force`."""
        if not force and time.monotonic() - self._last < SECONDS_BETWEEN_SAVES:
            return
        self._append_vectors(space)
        state: dict[str, Any] = {
            "identity": np.array(json.dumps(identity)),
            "extra": np.array(json.dumps(extra)),
            "vectors": np.array(len(space.basis)),
            "columns": np.concatenate([np.zeros(0), *space.columns]),
            "column_lengths": np.array([len(column) for column in space.columns], dtype=int),
            "starts": np.concatenate([np.zeros(0), *space.starts]),
            "start_lengths": np.array([len(start) for start in space.starts], dtype=int),
            "scale": np.array(space.scale),
        }
        buffer = io.BytesIO()
        np.savez(buffer, **state)
        write_bytes(self._state, buffer.getvalue())
        self._last = time.monotonic()

    def _append_vectors(self, space: KrylovSpace) -> None:
        width = space.basis.dim * space.basis.dtype.itemsize
        with self._vectors.open("ab") as file:
            file.truncate(self._saved * width)
            file.seek(self._saved * width)
            for index in range(self._saved, len(space.basis)):
                row = space.basis.vector(index).cpu().contiguous()
                file.write(row.view(torch.uint8).numpy().tobytes())
            file.flush()
            os.fsync(file.fileno())
        self._saved = len(space.basis)


def _split(values: Array, lengths: Array) -> list[Array]:
    ends = np.cumsum(lengths)
    return [values[end - length : end] for end, length in zip(ends, lengths, strict=True)]
