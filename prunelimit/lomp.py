"""LOMP's training: minimise L(w) + λ‖w‖₁ by SGD (chapter 7).

There is one loop, `Descent`. Training with L1, fine-tuning under a mask, the
baselines and the search of Rare Gems all go through it; whoever wants to show
progress, keep checkpoints or share the work among processes hands it a callback
or a `World`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from prunelimit.errors import DivergenceError, PruneLimitError
from prunelimit.network.device import deterministic_kernels
from prunelimit.network.evaluate import LossFunction, evaluate
from prunelimit.network.parameters import PRUNABLE_LAYERS
from prunelimit.network.world import ALONE, World

__all__ = ["Descent", "add_l1_subgradient", "batches_in", "evaluate", "penalised_parameters"]

Batches = Iterable[tuple[Tensor, Tensor]]

CHECK_EVERY = 50
"""Iterations between looks at the loss; each look makes an accelerator wait."""


def add_l1_subgradient(parameters: Sequence[Tensor], l1: float) -> None:
    """Add λ·sign(w) to each gradient, in place; sign(0) = 0.

    It is what autograd gives for λ‖w‖₁, to the bit, without a graph. Parameters
    without a gradient are left alone.

    Examples
    --------
    >>> weight = nn.Parameter(torch.tensor([-2.0, 0.0, 3.0]))
    >>> weight.grad = torch.zeros(3)
    >>> add_l1_subgradient([weight], 0.5)
    >>> weight.grad.tolist()
    [-0.5, 0.0, 0.5]
    """
    if l1 == 0:
        return
    pairs = [(p.detach(), p.grad) for p in parameters if p.grad is not None]
    if pairs and pairs[0][0].device.type != "cpu":  # one launch for all of them
        signs = torch._foreach_sign([value for value, _ in pairs])
        torch._foreach_add_([gradient for _, gradient in pairs], signs, alpha=l1)
        return
    for value, gradient in pairs:  # memory for one parameter at a time stays in the cache
        gradient.add_(value.sign(), alpha=l1)


def _stored_weight(layer: nn.Module) -> nn.Parameter:
    """The weight that is trained: behind the mask, where one is attached."""
    masked = parametrize.is_parametrized(layer, "weight")
    name = "parametrizations.weight.original" if masked else "weight"
    return layer.get_parameter(name)


def penalised_parameters(model: nn.Module, which: str = "all") -> list[nn.Parameter]:
    """The parameters that the L1 term shrinks: ``"all"``, or only the ``"prunable"`` weights.

    Raises
    ------
    PruneLimitError
        If there is none that requires a gradient.

    Examples
    --------
    >>> [tuple(p.shape) for p in penalised_parameters(nn.Linear(3, 2), "prunable")]
    [(2, 3)]
    """
    chosen = {id(p): p for p in model.parameters() if p.requires_grad}
    if which == "prunable":
        layers = (m for m in model.modules() if isinstance(m, PRUNABLE_LAYERS))
        weights = [_stored_weight(layer) for layer in layers]
        chosen = {id(p): p for p in weights if p.requires_grad}  # a shared weight counts once
    if not chosen:
        raise PruneLimitError(
            f"{type(model).__name__} has nothing to train: no parameter requires a gradient; "
            "call model.requires_grad_(True), or on the parameters that shall be trained"
        )
    return list(chosen.values())


def batches_in(batches: Batches) -> int:
    """Number of batches in a pass; those of unknown number are counted.

    Examples
    --------
    >>> batches_in([(torch.ones(1), torch.ones(1))])
    1
    """
    try:
        return len(batches)  # type: ignore[arg-type]
    except TypeError:  # no length, or that of a DataLoader over an IterableDataset
        return sum(1 for _ in batches)


class Descent:
    """SGD, or what `optimizer` makes, on the mean loss plus λ‖w‖₁, an epoch at a time.

    Whatever is random in epoch t (dropout, a loader that shuffles by torch's
    global generator) is drawn from the pair (seed, t): a run that goes on from
    a checkpoint needs no state of a generator. Kernels are deterministic.

    The model is trained in place, where it is: of its parameters those that require a gradient, and
    λ = `l1` shrinks the `penalised` (see `penalised_parameters`). The processes of a world train
    together, each with the same batches.

    Attributes
    ----------
    optimizer
        Torch's, whose state a checkpoint has to keep.

    Examples
    --------
    >>> model = nn.Linear(1, 1, bias=False)
    >>> _ = model.weight.data.fill_(1.0)
    >>> data = [(torch.ones(2, 1), torch.zeros(2, 1))]
    >>> Descent(model, nn.functional.mse_loss).epoch(0, data, [0.25])
    1.0
    >>> float(model.weight.detach())
    0.5
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFunction,
        *,
        optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
        l1: float = 0.0,
        penalised: Sequence[nn.Parameter] = (),
        seed: int = 0,
        world: World = ALONE,
    ) -> None:
        self.model, self.loss_fn, self.world, self.seed = model, loss_fn, world, seed
        self.replica = world.replicate(model)
        self.l1, self.penalised = l1, list(penalised)
        trained = penalised_parameters(model)
        self.device = trained[0].device
        self.optimizer = optimizer(trained, lr=1.0)  # the rate is set anew before every step

    def epoch(
        self,
        number: int,
        batches: Batches,
        rates: Sequence[float] | np.ndarray,
        *,
        before_step: Callable[[int], None] | None = None,
        after_step: Callable[[int], None] | None = None,
        watch: Callable[[list[float], float], None] | None = None,
    ) -> float:
        """One pass over the batches, which are told its number by ``set_epoch`` if they have one.

        `rates` ``(batches,)`` are the learning rates of the steps. What is called before and after
        a step gets the position of the batch. `watch` gets, now and then, the losses since its last
        call and the learning rate, and may raise: by default where a loss is not finite. Returned
        is the mean of the minibatch losses over the examples, without the L1 term.

        Raises
        ------
        DivergenceError
            If the loss leaves the finite numbers.
        """
        if hasattr(batches, "set_epoch"):
            batches.set_epoch(number)
        self.replica.train()
        losses = _Losses(self.world, watch or _require_finite(number))
        # Each process draws for itself.
        entropy = (self.seed, number, *([self.world.rank] if self.world.rank else []))
        seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint32)[0])
        with seeded(seed, self.device), deterministic_kernels(), torch.enable_grad():
            for step, (rate, batch) in enumerate(zip(rates, batches, strict=True)):
                inputs, targets, *_ = batch  # a weight says what its mean divides by
                if not _has_targets(targets):
                    continue
                if before_step is not None:
                    before_step(step)
                losses.add(self._step(inputs, targets, float(rate)), len(targets), float(rate))
                if after_step is not None:
                    after_step(step)
            losses.read()
        return losses.total / max(losses.examples, 1)

    def _step(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        inputs, targets = inputs.to(self.device), targets.to(self.device)
        try:
            loss = self.world.backward(self.replica, self.loss_fn, inputs, targets)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise PruneLimitError(
                f"a batch normalisation cannot train on a batch of {len(targets)}: leave the last "
                "batch out (drop_last=True), or make batches of another size"
            ) from error
        add_l1_subgradient(self.penalised, self.l1)
        self.optimizer.step()
        return loss


def _has_targets(targets: Tensor) -> bool:
    """Whether there is any but the class -100, which torch ignores; accelerators are not asked."""
    classes = not targets.is_floating_point() and targets.device.type == "cpu"
    return len(targets) > 0 and not (classes and bool((targets == -100).all()))


class _Losses:
    """The losses of an epoch, fetched from the device fifty at a time."""

    def __init__(self, world: World, watch: Callable[[list[float], float], None]) -> None:
        self._world, self._watch, self._rate = world, watch, 0.0
        self._pending: list[tuple[Tensor, int]] = []
        self.total, self.examples = 0.0, 0

    def add(self, loss: Tensor, examples: int, rate: float) -> None:
        """Note the loss of one batch."""
        self._pending.append((loss, examples))
        self._rate = rate
        if len(self._pending) == CHECK_EVERY:
            self.read()

    def read(self) -> None:
        """Fetch what is pending; one transfer for all of it."""
        if not self._pending:
            return
        losses = self._world.sum(torch.stack([loss for loss, _ in self._pending])).tolist()
        self._watch(losses, self._rate)
        sizes = [size for _, size in self._pending]
        self.total += sum(loss * size for loss, size in zip(losses, sizes, strict=True))
        self.examples += sum(sizes)
        self._pending.clear()


def _require_finite(epoch: int) -> Callable[[list[float], float], None]:
    def watch(losses: list[float], rate: float) -> None:
        broken = [loss for loss in losses if not math.isfinite(loss)]
        if broken:
            undefined = ", or look for batches without a target" * math.isnan(broken[0])
            raise DivergenceError(
                f"training diverged in epoch {epoch + 1} (loss {broken[0]:g}); "
                f"lower learning_rate from {rate:g}{undefined}"
            )

    return watch


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random layers draw from `seed` inside; the caller's random state is put back outside."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
