"""Tries of a search for the limit, and how a folder keeps them: each whole or absent."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_model
from torch import nn

from prunelimit.errors import PruneLimitError
from prunelimit.files import prepare_folder, write_bytes, write_json
from prunelimit.network.contents import weights_bytes
from prunelimit.network.copies import copy_model

_FORMAT = "prunelimit.find/1"
_KEY = "find.json"
_ALIKE = 1e-4


@dataclass(frozen=True)
class Try:
    """One fine-tuning under one mask.

    A network with an `excess` of at most 0 passes (see `prunelimit.pruning.criterion`); `stderr` is
    the standard error of that. `loss` is the mean on the loader; `metric`, on the validation data,
    is None where the criterion is a loss rise. `started_from` is the sparsity of the network that
    fine-tuning started from; 0 is the dense one.
    """

    sparsity: float
    kept: int
    loss: float
    excess: float
    metric: float | None
    stderr: float
    started_from: float

    @property
    def passes(self) -> bool:
        """Whether the network is still good enough."""
        return self.excess <= 0


class InMemory:
    """Keeps nothing beyond the call but the sparsest passing network, all that a search needs.

    A later try is sparser than the sparsest passing one, which is then the nearest denser
    network to start from.
    """

    def __init__(self, dense: nn.Module) -> None:
        self._tries: list[Try] = []
        self._kept, self._model = math.inf, dense

    def tries(self) -> list[Try]:
        """The tries so far, in order."""
        return list(self._tries)

    def keep(self, finished: Try, model: nn.Module) -> None:
        """Note the try; hold on to its network if it is the sparsest that passes."""
        self._tries.append(finished)
        if finished.passes and finished.kept < self._kept:
            self._kept, self._model = finished.kept, model

    def model(self, finished: Try) -> nn.Module:
        """The network of the sparsest passing try."""
        assert finished.kept == self._kept
        return self._model


class Folder:
    """Keeps every try as one safetensors file, weights and record together.

    A kill at any moment leaves each file whole or absent: at most the try in progress is lost.

    A folder with another key (weights, data, criterion, fine-tuning) is refused. Weights are loaded
    into copies of the dense network.

    Raises
    ------
    PruneLimitError
        If the folder is another search's, damaged, or none at all.
    """

    def __init__(self, directory: Path, key: Mapping[str, Any], dense: nn.Module) -> None:
        self._directory, self._dense = directory, dense
        _claim(directory, dict(key))
        self._tries = _read_tries(directory)

    def tries(self) -> list[Try]:
        """The tries kept so far, in order."""
        return list(self._tries)

    def keep(self, finished: Try, model: nn.Module) -> None:
        """Write the try; it is there when this returns, or not at all."""
        record = json.dumps({"position": len(self._tries), **asdict(finished)})
        content = weights_bytes(model, {"format": _FORMAT, "try": record})
        write_bytes(self._path(finished), content)
        self._tries.append(finished)

    def model(self, finished: Try) -> nn.Module:
        """The network of a try, read from its file."""
        model = copy_model(self._dense)
        with _undamaged(path := self._path(finished)):
            load_model(model, str(path))
        return model.eval()

    def _path(self, finished: Try) -> Path:
        return self._directory / f"kept-{finished.kept}.safetensors"


Keeper = InMemory | Folder
"""Where a search keeps its tries."""


def _claim(directory: Path, key: dict[str, Any]) -> None:
    """Take an empty folder, or go on in one with the same key."""
    prepare_folder(directory)
    content = [path.name for path in directory.iterdir() if not path.name.startswith(".")]
    place = directory / _KEY
    if not content:
        write_json(place, {"format": _FORMAT, "key": key})
        return
    if not place.is_file():
        raise PruneLimitError(
            f"{directory} holds other things ({', '.join(sorted(content)[:3])}) and no {_KEY}; "
            "give find_limit a directory of its own"
        )
    try:
        stored = json.loads(place.read_text("utf-8"))
        theirs = stored["key"] if stored["format"] == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PruneLimitError(
            f"{place} cannot be read ({error!r}); delete {directory} to start anew"
        ) from error
    if not isinstance(theirs, dict):
        raise PruneLimitError(f"{directory / _KEY} has a format that this version does not read")
    ours = json.loads(json.dumps(key))
    different = [
        f"{name} was {theirs.get(name)!r} and is now {ours.get(name)!r}"
        for name in theirs | ours
        if not _alike(theirs.get(name), ours.get(name))
    ]
    if different:
        raise PruneLimitError(
            f"{directory} holds another search: {'; '.join(different[:5])}. Take another "
            "directory, or delete that one"
        )


def _alike(a: Any, b: Any) -> bool:
    """Equal; numbers that come from the data up to what another processor makes of them."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=_ALIKE, abs_tol=1e-12)
    return a == b


def _read_tries(directory: Path) -> list[Try]:
    found = []
    for path in directory.glob("kept-*.safetensors"):
        with _undamaged(path), safe_open(str(path), framework="pt") as file:
            record = json.loads((file.metadata() or {})["try"])
            found.append((record.pop("position"), Try(**record)))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


@contextlib.contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """What a reader of the file raises, as the user's error."""
    try:
        yield
    except Exception as error:  # what a damaged file makes its readers raise is not to be listed
        raise PruneLimitError(
            f"{path} is damaged ({error}); delete it, and that fine-tuning is done again"
        ) from error
