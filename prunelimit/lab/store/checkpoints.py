"""Checkpoints that are whole or absent, whenever the process is killed.

A checkpoint is a folder ``epoch-0007`` with ``weights.safetensors``,
``optimizer.pt`` and ``checkpoint.json``. It is written under another name and
renamed once it is complete: a rename is atomic, so the folder of the highest
epoch is always a consistent set.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.files import flush
from prunelimit.lab.store.keys import differences, digest_of_file, leaves
from prunelimit.lab.store.locks import owned
from prunelimit.network.contents import shared_names, weights_bytes

FORMAT = 2
WEIGHTS, OPTIMIZER, RECORD = "weights.safetensors", "optimizer.pt", "checkpoint.json"
_NAME = re.compile(r"epoch-(\d+)")
_UNFINISHED = ".unfinished-"
_KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights")
"""Under which training scripts keep a model's state dict beside other things."""

_WRAPPERS = ("module.", "model.", "_orig_mod.", "net.", "network.")
"""Prefixes that DataParallel, AveragedModel, Lightning and torch.compile leave behind."""


class CheckpointWarning(UserWarning):
    """A file was read in another way than as it stands."""


@dataclass(frozen=True)
class SavedEpoch:
    """A checkpoint on disk.

    Attributes
    ----------
    path
        Its folder.
    epoch
        Epochs done.
    run
        What the run was started with; see `require_same_run`.
    history
        One entry an epoch, beginning with epoch 0.
    """

    path: Path
    epoch: int
    run: dict[str, Any]
    history: list[dict[str, Any]]

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.path / WEIGHTS


@contextlib.contextmanager
def exclusive(run_dir: Path) -> Iterator[None]:
    """Own `run_dir` while a run writes to it, and clear what a killed run left half-written.

    The lock belongs to the process: it is gone as soon as the process is, however it ended.

    Raises
    ------
    PruneLimitError
        If another run holds it, or the folder cannot be made.
    """
    with owned(run_dir):
        for leftover in run_dir.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def save(
    run_dir: Path,
    epoch: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    run: Mapping[str, Any],
    history: list[dict[str, Any]],
) -> SavedEpoch:
    """Write the checkpoint of `epoch`; it appears complete or not at all."""
    target = run_dir / f"epoch-{epoch:04d}"
    unfinished = run_dir / f"{_UNFINISHED}{secrets.token_hex(8)}"
    try:
        unfinished.mkdir()
        (unfinished / WEIGHTS).write_bytes(weights_bytes(model))
        # Not by torch itself: it says of a full disk that its writer failed.
        buffer = io.BytesIO()
        torch.save(optimizer.state_dict(), buffer)
        (unfinished / OPTIMIZER).write_bytes(buffer.getbuffer())
        record = {
            "format": FORMAT,
            "epoch": epoch,
            "run": run,
            "history": history,
            "sha256": {name: digest_of_file(unfinished / name) for name in (WEIGHTS, OPTIMIZER)},
        }
        (unfinished / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        for path in (*unfinished.iterdir(), unfinished):
            flush(path)
        os.replace(unfinished, target)
        flush(run_dir)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return SavedEpoch(target, epoch, dict(run), history)


def drop_older(newest: SavedEpoch) -> None:
    """Remove the checkpoints before `newest`."""
    for epoch, path in _found(newest.path.parent):
        if epoch < newest.epoch:
            # Renamed first, so that no half-removed folder bears a checkpoint's name.
            doomed = path.with_name(f"{_UNFINISHED}{path.name}")
            os.replace(path, doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def set_aside(run_dir: Path) -> Path:
    """Move what is in `run_dir` to a folder of its own in it, and return that."""
    aside = Path(tempfile.mkdtemp(dir=run_dir, prefix="other-code-"))
    for path in run_dir.iterdir():
        if not path.name.startswith((".lock", "other-code-")):
            os.replace(path, aside / path.name)
    return aside


def latest(run_dir: str | os.PathLike[str]) -> SavedEpoch | None:
    """The newest checkpoint in `run_dir`, verified; None if there is none.

    Raises
    ------
    PruneLimitError
        If it is damaged: a bit has changed, or a file is missing.
    """
    found = _found(Path(run_dir))
    return read(max(found)[1]) if found else None


def read(path: Path) -> SavedEpoch:
    """The checkpoint in the folder `path`, with its files verified against their digests.

    Raises
    ------
    PruneLimitError
        If it is damaged, or of another format.
    """
    remedy = f"delete {path} to go on from the checkpoint before it, if there is one"
    try:
        record = json.loads((path / RECORD).read_text())
        checkpoint = SavedEpoch(path, record["epoch"], record["run"], record["history"])
        digests, version = record["sha256"], record["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PruneLimitError(
            f"checkpoint {path} is corrupt: {RECORD} cannot be read ({error!r}); {remedy}"
        ) from error
    if version != FORMAT:
        raise PruneLimitError(
            f"checkpoint {path} has format {version!r}, this version reads {FORMAT}; {remedy}"
        )
    for name in (WEIGHTS, OPTIMIZER):
        if not (path / name).is_file() or digest_of_file(path / name) != digests.get(name):
            raise PruneLimitError(
                f"checkpoint {path} is corrupt: {name} is missing or has changed; {remedy}"
            )
    return checkpoint


def restore(checkpoint: SavedEpoch, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put the weights and the optimiser's state back, in place.

    Raises
    ------
    PruneLimitError
        If they do not fit.
    """
    load_checkpoint(model, checkpoint.weights)
    state = torch.load(checkpoint.path / OPTIMIZER, map_location="cpu", weights_only=True)
    try:
        optimizer.load_state_dict(state)
    except (ValueError, KeyError) as error:
        raise PruneLimitError(
            f"{checkpoint.path / OPTIMIZER} does not fit this model's optimiser: {error}"
        ) from error


def require_same_run(checkpoint: SavedEpoch, run: Mapping[str, Any]) -> None:
    """Refuse to continue a run that was started differently, and name each difference.

    Raises
    ------
    PruneLimitError
        If configuration, model, initial weights, loss or data differ.
    """
    different = differences(checkpoint.run, run)
    if not different:
        return
    theirs, ours = leaves(checkpoint.run), leaves(run)
    changes = [
        f"{name} was {theirs.get(name, 'absent')!r} and is now {ours.get(name, 'absent')!r}"
        for name in different
    ]
    raise PruneLimitError(
        f"{checkpoint.path.parent} holds another run: {_listed(changes)}. Take another run_dir, or "
        "delete that one; a run is continued only with what it was started with (build the model "
        "anew with the same seed)"
    )


def load_checkpoint(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load weights into `model`, in place; nothing in the file is ever executed.

    Parameters
    ----------
    model
        Its parameters and buffers have to match in name and shape.
    path
        A ``.safetensors`` file, a state dict saved by ``torch.save`` (alone or
        under a key such as ``state_dict`` or ``model_state_dict``), or a folder
        written by `training.train` (a run, or one of its epochs).

    Raises
    ------
    PruneLimitError
        If the file is missing, damaged, holds more than tensors, belongs to
        another model, or has weights that are not finite. The model is then
        unchanged.

    Warns
    -----
    CheckpointWarning
        If a prefix that a wrapper left before every name (``module.``,
        ``model.``, ``_orig_mod.``) was taken off.

    Examples
    --------
    >>> import tempfile
    >>> model, copy = nn.Linear(2, 1), nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(model.state_dict(), f"{folder}/model.pt")
    ...     load_checkpoint(copy, f"{folder}/model.pt")
    >>> torch.equal(model.weight, copy.weight)
    True
    """
    path = _weights_file(Path(path))
    tensors = _read_tensors(path)
    tensors, prefix = _without_wrapper(model, tensors)
    for name, first in shared_names(model).items():
        if first in tensors:
            tensors.setdefault(name, tensors[first])
    _check_fit(model, tensors, path)
    model.load_state_dict(tensors)
    if prefix:
        warnings.warn(
            f"{path}: the prefix {prefix!r} was taken off all {len(tensors)} names",
            CheckpointWarning,
            stacklevel=2,
        )


def _weights_file(path: Path) -> Path:
    if (path / WEIGHTS).is_file():
        return path / WEIGHTS
    if path.is_dir():
        newest = latest(path)
        if newest is None:
            raise PruneLimitError(f"{path} holds no checkpoint (no folder epoch-…)")
        return newest.weights
    if not path.is_file():
        raise PruneLimitError(f"there is no checkpoint at {path}")
    return path


def _read_tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        try:
            return dict(safetensors.torch.load_file(path))
        except (SafetensorError, OSError, ValueError) as error:
            raise PruneLimitError(f"{path} is no readable safetensors file: {error}") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle or archive can raise nearly anything
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise PruneLimitError(
            f"{path} cannot be loaded as tensors only ({reason}). If it holds a whole pickled "
            "model, save model.state_dict() (or safetensors) where that model's code is"
        ) from error
    if isinstance(content, dict):
        inside = [key for key in _KEYS if isinstance(content.get(key), dict)]
        content = content[inside[0]] if inside else content
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        held = (
            f"a dictionary of {', '.join(map(str, content))}" if isinstance(content, dict) else ""
        )
        raise PruneLimitError(
            f"{path} holds no state dict (names to tensors) but "
            f"{held[:200] or type(content).__name__}; save the weights alone, model.state_dict()"
        )
    return dict(content)


def _without_wrapper(model: nn.Module, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors without the prefix of a wrapper, if that makes the names fit; and the prefix."""
    expected = model.state_dict().keys()
    prefix = _fitting_prefix(expected, tensors)
    wrapped = re.fullmatch(rf"({'|'.join(map(re.escape, _WRAPPERS))})+", prefix)
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    # An AveragedModel counts its averages beside the model.
    if not wrapped or tensors.keys() - own.keys() - {"n_averaged"}:
        return tensors, ""
    return {name.removeprefix(prefix): tensor for name, tensor in own.items()}, prefix


def _fitting_prefix(expected: Collection[str], found: Collection[str]) -> str:
    """What stands before every expected name in `found`; empty if nothing does."""
    if not expected or set(expected) & set(found):
        return ""
    first = next(iter(expected))
    prefixes = [name.removesuffix(first) for name in found if name.endswith(f".{first}")]
    # Tied weights may be stored once: most names have to be there, not all.
    fits = {p: sum(p + name in found for name in expected) / len(expected) for p in prefixes}
    best = max(fits, key=lambda prefix: fits[prefix], default="")
    return best if best and fits[best] > 0.5 else ""


def _check_fit(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    expected = model.state_dict()
    wrong = [f"{name} is missing" for name in expected if name not in tensors]
    wrong += [f"{name} is not in the model" for name in tensors if name not in expected]
    wrong += [
        f"{name} has shape {tuple(tensors[name].shape)}, the model's {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if wrong:
        raise PruneLimitError(
            f"{path} does not fit {type(model).__name__}: {_listed(wrong)}"
            f"{_hint(expected, tensors)}"
        )
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise PruneLimitError(
            f"{path} holds values that are not finite, in {', '.join(broken[:5])}"
        )


def _listed(faults: list[str]) -> str:
    return "; ".join(faults[:5]) + (f" (and {len(faults) - 5} more)" if len(faults) > 5 else "")


def _hint(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str:
    """Which prefix would make the names fit, as the end of a message."""
    if prefix := _fitting_prefix(expected, tensors):
        return f". Its names fit once {prefix!r} is taken off: save that part of it"
    if prefix := _fitting_prefix(tensors, expected):
        return f". They fit the part of the model under {prefix.rstrip('.')!r}: load them there"
    return ""


def _found(run_dir: Path) -> list[tuple[int, Path]]:
    matches = ((_NAME.fullmatch(path.name), path) for path in run_dir.glob("epoch-*"))
    return [(int(match.group(1)), path) for match, path in matches if match]
