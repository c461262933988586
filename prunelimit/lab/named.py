"""What a command line names, ``module:name`` or a data set: the model, the loss, the data."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from prunelimit.errors import PruneLimitError
from prunelimit.names import printable

if TYPE_CHECKING:
    from torch import Tensor, nn


def attribute(reference: str, what: str) -> Any:
    """What ``module:name`` refers to; modules of the working directory are found too.

    Raises
    ------
    PruneLimitError
        If it has another form, or there is no such module or name.
    """
    module_name, _, name = reference.partition(":")
    if not module_name or module_name.startswith(".") or not name:
        raise PruneLimitError(f"{what} must be given as module:name, got {reference!r}")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise PruneLimitError(
            f"cannot import {module_name!r} for {what} ({error}); "
            "run from the directory that holds it, or set PYTHONPATH"
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise PruneLimitError(f"module {module_name!r} has no {name!r} ({what})") from None


def tell(line: str, err: bool = False) -> None:
    """Print one line, whatever the names in it."""
    typer.echo(printable(line), err=err)


def require_safetensors(output: Path) -> None:
    """Refuse another name for weights, which nothing could read by it.

    Raises
    ------
    PruneLimitError
        If the name does not end in .safetensors.
    """
    if output.suffix != ".safetensors":
        raise PruneLimitError(
            f"--output {output} is for the weights, which are written as safetensors: give a name "
            "that ends in .safetensors"
        )


def refuse_overwriting(output: Path, *read: Path | None) -> None:
    """Refuse to write over what the command reads: the dense weights, a report.

    Raises
    ------
    PruneLimitError
        If `output` is one of these files.
    """
    for given in read:
        if given is not None and output.exists() and given.exists() and output.samefile(given):
            raise PruneLimitError(
                f"{output} would replace {given}, which this command reads; give another --output"
            )


def model_of(reference: str, checkpoint: Path | None) -> nn.Module:
    """The model that a factory makes, with the weights of a checkpoint, in eval mode.

    Raises
    ------
    PruneLimitError
        If what is named makes no model, or the checkpoint does not fit it.
    """
    from torch import nn

    from prunelimit.lab.store.checkpoints import CheckpointWarning, load_checkpoint

    factory = attribute(reference, "the model")
    model = factory() if callable(factory) and not isinstance(factory, nn.Module) else factory
    if not isinstance(model, nn.Module):
        raise PruneLimitError(
            f"{reference} is or returned a {type(model).__name__}, not a torch.nn.Module"
        )
    if checkpoint is not None:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", CheckpointWarning)
            load_checkpoint(model, checkpoint)
        for note in said:
            tell(f"note: {note.message}", err=True)
    return model.eval()


def loss_of(reference: str) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss of `torch.nn.functional`, or the user's own.

    Raises
    ------
    PruneLimitError
        If there is no loss of that name.
    """
    from torch.nn import functional

    if ":" in reference:
        return attribute(reference, "the loss")
    if not callable(getattr(functional, reference, None)):
        raise PruneLimitError(
            f"torch.nn.functional has no loss {reference!r}; try cross_entropy or mse_loss, "
            "or give module:function"
        )
    return getattr(functional, reference)


def loader_of(
    reference: str, root: Path | None, batch_size: int, examples: int | None, seed: int
) -> Iterable[tuple[Tensor, Tensor]]:
    """A named data set's un-augmented training examples, or what ``module:factory`` returns."""
    from prunelimit.lab import data

    if ":" in reference:
        source = attribute(reference, "the data")
        return source() if callable(source) else source
    batches = data.load(reference, root, seed).train_eval.with_batch_size(batch_size)
    return batches if examples is None else batches.subset(examples, seed)
