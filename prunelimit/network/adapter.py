"""Models, batches and losses as people have them, brought to one form.

Everything behind the public calls knows one form: a batch is ``(inputs, targets)``, two tensors
of examples, ``model(inputs)`` is a tensor of examples, and the loss is ``loss_fn(outputs,
targets)``. What has that form already passes through as it is. Dictionaries, several inputs, and
outputs that are tuples, dictionaries or objects are packed into tensors (`packing`), a thin module
around the model and a function around the loss unpack them again.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import check_reiterable, drawn
from prunelimit.network.device import device_of
from prunelimit.network.form import OutputForm, read_by_loss
from prunelimit.network.packing import Cast, Packer, Path, leaves, rebuilt
from prunelimit.network.undisturbed import undisturbed
from prunelimit.network.view import ModelView, PackedLoss, unwrapped

Loader = Iterable[Any]
"""Batches, the same in every pass: ``(inputs, targets)``, or as `adapt` takes them."""

Loss = Callable[..., Tensor]
"""``loss_fn(outputs, targets)``, or ``loss_fn(outputs, batch)`` where ``forward`` is given."""

Forward = Callable[[nn.Module, Any], Any]
"""``forward(model, batch)``: the outputs for a batch as the loader yields it."""

TARGETS = ("labels", "label", "targets", "target")
"""Names under which a batch that is a dictionary may hold its targets."""


class Adapted(NamedTuple):
    """A model, a loss and a loader in the one form: the caller's own, or wrapped."""

    model: nn.Module
    loss_fn: Loss
    loader: Loader


def adapt(
    model: nn.Module,
    loss_fn: Loss,
    loader: Loader,
    forward: Forward | None = None,
) -> Adapted:
    """Bring a model, a loss and a loader to the one form, as the first batch shows.

    Parameters
    ----------
    model
        Left untouched; a compiled one is unwrapped.
    loss_fn
        ``loss_fn(outputs, targets)``. Where the batch is a dictionary, the targets are its entry
        ``labels`` (or ``label``, ``targets``, ``target``), and it may as well be
        ``loss_fn(outputs, batch)``; it is so where there is no such entry, and with `forward`.
    loader
        Yields ``(inputs, targets)``, optionally with a weight as third entry, where inputs are a
        tensor, a tuple (``model(*inputs)``) or a dictionary (``model(**inputs)``); or flat tuples,
        the targets last, of as many inputs as the model demands; or dictionaries.
    forward
        ``forward(model, batch)`` gives the outputs for batches of any other kind.

    Raises
    ------
    PruneLimitError
        If the form is ambiguous, or model and loss fail on the first batch.

    Examples
    --------
    >>> data = [{"input": torch.ones(3, 2), "labels": torch.zeros(3, 1)}]
    >>> model, loss_fn, loader = adapt(nn.Linear(2, 1), nn.functional.mse_loss, data)
    >>> [(inputs, targets)] = loader
    >>> model(inputs).shape, targets.shape
    (torch.Size([3, 1]), torch.Size([3, 1]))
    """
    model = unwrapped(model)
    as_given = Adapted(model, loss_fn, loader)
    if isinstance(model, ModelView) or not (isinstance(model, nn.Module) and callable(loss_fn)):
        return as_given  # done already, or refused where it is used
    if any(isinstance(parameter, UninitializedParameter) for parameter in model.parameters()):
        return as_given  # refused later: a trial would give it values
    check_reiterable(loader)
    reader = _Reader(model, forward)
    with undisturbed(model, loader, loss_fn), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what an attempt that fails has to say
        model.eval()
        first = next(drawn(loader), None)
        if first is None or _is_plain(model, reader, first):
            return as_given
        form = _try_out(model, loss_fn, reader, first)
    return Adapted(
        ModelView(model, reader.call, form),
        PackedLoss(loss_fn, form, reader.truth),
        StructuredLoader(loader, reader),
    )


def _is_plain(model: nn.Module, reader: _Reader, batch: Any) -> bool:
    """Whether batches and outputs have the one form; also where the model fails on the batch.

    What fails is refused later, with the shapes of the batch.
    """
    if reader.forward is not None or isinstance(batch, Mapping):
        return False
    inputs, targets, _ = reader.parts(batch)
    if not (isinstance(inputs, Tensor) and isinstance(targets, Tensor)):
        return False
    try:
        outputs = model(_placed(inputs[:2], model))
    except Exception:
        return True
    return isinstance(outputs, Tensor)


def _try_out(model: nn.Module, loss_fn: Loss, reader: _Reader, batch: Any) -> OutputForm:
    """Run the first examples through, to see what the loss takes and which outputs it reads."""
    inputs, targets, _ = reader.parts(batch)
    reader.packs = not isinstance(inputs, Tensor) or reader.forward is not None
    attempts = [True] if targets is None else [False] + [True] * isinstance(batch, Mapping)
    failures: list[Exception] = []
    for reader.takes_batch in attempts:
        try:
            return _read(model, loss_fn, reader, batch)
        except PruneLimitError:
            raise
        except Exception as failure:  # the caller's own code may raise anything
            failures.append(failure)
    found = {path: leaf for path, leaf in leaves(batch).items() if isinstance(leaf, Tensor)}
    shapes = [f"{'.'.join(map(str, path))} {tuple(leaf.shape)}" for path, leaf in found.items()]
    raise PruneLimitError(
        f"model and loss fail on the first batch ({', '.join(shapes)}): "
        f"{type(failures[0]).__name__}: {failures[0]}. Check that the loader yields what the model "
        "and loss_fn take, or give forward=, a function (model, batch) -> outputs"
    ) from failures[0]


def _read(model: nn.Module, loss_fn: Loss, reader: _Reader, batch: Any) -> OutputForm:
    """The outputs that the loss reads of the first batch."""
    rows, truth = _placed(tuple(reader.pack(0, batch)[:2]), model)
    outputs = reader.call(model, rows, None)
    fixed = _without_weights(model, reader, rows[:2])
    return read_by_loss(
        outputs, lambda built: loss_fn(built, reader.truth(truth, None)), len(rows), fixed
    )


def _without_weights(model: nn.Module, reader: _Reader, rows: Tensor) -> set[Path]:
    """Paths of the outputs that do not depend on the weights, as far as a few examples tell."""
    try:
        with torch.enable_grad():
            found = leaves(reader.call(model, rows, None))
    except Exception:  # it takes whole batches alone
        return set()
    tensors = {path: leaf for path, leaf in found.items() if isinstance(leaf, Tensor)}
    fixed = {path for path, tensor in tensors.items() if not tensor.requires_grad}
    return set() if len(fixed) == len(tensors) else fixed  # all: a frozen model


def _placed(value: Any, model: nn.Module) -> Any:
    place = device_of(model)
    return rebuilt(value, lambda _, leaf: leaf.to(place) if isinstance(leaf, Tensor) else leaf)


class _Reader:
    """How batches of a loader become inputs, targets and a weight, packed where they must be."""

    def __init__(self, model: nn.Module, forward: Forward | None) -> None:
        self.forward = forward
        self.packs, self.takes_batch = True, False
        self.inputs, self.targets = Packer(), Packer()
        self.kind = type(model).__name__
        self.required, self.accepted = _positions(model)

    def parts(self, batch: Any) -> tuple[Any, Any, Any]:
        """Inputs, targets and weight of a batch; targets None stands for the batch itself."""
        if self.forward is not None:
            return batch, None, None
        if isinstance(batch, Mapping):
            name = next((name for name in TARGETS if batch.get(name) is not None), None)
            inputs = {key: value for key, value in batch.items() if key != name}
            return inputs, None if name is None else batch[name], None
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise PruneLimitError(
                f"a batch of the loader is a {type(batch).__name__}, not a pair (inputs, targets) "
                "and no dictionary; give forward=, a function (model, batch) -> outputs"
            )
        if len(batch) == 2:
            return batch[0], batch[1], None
        return self._flat(tuple(batch))

    def _flat(self, batch: tuple[Any, ...]) -> tuple[Any, Any, Any]:
        """Tuples of three and more: several inputs by what the model demands, or a weight."""
        count = len(batch) - 1
        if not isinstance(batch[0], Tensor) and len(batch) == 3:
            return batch
        if self.required == count:
            return batch[:-1], batch[-1], None
        weighs = not isinstance(batch[2], Tensor) or batch[2].ndim == 0
        if len(batch) == 3 and (self.accepted == 1 or (self.required == 1 and weighs)):
            return batch
        raise PruneLimitError(
            f"batches of {len(batch)} entries are ambiguous for {self.kind}, whose forward demands "
            f"{self.required} inputs: give ((first, second, …), targets), dictionaries, "
            "(inputs, targets, weight) with inputs that are no tensor, or forward="
        )

    def pack(self, position: int, batch: Any) -> tuple[Any, ...]:
        """The batch in the one form, and with its weight if it has one."""
        inputs, targets, weight = self.parts(batch)
        what = f"batch {position} of the loader"
        if self.takes_batch:
            targets = batch
        if self.takes_batch or not isinstance(targets, Tensor):
            targets = self.targets.pack(targets, what)
        rows = self.inputs.pack(inputs, what) if self.packs else inputs
        return (rows, targets) if weight is None else (rows, targets, weight)

    def call(self, model: nn.Module, rows: Tensor, cast: Cast | None) -> Any:
        """The outputs for packed inputs."""
        inputs = self.inputs.unpack(rows, cast) if self.packs else rows
        if self.forward is not None:
            return self.forward(model, inputs)
        if isinstance(inputs, Mapping):
            return model(**inputs)
        return model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)

    def truth(self, targets: Tensor, cast: Cast | None) -> Any:
        """What the loss takes beside the outputs."""
        packed = self.takes_batch or self.targets.used
        return self.targets.unpack(targets, cast) if packed else targets

    def __deepcopy__(self, memo: object) -> _Reader:
        """Copies of a model go on reading what the loader packs from now on."""
        return self


def _positions(model: nn.Module) -> tuple[int, float]:
    """How many inputs `forward` demands by position, and how many it accepts."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return 1, 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    places = [p for p in parameters if p.kind in kinds]
    open_ended = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    required = sum(p.default is inspect.Parameter.empty for p in places)
    return required, float("inf") if open_ended else len(places)


class StructuredLoader:
    """Batches of a loader in the one form."""

    def __init__(self, loader: Loader, reader: _Reader) -> None:
        self.loader, self.reader = loader, reader

    def __iter__(self) -> Iterator[Any]:
        for position, batch in enumerate(self.loader):
            yield self.reader.pack(position, batch)

    def set_epoch(self, epoch: int) -> None:
        """Tell the loader which epoch is next, if it wants to know."""
        if hasattr(self.loader, "set_epoch"):
            self.loader.set_epoch(epoch)
