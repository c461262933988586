"""The data behind a curvature: checked as they are read, then served in the same chunks."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from prunelimit.errors import PruneLimitError
from prunelimit.network import checks
from prunelimit.network.batch_weights import PLAIN, BatchWeights
from prunelimit.network.copies import moved_to
from prunelimit.network.undisturbed import random_state
from prunelimit.network.world import World

Forward = Callable[[Tensor], Tensor]
Measure = Callable[[Tensor, Tensor], float]

MOVING = (
    "Curvature needs the same data in every pass: give shuffle=False and no random transforms, or "
    "list(loader), which keeps the batches of one pass"
)


REPEATS = 30
"""Passes over the first batch of a model that draws random numbers in eval mode."""


class Examples:
    """Batches of a re-iterable loader, as chunks with their share of the mean loss.

    The loader yields ``(inputs, targets)`` or ``(inputs, targets, weight)``, the part of the
    examples that this process of the world has; their real numbers get the dtype, and they are kept
    if they take no more than `budget` bytes. `forward` gives the model's outputs without a graph,
    `entries` how many numbers of them count as answers.

    `loss` is the mean over examples, or over the terms that the batches' means divide by; `plain`
    says whether every example has weight 1 in it. `count` and `outputs` (entries) are those of all
    processes together, `own` and `own_outputs` of this one.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        forward: Forward,
        loss_fn: checks.LossFunction,
        device: torch.device,
        dtype: torch.dtype,
        budget: int,
        world: World,
        entries: Callable[[Tensor], int] = Tensor.numel,
    ) -> None:
        self._loader, self._entries = loader, entries
        self._forward, self._loss_fn = forward, loss_fn
        self.device, self.dtype = device, dtype
        self._world = world
        self._weights = BatchWeights(loss_fn)
        self._shares: list[float] | None = None
        self._read(budget)

    # ------------------------------------------------------------ the first pass
    def _fresh(self) -> Iterator[checks.Batch]:
        for inputs, targets, weight in checks.iterate_batches(self._loader):
            inputs, targets = (moved_to(t, self.device, self.dtype) for t in (inputs, targets))
            yield inputs, targets, weight

    def _read(self, budget: int) -> None:
        """Count, evaluate, weigh and check every batch, and keep them where they fit."""
        first = next(self._fresh(), None)
        self._agree_on_unit(first)
        cached: list[checks.Batch] | None = []
        rows: list[tuple[int, float, float]] = []
        outputs, size = 0, 0
        for batch in self._fresh():
            if not rows and first is not None:
                self._compare(first, batch)
            weight, loss, entries = self._row(batch)
            rows.append((len(batch[0]), weight, loss))
            outputs += entries
            size += sum(t.numel() * t.element_size() for t in batch[:2])
            cached = None if cached is None or size > budget else [*cached, self._own(batch)]
        if first is not None and not rows:
            raise PruneLimitError(
                "the loader is empty on its second pass; give one that can be iterated again and "
                "again, such as a DataLoader or a list"
            )
        self.own = sum(row[0] for row in rows)
        self._agree(rows, outputs)
        self.nbytes = 0 if cached is None else size
        self._kept = cached if cached is None or not self.plain else _merged(cached)

    def _own(self, batch: checks.Batch) -> checks.Batch:
        """A batch that stays: a loader of the user's own may fill the same tensors anew."""
        if isinstance(self._loader, list | tuple | DataLoader):
            return batch
        return batch[0].clone(), batch[1].clone(), batch[2]

    def _agree_on_unit(self, first: checks.Batch | None) -> None:
        """The first batch is checked; the first that has a slope gives the unit for all."""
        batches = () if first is None else itertools.chain([first], self._fresh())
        self._weights.settle(batches, lambda inputs, targets: (self._forward(inputs), targets))
        plain = first is None or self._check_first(*first)
        states = self._world.gather((plain, self._weights.state()))
        self._plain_split = all(state[0] for state in states)
        if self._world.size > 1:
            self._weights.adopt((state[1] for state in states), self.device)

    def _check_first(self, inputs: Tensor, targets: Tensor, weight: Tensor | None) -> bool:
        """Whether the first batch's loss is a plain mean; refuse it if it is no mean at all."""

        def evaluate(inputs: Tensor, targets: Tensor) -> float:
            return self._loss(self._forward(inputs), targets)

        if weight is None and self._weigh(inputs, targets) == 0:
            return False
        if weight is not None and weight.ndim:
            self._require_denominators(evaluate, inputs, targets, weight)
        before = random_state(self.device)
        once = evaluate(inputs, targets)
        _check_repeats(once, evaluate(inputs, targets))
        if random_state(self.device) != before:  # it draws: two equal passes may be chance
            for _ in range(REPEATS):
                _check_repeats(once, evaluate(inputs, targets))
        if weight is not None:
            return False
        with contextlib.suppress(PruneLimitError):  # of a part every target may be ignored
            if self._close(*_mean_gap(evaluate, inputs, targets)):
                return True
        whole, parts = _mean_gap(evaluate, inputs, targets, self._weigh)
        if not self._close(whole, parts):
            raise PruneLimitError(
                f"the loss is no plain mean over examples: a batch of {len(inputs)} has loss "
                f"{whole:.6g}, the mean over its parts is {parts:.6g}. Use reduction='mean', "
                "outputs and targets that are not broadcast against each other, and a model that "
                "treats examples one by one (batch normalisation with running statistics); where "
                "the loss divides by something else, let the loader yield it as (inputs, targets, "
                "weight)"
            )
        return False

    def _require_denominators(
        self, evaluate: Measure, inputs: Tensor, targets: Tensor, weight: Tensor
    ) -> None:
        """The weights that are given are what the loss divides by: W L is that of the parts."""
        whole, parts = _mean_gap(evaluate, inputs, targets, weight=weight)
        if not self._close(whole, parts):
            raise PruneLimitError(
                f"the weights that the loader yields are not what the loss divides by: a batch of "
                f"{len(inputs)} has loss {whole:.6g}, its parts by their weights {parts:.6g}. "
                "loss_fn does not see them. For examples that count more than others, yield "
                '(inputs, {"targets": targets, "weight": weight}), and let loss_fn(outputs, '
                "targets) be the mean of weight times loss"
            )

    def _close(self, one: float, other: float) -> bool:
        rtol = 1e-3 if torch.finfo(self.dtype).eps > 1e-5 else 2e-5
        return abs(one - other) <= rtol * max(abs(one), abs(other)) + 1e-12

    def _weigh(self, inputs: Tensor, targets: Tensor) -> float:
        return self._weights.measure(self._forward(inputs), targets)

    def _row(self, batch: checks.Batch) -> tuple[float, float, int]:
        """Weight, loss and entries of the outputs of a batch."""
        inputs, targets, given = batch
        outputs = self._forward(inputs)
        measured = self._weights.measure(outputs, targets) if given is None else float(given.sum())
        if measured == 0:  # every target is ignored: the mean of nothing
            return 0.0, 0.0, self._entries(outputs)
        return measured, self._loss(outputs, targets), self._entries(outputs)

    def _loss(self, outputs: Tensor, targets: Tensor) -> float:
        with torch.no_grad():  # the loss may read the model's weights
            return float(checks.scalar_loss(self._loss_fn, outputs, targets))

    def _compare(self, first: checks.Batch, again: checks.Batch) -> None:
        alike = all(
            one.shape == other.shape and torch.equal(one, other)
            for one, other in zip(first[:2], again[:2], strict=True)
        )
        nan = first[0].is_floating_point() and bool(first[0].isnan().any())
        if not (alike or nan):
            raise PruneLimitError(
                "the loader's first batch is another one in its second pass: it shuffles or "
                f"augments. {MOVING}"
            )

    def _agree(self, rows: list[tuple[int, float, float]], outputs: int) -> None:
        """What the processes found in their parts of the data, put together."""
        plain = self._plain_split and all(abs(w / n - 1.0) < PLAIN for n, w, _ in rows)
        self.plain = all(self._world.gather(plain))
        weights = [float(n) if self.plain else w for n, w, _ in rows]
        total = math.fsum(w * loss for w, (_, _, loss) in zip(weights, rows, strict=True))
        parts = self._world.gather((self.own, math.fsum(weights), total, outputs))
        self.count = sum(part[0] for part in parts)
        self.weight = math.fsum(part[1] for part in parts)
        if self.count == 0:
            raise PruneLimitError("the loader is empty: it yields no example; give at least one")
        if not self.weight > 0:
            raise PruneLimitError(
                "the loss of a batch is nan for every batch: all targets are ignored, or the "
                "weights given are 0. Look for labels of -100, or NaN in data and weights"
            )
        self.loss = math.fsum(part[2] for part in parts) / self.weight
        self.own_outputs = outputs
        self.outputs = sum(part[3] for part in parts)

    # ------------------------------------------------------------- later passes
    def batches(self) -> Iterator[checks.Batch]:
        """The batches, kept or read again."""
        return self._fresh() if self._kept is None else iter(self._kept)

    @property
    def kept(self) -> bool:
        """Whether the examples stay in memory."""
        return self._kept is not None

    def pieces(self, size: int) -> Iterator[checks.Batch]:
        """The batches in pieces of at most `size` examples; a batch with one weight stays whole."""
        for inputs, targets, weight in self.batches():
            if weight is not None and weight.ndim == 0:
                yield inputs, targets, weight
                continue
            weights = [None] * len(inputs) if weight is None else weight.split(size)
            yield from zip(inputs.split(size), targets.split(size), weights, strict=False)

    def chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Inputs, targets and share of the mean loss, in the same order every time.

        Raises
        ------
        PruneLimitError
            If the loader gives other examples than in its first pass.
        """
        if not self.plain and self._shares is None:
            self._shares = [self._share(piece) for piece in self.pieces(size)]
        seen = 0
        for position, (inputs, targets, _) in enumerate(self.pieces(size)):
            seen += len(inputs)
            if seen > self.own:
                break
            share = len(inputs) / self.count if self._shares is None else self._shares[position]
            if share > 0:
                yield inputs, targets, share
        if seen != self.own:
            raise PruneLimitError(
                f"the loader gave {seen} examples in this pass and {self.own} in the first. "
                f"{MOVING}"
            )

    def _share(self, piece: checks.Batch) -> float:
        inputs, targets, weight = piece
        found = self._weigh(inputs, targets) if weight is None else float(weight.sum())
        return found / self.weight

    def some(self, count: int) -> tuple[Tensor, Tensor]:
        """The first examples of the first batch that has a weight, `count` of them at most."""
        for inputs, targets, weight in self.batches():
            few = inputs[:count], targets[:count]
            if weight is not None:
                return (inputs, targets) if weight.ndim == 0 else few
            for start in range(0, len(inputs), count):
                few = inputs[start : start + count], targets[start : start + count]
                if self.plain or self._weigh(*few) > 0:
                    return few
        return few


def _merged(batches: list[checks.Batch]) -> list[checks.Batch]:
    """One pair of long tensors where the batches' shapes agree, else the batches themselves."""
    if not batches:
        return []
    inputs, targets, _ = zip(*batches, strict=True)
    alike = len({t.shape[1:] for t in inputs}) == 1 and len({t.shape[1:] for t in targets}) == 1
    return [(torch.cat(inputs), torch.cat(targets), None)] if alike else batches


def _check_repeats(first: float, second: float) -> None:
    if abs(first - second) > 1e-5 * max(abs(first), abs(second)) + 1e-12:
        raise PruneLimitError(
            f"the same batch has loss {first:.6g} and, a moment later, {second:.6g}: dropout, "
            "noise or a state stays on in eval mode. Switch it off there (functional dropout: "
            "training=self.training), so that the loss is a fixed function of the weights"
        )


def _mean_gap(
    evaluate: Measure,
    inputs: Tensor,
    targets: Tensor,
    weigh: Measure | None = None,
    weight: Tensor | None = None,
) -> tuple[float, float]:
    """The loss of a batch, and the mean of the losses of its two parts; one example is doubled.

    For a mean, W L = W_1 L_1 + W_2 L_2 for every split, W being the number of examples, what
    `weigh` says, or the sum of the `weight` of each. A sum, or a model whose outputs mix the
    examples of a batch, breaks it.
    """
    if len(inputs) == 1:
        inputs, targets = inputs.repeat_interleave(2, 0), targets.repeat_interleave(2, 0)
    cut = max(1, len(inputs) // 3)
    parts = [(inputs[:cut], targets[:cut]), (inputs[cut:], targets[cut:])]
    weights = [float(len(part[0])) if weigh is None else weigh(*part) for part in parts]
    if weight is not None:
        weights = [float(part.sum()) for part in (weight[:cut], weight[cut:])]
    counted = [(w, evaluate(*part)) for w, part in zip(weights, parts, strict=True) if w]
    total = sum(weights) or 1.0
    return evaluate(inputs, targets), sum(w * loss for w, loss in counted) / total
