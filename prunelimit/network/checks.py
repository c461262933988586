"""What a curvature needs of a model, a loss and a loader, checked before any long work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler

from prunelimit.errors import PruneLimitError
from prunelimit.network.copies import HALVES
from prunelimit.network.device import device_of, resolve_device
from prunelimit.network.parameters import check_kind

LossFunction = Callable[[Tensor, Tensor], Tensor]

BATCH_NORM = (nn.modules.batchnorm._BatchNorm,)
DROPOUT = (nn.modules.dropout._DropoutNd,)


def check_modes(model: nn.Module) -> None:
    """Refuse layers whose output is random or depends on the batch in training mode.

    Raises
    ------
    PruneLimitError
        If a batch normalisation or an active dropout layer is in training mode, or a batch
        normalisation has no running statistics.
    """
    for name, module in model.named_modules():
        layer = f"layer {name or 'of the model'!r} ({type(module).__name__})"
        active_dropout = isinstance(module, DROPOUT) and module.p > 0
        if module.training and (isinstance(module, BATCH_NORM) or active_dropout):
            raise PruneLimitError(
                f"{layer} is in training mode, so the loss is not a fixed function of the weights; "
                "call model.eval() first"
            )
        if isinstance(module, BATCH_NORM) and module.running_mean is None:
            raise PruneLimitError(
                f"{layer} has no running statistics and normalises each batch by its own, in eval "
                "mode, too: the loss is no mean over examples. Use track_running_stats=True, or "
                "another normalisation"
            )


def check_model(model: nn.Module) -> None:
    """Refuse models that have no numbers to differentiate, each with its remedy.

    Raises
    ------
    PruneLimitError
        For TorchScript, lazy, meta, quantised and inference-mode models, or inside
        `torch.inference_mode`.
    """
    check_kind(model)
    if torch.is_inference_mode_enabled():
        raise PruneLimitError(
            "inside torch.inference_mode nothing can be differentiated; call this outside of it"
        )
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_inference():
            raise PruneLimitError(
                f"{name} was made in torch.inference_mode and cannot be differentiated; build the "
                "model outside of it, and load its state_dict"
            )


def curvature_device(device: str | torch.device, model: nn.Module) -> torch.device:
    """Where to compute: "auto" leaves a model on an accelerator where it is, and moves others.

    Raises
    ------
    PruneLimitError
        If the name is unknown or there is no such device here.

    Examples
    --------
    >>> curvature_device("cpu", nn.Linear(1, 1))
    device(type='cpu')
    """
    if str(device) == "auto" and device_of(model).type != "cpu":
        return device_of(model)
    resolved = resolve_device(device)
    # Curvature is accumulated in float64, which MPS lacks: it is used only when asked for.
    return torch.device("cpu") if str(device) == "auto" and resolved.type == "mps" else resolved


Batch = tuple[Tensor, Tensor, Tensor | None]
"""Inputs, targets, and where the loader says so the batch's weight, 0-d or one an example."""


def drawn(loader: Iterable[Any]) -> Iterator[Any]:
    """What a loader yields; an error on its way is said to be the loader's.

    Raises
    ------
    PruneLimitError
        In place of an error of the loader's own.
    """
    position = 0
    try:
        for batch in loader:
            yield batch
            position += 1
    except Exception as error:  # the caller's own code may raise anything
        if isinstance(error, PruneLimitError) or ran_out_of_memory(error):
            raise
        raise PruneLimitError(
            f"the loader fails at batch {position}: {said(error)}. Look at its data set and "
            "collate_fn; for batch in loader: pass must go through"
        ) from error


def iterate_batches(loader: Iterable[Any]) -> Iterator[Batch]:
    """The batches of a loader, each checked for its form.

    Raises
    ------
    PruneLimitError
        If a batch is not a pair of tensors of the same length, or such a pair with a weight.

    Examples
    --------
    >>> [x.shape[0] for x, _, weight in iterate_batches([(torch.ones(3, 2), torch.ones(3))])]
    [3]
    """
    for position, batch in enumerate(drawn(loader)):
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            raise PruneLimitError(
                f"batch {position} of the loader is a {type(batch).__name__}, not a pair "
                "(inputs, targets); wrap the loader so that it yields such pairs"
            )
        inputs, targets = batch[:2]
        if not isinstance(inputs, Tensor) or not isinstance(targets, Tensor):
            raise PruneLimitError(
                f"batch {position} holds ({type(inputs).__name__}, {type(targets).__name__}); "
                "inputs and targets must be tensors"
            )
        if inputs.shape[:1] != targets.shape[:1]:
            raise PruneLimitError(
                f"batch {position} has inputs of shape {tuple(inputs.shape)} and targets of shape "
                f"{tuple(targets.shape)}; their first dimensions (examples) must agree"
            )
        weight = _weight(batch[2], len(inputs), position) if len(batch) == 3 else None
        if inputs.shape[0]:
            yield inputs, targets, weight


def _weight(given: Any, examples: int, position: int) -> Tensor:
    try:
        weight = torch.as_tensor(given, dtype=torch.float64).detach()
    except (TypeError, ValueError, RuntimeError):
        weight = torch.full((), torch.nan)
    fits = weight.numel() == 1 or weight.shape == (examples,)
    if not fits or not bool((torch.isfinite(weight) & (weight >= 0)).all()):
        raise PruneLimitError(
            f"batch {position} has a third entry that is no weight of its {examples} examples; "
            "give what the batch's mean divides by: a number of at least 0, or one an example"
        )
    return weight if weight.shape == (examples,) and examples > 1 else weight.reshape(())


def check_reiterable(loader: Iterable[Any]) -> None:
    """Refuse a generator: curvature needs the same data for every product.

    Raises
    ------
    PruneLimitError
        If the loader is no iterable, or an iterator (used up after one pass).
    """
    if not isinstance(loader, Iterable):
        raise PruneLimitError(
            f"loader is a {type(loader).__name__}, which cannot be iterated; give a DataLoader or "
            "a list of (inputs, targets) pairs"
        )
    if isinstance(loader, Iterator):
        raise PruneLimitError(
            f"loader is a {type(loader).__name__}, which is used up after one pass; give a "
            "DataLoader or a list, e.g. list(loader)"
        )


ORDER_NOTE = (
    "the loader shuffles: its batches are taken in the data set's own order, so that ε and the "
    "matrix are the same at every call"
)
_AS_GIVEN = (
    *("batch_size", "num_workers", "collate_fn", "pin_memory", "drop_last", "timeout"),
    *("worker_init_fn", "multiprocessing_context", "generator", "persistent_workers"),
)


def in_fixed_order(loader: Iterable[Any]) -> tuple[Iterable[Any], str]:
    """A loader that yields the same batches in every pass, and a note if it is not the one given.

    Of a DataLoader that shuffles without replacement, this is one over the same data set with
    the same batches' size and collation, in the order of the data set. Other loaders are
    returned as they are.

    Examples
    --------
    >>> data = torch.utils.data.TensorDataset(torch.arange(4.0), torch.zeros(4))
    >>> loader, note = in_fixed_order(DataLoader(data, 2, shuffle=True))
    >>> [inputs.tolist() for inputs, _ in loader], bool(note)
    ([[0.0, 1.0], [2.0, 3.0]], True)
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return loader, ""
    sampler = loader.sampler
    if type(sampler) is not RandomSampler or type(loader.batch_sampler) is not BatchSampler:
        return loader, ""
    if sampler.replacement or sampler.num_samples != len(loader.dataset):  # type: ignore[arg-type]
        return loader, ""
    settings: dict[str, Any] = {name: getattr(loader, name) for name in _AS_GIVEN}
    return DataLoader(loader.dataset, shuffle=False, **settings), ORDER_NOTE


@dataclass(frozen=True)
class _AtEpoch:
    loader: Any
    epoch: int

    def __iter__(self) -> Iterator[Any]:
        self.loader.set_epoch(self.epoch)
        return iter(self.loader)


def at_its_epoch(loader: Iterable[Any]) -> Iterable[Any]:
    """The batches of the epoch that a loader is in, also after training has gone through others.

    Loaders without `set_epoch` are returned as they are.

    Raises
    ------
    PruneLimitError
        If a loader does not say in its attribute `epoch` which epoch that is.

    Examples
    --------
    >>> at_its_epoch([1, 2])
    [1, 2]
    """
    if not hasattr(loader, "set_epoch"):
        return loader
    if getattr(loader, "epoch", None) is None:
        raise PruneLimitError(
            "the loader has set_epoch and no attribute epoch, so that what is measured could not "
            "be told apart from what is trained on: let set_epoch keep the number as epoch"
        )
    return _AtEpoch(loader, loader.epoch)  # type: ignore[attr-defined]


def in_double_precision(loss_fn: LossFunction, device: torch.device) -> LossFunction:
    """The same loss, computed in float64 from the outputs where it can be.

    The curvature of a confident example is p (1 - p), which cancels in float32. In
    float64 it costs next to nothing: there are few outputs.

    Examples
    --------
    >>> loss = in_double_precision(nn.functional.cross_entropy, torch.device("cpu"))
    >>> loss(torch.zeros(1, 2), torch.tensor([0])).dtype
    torch.float64
    """
    if device.type == "mps":
        return loss_fn

    def wide(outputs: Tensor, targets: Tensor) -> Tensor:
        truth = targets.double() if targets.is_floating_point() else targets
        try:
            return loss_fn(outputs.double(), truth)
        except RuntimeError:  # it holds tensors of its own, in single precision most often
            if outputs.dtype != torch.float64:
                return loss_fn(outputs, targets)
            return loss_fn(outputs.float(), targets.float() if truth is not targets else targets)

    return wide


def of_half_in_double(loss_fn: LossFunction, device: torch.device) -> LossFunction:
    """The same loss, in float64 of outputs in half precision, in which it would be rounded.

    Examples
    --------
    >>> loss = of_half_in_double(nn.functional.mse_loss, torch.device("cpu"))
    >>> loss(torch.ones(1).half(), torch.zeros(1).half()).dtype, loss(*torch.ones(2, 1)).dtype
    (torch.float64, torch.float32)
    """
    wide = in_double_precision(loss_fn, device)
    return lambda outputs, targets: (wide if outputs.dtype in HALVES else loss_fn)(outputs, targets)


def one_number(loss: Any) -> Tensor:
    """The loss of a batch, refused unless it is a tensor of one entry.

    Raises
    ------
    PruneLimitError
        If it is not.

    Examples
    --------
    >>> one_number(torch.ones(1))
    tensor([1.])
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise PruneLimitError(
            f"the loss of a batch has shape {shape}; it must be one number, the mean over the "
            "examples (reduction='mean')"
        )
    return loss


def scalar_loss(loss_fn: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of a batch, refused unless it is one finite number.

    Raises
    ------
    PruneLimitError
        If the loss is no scalar tensor, or NaN or infinite.

    Examples
    --------
    >>> float(scalar_loss(nn.functional.mse_loss, torch.ones(2, 1), torch.zeros(2, 1)))
    1.0
    """
    loss = one_number(loss_fn(outputs, targets))
    if not bool(torch.isfinite(loss).all()):
        raise PruneLimitError(
            f"the loss of a batch is {float(loss.detach())}; curvature there means nothing. Look "
            "for NaN or infinite values in the data and the weights, or a diverged training"
        )
    return loss.reshape(())


def ran_out_of_memory(error: Exception) -> bool:
    """Whether an error says that there was no memory left, and nothing of the model or the data.

    Examples
    --------
    >>> ran_out_of_memory(MemoryError()), ran_out_of_memory(RuntimeError("shapes do not fit"))
    (True, False)
    """
    kinds = (torch.cuda.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or "allocate memory" in str(error)


@contextmanager
def on_any_examples() -> Iterator[None]:
    """What model or loss raise on some of the examples, in the user's terms.

    Raises
    ------
    PruneLimitError
        In place of an error of theirs.
    """
    try:
        yield
    except PruneLimitError:
        raise
    except Exception as error:  # the caller's own code may raise anything
        if ran_out_of_memory(error):
            raise
        raise PruneLimitError(
            f"model or loss_fn fail on some of the examples: {said(error)}. "
            "Look for a batch with inputs or labels that they do not take. They have to take any "
            "number of examples: a loss over the whole batch (contrastive, top-k) is no mean over "
            "examples and has no curvature of that kind"
        ) from error


def said(error: Exception) -> str:
    """An error's kind and the beginning of its words, for a message.

    Examples
    --------
    >>> said(ValueError("no such thing."))
    'ValueError: no such thing'
    """
    return f"{type(error).__name__}: {str(error).strip()[:200].rstrip('.')}"
