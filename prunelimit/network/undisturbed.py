"""The caller's model and random state, as they were."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.copies import held_modules


@contextmanager
def undisturbed(model: nn.Module, loader: Any = None, loss_fn: Any = None) -> Iterator[None]:
    """Put back, whatever happens inside, what a forward pass may change.

    These are training modes, buffers, plain attributes and gradients of `model` and of the modules
    that `loss_fn` is or holds, the weights of embeddings that a forward pass keeps below a norm,
    the epoch of a loader that has one, and the random states of torch, NumPy and Python, with that
    of a DataLoader's own generator. Inside, torch.autocast is off: it rounds to half precision.

    Raises
    ------
    PruneLimitError
        If `model` is in training mode, and its weights are others in eval mode.

    Examples
    --------
    >>> layer = nn.Linear(1, 1)
    >>> before = torch.get_rng_state()
    >>> with undisturbed(layer):
    ...     _ = layer.eval(), torch.rand(1), setattr(layer, "calls", 1)
    >>> layer.training, hasattr(layer, "calls"), torch.equal(before, torch.get_rng_state())
    (True, False, True)
    """
    snapshot = _Snapshot(model, loader, loss_fn)
    try:
        snapshot.refuse_what_modes_change()
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        snapshot.restore()


class _Snapshot:
    """What a model and the generators were."""

    def __init__(self, model: nn.Module, loader: Any, loss_fn: Any) -> None:
        self._model, self._loader = model, loader
        told = hasattr(loader, "set_epoch")
        self._epoch = getattr(loader, "epoch", None) if told else None
        roots = [model, *held_modules(loss_fn)]
        self._modules = modules = list(dict.fromkeys(m for root in roots for m in root.modules()))
        self._attributes = [_without_tables(module) for module in modules]
        self._buffers = [dict(module._buffers.items()) for module in modules]
        # Embeddings with a largest norm shorten, in a forward pass, the rows that it reads.
        held_in_place = [m.weight for m in modules if getattr(m, "max_norm", None) is not None]
        held_in_place += [b for held in self._buffers for b in held.values() if b is not None]
        # A low-rank part may be merged into the weights when training ends.
        self._moody = [m for m in modules if m.training and _has_own_modes(m)]
        held_in_place += [p for m in self._moody for p in m.parameters()]
        tensors = [held for held in held_in_place if isinstance(held, Tensor)]
        self._values = {id(t): (t, t.detach().clone()) for t in tensors if not t.is_meta}
        self._gradients = [(p, p.grad, p.requires_grad) for m in roots for p in m.parameters()]
        self._states = _random_states(loader)

    def refuse_what_modes_change(self) -> None:
        """A model in training mode whose weights are others in eval mode."""
        if self._moody:
            self._model.eval()
            own = {id(p) for module in self._moody for p in module.parameters()}
            pairs = (pair for key, pair in self._values.items() if key in own)
            changed = any(
                not torch.allclose(*pair, rtol=0, atol=0, equal_nan=True) for pair in pairs
            )
            self.restore()
            if changed:
                raise PruneLimitError(
                    "the model changes its weights when it goes from training to eval mode (it "
                    "merges a low-rank part into them?); call model.eval() first"
                )

    def restore(self) -> None:
        """Put it back."""
        for put_back, state in self._states:
            put_back(state)
        if self._epoch is not None:
            self._loader.set_epoch(self._epoch)
        before = zip(self._modules, self._attributes, self._buffers, strict=True)
        for module, plain, held in before:
            for name in set(_without_tables(module)) - set(plain):
                del module.__dict__[name]
            module.__dict__.update(plain)
            if not isinstance(module, torch.jit.ScriptModule):  # whose buffers have fixed places
                module._buffers.clear()
                module._buffers.update(held)
        with torch.no_grad():
            for tensor, value in self._values.values():
                # torch compares no sparse tensors
                if tensor.layout is not torch.strided or not torch.equal(tensor, value):
                    tensor.copy_(value)
        for parameter, gradient, wanted in self._gradients:
            if parameter.grad is not gradient:
                parameter.grad = gradient
            if parameter.requires_grad != wanted:
                parameter.requires_grad_(wanted)


def _has_own_modes(module: nn.Module) -> bool:
    own = type(module).train is not nn.Module.train or type(module).eval is not nn.Module.eval
    return own and not isinstance(module, torch.jit.ScriptModule)


def random_state(device: torch.device) -> tuple[bytes, ...]:
    """Where the generators stand from which a forward pass may draw, to tell whether it did.

    Examples
    --------
    >>> before = random_state(torch.device("cpu"))
    >>> before == random_state(torch.device("cpu"))
    True
    >>> _ = torch.rand(1)
    >>> before == random_state(torch.device("cpu"))
    False
    """
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    found = [state.numpy().tobytes() for state in states]
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002
    return (*found, repr(numpy["state"]).encode(), repr(random.getstate()).encode())


_TABLES = ("_parameters", "_buffers", "_modules")


def _without_tables(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _TABLES}


def _random_states(loader: Any) -> list[tuple[Callable[[Any], object], Any]]:
    """What puts each generator back that a loader or a model may draw from, and to which state."""
    samplers = (loader, getattr(loader, "sampler", None))
    own = [getattr(item, "generator", None) for item in samplers]
    states: list[tuple[Callable[[Any], object], Any]] = [
        *((one.set_state, one.get_state()) for one in own if isinstance(one, torch.Generator)),
        (torch.set_rng_state, torch.get_rng_state()),
        (np.random.set_state, np.random.get_state()),  # noqa: NPY002
        (random.setstate, random.getstate()),
    ]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    return states
