"""Copies of somebody else's model: one way to copy it, and one to compute it elsewhere.

`copy_together` copies what `copy.deepcopy` refuses (a tensor that belongs to a graph, as a
masked or weight-normalised layer holds it after a step) and copies a loss with the model that
it reads. `place` moves such a copy to another precision or device, tries it on a few examples
against the original, and falls back to the original where the two are not the same function.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.reading import Reading
from prunelimit.network.view import unwrapped

Loss = Callable[..., Any]
Try = Callable[[nn.Module, Loss], Tensor]
"""The loss of some examples by the model and loss given, moved to where the model is."""

HALVES = (torch.float16, torch.bfloat16)


def copy_model(model: nn.Module, keep: Iterable[Tensor] = ()) -> nn.Module:
    """A deep copy that shares nothing with `model` but the tensors `keep`.

    Its tensors may belong to a graph.

    Raises
    ------
    PruneLimitError
        If the model holds something that cannot be copied.

    Examples
    --------
    >>> from torch.nn.utils import prune
    >>> layer = prune.identity(nn.Linear(2, 1), "weight")
    >>> copied = copy_model(layer)  # copy.deepcopy refuses its computed weight
    >>> torch.equal(copied.weight, layer.weight), copied.weight_orig is layer.weight_orig
    (True, False)
    """
    return copy_together(model, None, keep)[0]


def copy_together(
    model: nn.Module, loss_fn: Any, keep: Iterable[Tensor] = ()
) -> tuple[nn.Module, Any]:
    """Copies of a model and its loss, in which a loss that holds the model holds the copy.

    The tensors `keep` are shared, all else is copied.

    Modules, callable objects, bound methods and `functools.partial` are copied; a plain
    function is not, so that it goes on reading what its closure and its module hold.

    Raises
    ------
    PruneLimitError
        If one of them holds something that cannot be copied, or a copy's forward would go on
        reading the original.

    Examples
    --------
    >>> def loss(network, outputs, targets):
    ...     return (outputs - targets).square().mean() + network.weight.square().sum()
    >>> layer = nn.Linear(1, 1)
    >>> copied, copied_loss = copy_together(layer, partial(loss, layer))
    >>> copied_loss.args[0] is copied
    True
    """
    model = unwrapped(model)
    _refuse_held_modules(model)
    memo = {id(t): t.detach().clone() for t in _graph_tensors((model, loss_fn))}
    memo |= {id(t): t for t in keep}
    try:
        copied, copied_loss = copy.deepcopy((model, loss_fn), memo)
    except (TypeError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise PruneLimitError(
            f"{type(model).__name__} cannot be copied ({type(error).__name__}: {error}). Take what "
            "cannot be copied (an open file, a lock, a generator) out of it, or give the class "
            "that holds it a __deepcopy__"
        ) from error
    return copied, copied_loss


def _refuse_held_modules(model: nn.Module) -> None:
    """A function that is an attribute keeps, in a copy, the modules that it closes over."""
    for name, module in model.named_modules():
        for attribute, held in vars(module).items():
            while isinstance(held, partial | types.MethodType):
                held = held.func if isinstance(held, partial) else held.__func__
            inside = _closure(held) if isinstance(held, types.FunctionType) else ()
            if any(isinstance(getattr(one, "__self__", one), nn.Module) for one in inside):
                raise PruneLimitError(
                    f"the {attribute} of {name or 'the model'} is a function that holds a module, "
                    "so that a copy would go on computing with the original's weights; make it a "
                    "method, wrap the model in a torch.nn.Module, or set "
                    "functools.partial(function, module)"
                )


def _closure(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not set yet
            yield cell.cell_contents


def _graph_tensors(root: Any) -> Iterator[Tensor]:
    """Tensors that a deep copy would meet and that are no leaves of the graph."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            if not item.is_leaf:
                yield item
        else:
            waiting += _held(item)


def held_modules(thing: Any, depth: int = 4) -> Iterator[nn.Module]:
    """The modules that a function or an object is or holds, by partials, attributes or a closure.

    Long containers, of data most often, are not searched.

    Examples
    --------
    >>> layer = nn.Linear(1, 1)
    >>> [found is layer for found in held_modules(partial(layer))]
    [True]
    """
    if isinstance(thing, nn.Module):
        yield thing
    elif depth and not isinstance(thing, Tensor):
        inside: list[Any] = []
        with contextlib.suppress(Exception):  # the caller's own objects may raise anything
            inside = list(itertools.islice(_inside(thing), 100))
        for item in inside:
            yield from held_modules(item, depth - 1)


def _inside(thing: Any) -> Iterable[Any]:
    if not isinstance(thing, types.FunctionType):
        return _held(thing)
    defaults = (*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values())
    return itertools.chain(_closure(thing), defaults)


def _held(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return item.values()
    if isinstance(item, (list, tuple, set)):
        return item
    if isinstance(item, partial):
        return (item.func, item.args, item.keywords)
    if isinstance(item, types.MethodType):
        return (item.__self__,)
    if isinstance(item, (type, types.FunctionType, types.ModuleType)):
        return ()
    return vars(item).values() if hasattr(item, "__dict__") else ()


@dataclass(frozen=True)
class Placement:
    """Where a model is computed: the caller's own or copies, and whether half was widened.

    The note says what differs from the precision or device asked for; or is empty.
    """

    model: nn.Module
    loss_fn: Loss
    note: str = ""
    half: bool = False


def place(
    model: nn.Module,
    loss_fn: Loss,
    attempt: Try,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> Placement:
    """The model and loss themselves, or tried copies where device or precision differ.

    Real numbers of a lower precision become `dtype`, complex ones the same; None leaves them. Half
    precision becomes float32 in any case. The caller's model and loss are left untouched; `attempt`
    gives the loss of some examples, with its graph.

    Raises
    ------
    PruneLimitError
        If half precision is all that the model can be computed in, or it cannot be computed.

    Examples
    --------
    >>> layer, inputs = nn.Linear(1, 1), torch.ones(1, 1)
    >>> attempt = lambda model, loss: loss(model(inputs.to(model.weight)), inputs.to(model.weight))
    >>> wide = place(layer, nn.functional.mse_loss, attempt, torch.device("cpu"), torch.float64)
    >>> wide.model.weight.dtype, layer.weight.dtype, wide.note
    (torch.float64, torch.float32, '')
    """
    held = [p for p in model.parameters() if p.is_floating_point()]
    half = next((p.dtype for p in held if p.dtype in HALVES), None)
    wanted = torch.float32 if half is not None and dtype is None else dtype
    # A hook on a parameter changes its gradient, so that no product would be of the loss.
    fits = all(
        p.device == device and _wide(p.dtype, wanted) == p.dtype and not p._backward_hooks
        for p in held
    )
    if fits:
        return Placement(model, loss_fn)
    reason = ""
    try:
        copied, copied_loss = copy_together(model, loss_fn)
        copied = converted(copied, device, wanted)
        copied_loss = converted(copied_loss, device, wanted)
        reason = _difference(model, loss_fn, copied, copied_loss, attempt)
    except Exception as error:  # the user's own code may raise anything
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
    name = str(half).removeprefix("torch.")
    if not reason:
        said = f"the model's {name} numbers are computed in {_short(wanted)}" if half else ""
        return Placement(copied, copied_loss, said, half is not None)
    if half is not None:
        raise PruneLimitError(
            f"the model holds {name} numbers and cannot be computed in {_short(wanted)} "
            f"({reason}); give it as model.float()"
        )
    own = next(iter(held))
    return Placement(
        model,
        loss_fn,
        f"computed in the model's own {_short(own.dtype)} on {own.device}, since a copy in "
        f"{_short(wanted or own.dtype)} on {device} is another function ({reason})",
    )


def _short(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")


def _wide(own: torch.dtype, wanted: torch.dtype | None) -> torch.dtype:
    """The wider of the two for real and complex numbers; others stay."""
    floating = own.is_floating_point or own.is_complex
    return torch.promote_types(own, wanted) if wanted is not None and floating else own


def converted(thing: Any, device: torch.device, dtype: torch.dtype | None) -> Any:
    """A module, tensor or `partial` of such on `device`, its numbers at least as wide as `dtype`.

    Complex buffers stay complex, which ``module.to(dtype)`` does not do. Modules are changed
    in place; anything else is returned as it is.

    Examples
    --------
    >>> turns = nn.Module()
    >>> turns.register_buffer("angle", torch.tensor([1j]))
    >>> converted(turns, torch.device("cpu"), torch.float64).angle
    tensor([0.+1.j], dtype=torch.complex128)
    """
    if isinstance(thing, nn.Module):
        return thing._apply(lambda t: t.to(device, _wide(t.dtype, dtype)))
    if isinstance(thing, Tensor):
        return thing.to(device, _wide(thing.dtype, dtype))
    if isinstance(thing, partial):
        arguments = [converted(value, device, dtype) for value in thing.args]
        named = {key: converted(value, device, dtype) for key, value in thing.keywords.items()}
        return partial(thing.func, *arguments, **named)
    return thing


def moved_to(tensor: Tensor, device: torch.device, dtype: torch.dtype | None) -> Tensor:
    """A tensor on `device`, real numbers as `dtype`; whole ones stay what they are."""
    return tensor.to(device, dtype if tensor.is_floating_point() else None)


def _difference(
    model: nn.Module, loss_fn: Loss, copied: nn.Module, copied_loss: Loss, attempt: Try
) -> str:
    """Why the copies are not the same function as the originals, or ""."""
    before = attempt(model, loss_fn)
    with Reading(model.parameters()) as reading:
        after = attempt(copied, copied_loss)
    worst = max(torch.finfo(p.dtype).eps for p in model.parameters() if p.is_floating_point())
    own, other = float(before.detach()), float(after.detach())
    both_undefined = own != own and other != other  # a batch without a target that counts
    if not (both_undefined or abs(own - other) <= min(1e3 * worst, 0.25) * max(1e-2, abs(own))):
        return f"its loss on a trial batch is {other:.6g}, not {own:.6g}"
    if reading.found:
        return (
            "model or loss_fn read the weights of the model that was given, also in the copy; "
            "functools.partial(loss_fn, model) lets them be copied together"
        )
    return ""
