"""Stages of a run: each is made once, kept with what it depends on, and signed by who made it.

A stage is a file ``stages/NAME.json`` with its key (see `prunelimit.lab.store.keys`), its value,
its cost and its signatures. It is read as long as the key is the same, whoever reads it; the
signatures are those of the processes that computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from prunelimit.files import write_json
from prunelimit.lab.store.keys import Key
from prunelimit.lab.store.measurements import Measurements
from prunelimit.lab.store.provenance import describe_run, measured
from prunelimit.network.world import ALONE, World
from prunelimit.records import from_plain, to_plain
from prunelimit.results.parts import Cost, Making, Provenance

Value = TypeVar("Value")


@dataclass(frozen=True)
class Stage(Generic[Value]):
    """A stage's value, and how it was made."""

    value: Value
    making: Making


@dataclass(frozen=True)
class _Kept:
    """A stage as it lies in its file."""

    key: dict[str, Any]
    value: Any
    making: Making


@dataclass(frozen=True)
class Stages:
    """The stages of one run directory.

    Parameters
    ----------
    directory
        Of the run.
    device
        On which the stages compute: it is signed, and its memory measured.
    world
        Processes that compute together; all get the same values, the first one writes.
    command
        What was typed; None is this process's own command line.
    """

    directory: Path
    device: torch.device
    world: World = ALONE
    command: str | None = None

    def _path(self, name: str) -> Path:
        return self.directory / "stages" / f"{name}.json"

    def once(
        self,
        name: str,
        kind: type[Value],
        key: Key,
        compute: Callable[[Measurements], Value],
        seconds: Callable[[], float] | None = None,
        goes_on: bool = False,
    ) -> Stage[Value]:
        """The stage's kept value, or compute it, keep it and sign it.

        Parameters
        ----------
        name
            Of the file.
        kind
            Type of the value: a dataclass, or a class with `from_dict`.
        key
            What the value depends on.
        compute
            Gets what an earlier process of the same key has measured before it was stopped.
        seconds
            Wall time of all processes, once it is computed; by default that of this one and of
            the measurements before it.
        goes_on
            Whether an earlier process of the same key has kept a part elsewhere than in the
            measurements: only then, or where there are some, has it a share in the number.
        """
        path = self._path(name)
        kept = self.world.from_main(lambda: _stored(_Kept, path))
        if kept is None or kept.key != key.plain():
            begun = path.with_suffix(".begun.json")
            so_far = Measurements(path.with_suffix(".partial.npz"), key.digest, self.world)
            goes_on = goes_on or bool(so_far.rows)
            before = self.world.from_main(lambda: _begin(begun, key, self.sign(), goes_on))
            with measured(self.device) as spent:
                value = compute(so_far)
            total = spent.seconds + so_far.seconds_before if seconds is None else seconds()
            making = Making(Cost(total, spent.peak_bytes), key.digest, (*before, self.sign()))
            made = _Kept(key.plain(), to_plain(value), making)

            def keep() -> _Kept:
                write_json(path, to_plain(made))
                begun.unlink(missing_ok=True)
                so_far.discard()
                return made

            kept = self.world.from_main(keep)
        reader = getattr(kind, "from_dict", None)
        if reader is not None:
            return Stage(reader(kept.value), kept.making)
        return Stage(from_plain(kind, kept.value, f"stage {name}"), kept.making)

    def forget(self, name: str) -> None:
        """Make the stage again, whatever is kept."""
        self.world.from_main(lambda: self._path(name).unlink(missing_ok=True))

    def sign(self) -> Provenance:
        """This process."""
        return describe_run(self.device, self.command, self.world.size)


def _stored(kind: type[Value], path: Path) -> Value | None:
    """What lies at `path`; None where there is nothing, or damage."""
    try:
        return from_plain(kind, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # of which a PruneLimitError is one
        return None


def _begin(path: Path, key: Key, signature: Provenance, goes_on: bool) -> tuple[Provenance, ...]:
    """Note that this process begins; return the signatures of those whose work it goes on with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noted = _stored(_Begun, path) if goes_on else None
    before = noted.signatures if noted is not None and noted.key == key.digest else ()
    write_json(path, to_plain(_Begun(key.digest, (*before, signature))))
    return before


@dataclass(frozen=True)
class _Begun:
    """Who began a stage, until it is complete."""

    key: str
    signatures: tuple[Provenance, ...]
