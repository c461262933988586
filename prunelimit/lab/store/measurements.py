"""What a stage of a run has measured so far, on disk, so that a kill costs one measurement."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunelimit.files import write_bytes
from prunelimit.network.world import ALONE, World


class Measurements:
    """Rows of numbers, one a sparsity, and the vector that the next measurement starts from.

    Parameters
    ----------
    path
        One file, replaced whole after every measurement.
    key
        What the rows depend on; rows that were stored under another key are forgotten.
    world
        All its processes get the same rows; the first one reads and writes.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "refit.npz")
    >>> Measurements(path, "key").add({"sparsity": 0.5, "rise": 0.1}, torch.ones(2))
    >>> again = Measurements(path, "key")
    >>> again.at(0.5), again.vector()
    ({'sparsity': 0.5, 'rise': 0.1}, tensor([1., 1.]))
    >>> Measurements(path, "another key").rows
    []
    """

    def __init__(self, path: Path, key: str, world: World = ALONE) -> None:
        self._path, self._key, self._world = path, key, world
        self._began = time.perf_counter()
        stored = world.from_main(self._stored)
        self.rows: list[dict[str, Any]] = stored["rows"]
        self.seconds_before: float = stored["seconds"]
        """Wall time of the measurements that earlier processes made."""

    def at(self, sparsity: float) -> dict[str, Any] | None:
        """The row of `sparsity`, or None where it is not measured yet."""
        return next((row for row in self.rows if row["sparsity"] == sparsity), None)

    def vector(self) -> Tensor | None:
        """What was given with the last row; None where there is no row."""
        if not self.rows:
            return None
        with np.load(self._path, allow_pickle=False) as stored:
            return torch.from_numpy(stored["vector"])

    def add(self, row: dict[str, Any], vector: Tensor | None = None) -> None:
        """Keep a row, which names its "sparsity", and replace the vector."""
        self.rows.append(row)
        if not self._world.is_main:
            return
        head = {
            "key": self._key,
            "rows": self.rows,
            "seconds": self.seconds_before + time.perf_counter() - self._began,
        }
        kept = np.zeros(0) if vector is None else vector.detach().cpu().numpy()
        buffer = io.BytesIO()
        np.savez(buffer, head=np.array(json.dumps(head)), vector=kept)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(self._path, buffer.getvalue())

    def discard(self) -> None:
        """Remove the file: the stage is complete, and kept elsewhere."""
        self._path.unlink(missing_ok=True)

    def _stored(self) -> dict[str, Any]:
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                head = json.loads(str(stored["head"]))
                _ = stored["vector"]  # read now, so that damage to it is noticed here
                if head["key"] == self._key:
                    return head
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            pass
        return {"rows": [], "seconds": 0.0}
