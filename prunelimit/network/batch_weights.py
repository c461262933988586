"""How much a batch counts in the mean over the data: examples, tokens, summed class weights.

A mean loss of a batch is sum w_i l_i / sum w_i over its terms, with w_i = 1 for a plain mean over
examples, the weight of the class, or 0 for a target that is ignored. The mean over all data then
weighs each batch by W = sum w_i, which the loss does not tell. But its derivative does: at an
example r that stands alone it is dl_r w_r / W_r, and dl_r w_r / (W_r + W) where a batch stands
beside it, whence W / W_r is one less than the quotient of the two (exact, for every loss of that
form; up to a common factor, which the first batch with a slope fixes as its examples).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import Batch, one_number

Pair = tuple[Tensor, Tensor]

Loss = Callable[[Tensor, Tensor], Tensor]

WEIGHT_REMEDY = (
    "let the loader yield (inputs, targets, weight), weight being what the batch's mean divides "
    "by: a number, or one for each example"
)

Reference = tuple[Tensor, Tensor, Tensor]
"""Outputs and targets of an example, and the slopes of its loss where it stands alone."""

PLAIN = 1e-6
"""Relative difference from a weight of one an example that rounding explains."""


class BatchWeights:
    """Measures W of batches by a reference example; see the module's text.

    Examples
    --------
    >>> loss = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]).double())
    >>> weights, outputs = BatchWeights(loss), torch.tensor([[0.0, 1.0]] * 4).double()
    >>> weights.measure(outputs, torch.tensor([0, 0, 0, 0]))  # the unit: one an example
    4.0
    >>> round(weights.measure(outputs, torch.tensor([0, 1, 1, 1])), 6)
    10.0
    """

    def __init__(self, loss_fn: Loss) -> None:
        self.loss_fn = loss_fn
        self.reference: Reference | None = None
        self._unit = 1.0
        self._each = 1.0
        self._uniform = True
        self._proved = False

    def settle(self, batches: Iterable[Batch], answers: Callable[[Tensor, Tensor], Pair]) -> None:
        """Take the reference from the first batch that has a slope, before any is measured.

        One without is a perfect fit, or has no target that counts: the reference tells which.
        `answers` gives outputs and targets of a batch; batches whose weight is given are not asked.
        """
        for inputs, targets, given in batches:
            if given is not None:
                continue
            outputs, targets = answers(inputs, targets)
            self.measure(outputs, targets)
            if self.reference is not None or outputs.ndim == 0:
                return

    def measure(self, outputs: Tensor, targets: Tensor) -> float:
        """W of a batch, in examples of the first with a slope; 0 where every target is ignored."""
        if outputs.ndim == 0:  # the model returns its own loss
            return float(len(targets))
        outputs = outputs.detach()
        if outputs.device.type != "mps":  # which has no double precision
            outputs = outputs.double()
            # Alike: PyTorch before 2.12 cannot differentiate a loss of two precisions.
            targets = targets.double() if targets.is_floating_point() else targets
        if self.reference is None and not self._choose(outputs, targets):
            # No slope at all: every target ignored (the mean of nothing), or a perfect fit.
            loss = self.loss_fn(outputs, targets)
            return float(len(targets)) if bool(torch.isfinite(loss).all()) else 0.0
        assert self.reference is not None
        alike = all(
            ours.shape[1:] == theirs.shape[1:]
            for ours, theirs in zip((outputs, targets), self.reference[:2], strict=True)
        )
        found = self._beside(outputs, targets) if alike else self._terms(outputs, targets)
        if alike and not self._proved and abs(self._unit * found / len(targets) - 1) > PLAIN:
            self._prove(outputs, targets, found)
        return self._unit * found

    def _prove(self, outputs: Tensor, targets: Tensor, found: float) -> None:
        """Refuse a W that is not the sum of its parts', or whose loss is not their mean.

        The quotient of slopes is W only for a mean over terms: a loss that reads something of one
        example for all of them has other slopes there.
        """
        if not (len(outputs) == len(targets) > 1 and found > 0):
            return
        self._proved, cut = True, max(1, len(targets) // 3)
        parts = [(outputs[:cut], targets[:cut]), (outputs[cut:], targets[cut:])]
        weights = [self._beside(*part) for part in parts]
        terms = [w * self._loss(*part) for w, part in zip(weights, parts, strict=True) if w]
        whole, total = found * self._loss(outputs, targets), sum(weights)
        scale = max(map(abs, (whole, *terms)))
        if not (abs(total - found) <= 1e-4 * found and abs(sum(terms) - whole) <= 1e-4 * scale):
            raise PruneLimitError(
                "what the loss of a batch divides by cannot be told from its slopes: use outputs "
                "and targets that are not broadcast against each other, and read nothing at one "
                f"example for all of them; or {WEIGHT_REMEDY}"
            )

    def _loss(self, outputs: Tensor, targets: Tensor) -> float:
        with torch.no_grad():
            return float(one_number(self.loss_fn(outputs, targets)))

    def state(self) -> tuple[Tensor, Tensor, Tensor, float, float, bool] | None:
        """The reference and the unit, to be shared by processes; None before the first batch."""
        if self.reference is None:
            return None
        outputs, targets, alone = (tensor.detach().cpu() for tensor in self.reference)
        return outputs, targets, alone, self._unit, self._each, self._uniform

    def adopt(self, states: Iterable[Any], device: torch.device) -> None:
        """Measure in the unit of the first of several processes that has a reference."""
        for found in states:
            if found is not None:
                outputs, targets, alone, self._unit, self._each, self._uniform = found
                self.reference = outputs.to(device), targets.to(device), alone.to(device)
                return

    def _slopes(self, outputs: Tensor, targets: Tensor) -> Tensor:
        leaf = outputs.detach().requires_grad_()
        with torch.enable_grad():
            loss = one_number(self.loss_fn(leaf, targets))
            if not loss.requires_grad:
                return torch.zeros_like(leaf)
            (slope,) = torch.autograd.grad(loss.sum(), leaf, allow_unused=True)
        return torch.zeros_like(leaf) if slope is None else slope.nan_to_num()

    def _choose(self, outputs: Tensor, targets: Tensor) -> bool:
        """Take the example that moves the loss most as the reference; False if none does."""
        slopes = self._slopes(outputs, targets)
        sizes = slopes.reshape(len(slopes), -1).norm(dim=1)
        index = int(sizes.argmax())
        if not float(sizes[index]) > 0:
            return False
        # Outputs that are not one row an example (flattened tokens) stay together.
        chosen = slice(index, index + 1) if len(outputs) == len(targets) else slice(None)
        # A loader may fill the same tensors anew for every batch.
        self.reference = self._alone(outputs[chosen].clone(), targets[chosen].clone())
        found = self._beside(outputs, targets)
        if not (math.isfinite(found) and found > 1e-9):
            raise PruneLimitError(
                "the loss is no plain mean over examples: its slope at one of them does not change "
                "where others stand beside it, as that of a sum; use reduction='mean', and outputs "
                "and targets that are not broadcast against each other. A loss that compares the "
                "examples of a batch with one another (contrastive) is no mean over them"
            )
        self._unit = len(targets) / found
        self._each = found / max(1, _terms(slopes, targets))
        own, truth, alone = self.reference
        each = self._beside(own, truth) / max(1, _terms(alone, truth))
        self._uniform = math.isclose(each, self._each, rel_tol=1e-6)
        return True

    def _alone(self, outputs: Tensor, targets: Tensor) -> Reference:
        return outputs, targets, self._slopes(outputs, targets)

    def _beside(self, outputs: Tensor, targets: Tensor) -> float:
        """W in units of the reference's own."""
        assert self.reference is not None
        return self._quotient(self.reference, outputs, targets)

    def _quotient(self, one: Reference, outputs: Tensor, targets: Tensor) -> float:
        """W in units of that of `one`."""
        other, truth, alone = one
        together = self._slopes(torch.cat([other, outputs]), torch.cat([truth, targets]))
        share = (together[: len(other)] * alone).sum() / alone.square().sum()
        return 1.0 / float(share) - 1.0 if float(share) > 0 else math.nan

    def _terms(self, outputs: Tensor, targets: Tensor) -> float:
        """The same by counting the terms of the loss, where shapes do not let batches join."""
        slopes = self._slopes(outputs, targets)
        count = _terms(slopes, targets)
        if not count and math.isfinite(self._loss(outputs, targets)):
            raise PruneLimitError(
                "a batch of another shape than the first has no slope anywhere: whether it is a "
                f"perfect fit or has no target that counts cannot be told; {WEIGHT_REMEDY}"
            )
        if not (self._uniform and self._count_alike(outputs, targets, slopes, count)):
            raise PruneLimitError(
                "batches of several shapes whose terms count differently (class weights, or means "
                "of examples of several lengths?) cannot be weighed against each other; "
                f"{WEIGHT_REMEDY}"
            )
        return self._each * count

    def _count_alike(self, outputs: Tensor, targets: Tensor, slopes: Tensor, count: int) -> bool:
        """Whether the example of the fewest terms has that share of the batch's W."""
        if len(outputs) != len(targets) or not count:
            return True
        each = [_terms(slopes[i : i + 1], targets[i : i + 1]) for i in range(len(targets))]
        fewest, index = min((terms, i) for i, terms in enumerate(each) if terms)
        one = self._alone(outputs[index : index + 1], targets[index : index + 1])
        found = self._quotient(one, outputs, targets)
        return math.isclose(found * fewest, count, rel_tol=1e-6)


def _terms(slopes: Tensor, targets: Tensor) -> int:
    """How many terms a loss has: the targets at whose outputs it has a slope."""
    moved = slopes != 0
    if slopes.shape == targets.shape or slopes.ndim == 1:
        return int(moved.sum())
    classes = [
        dim
        for dim in (1, slopes.ndim - 1)
        if slopes.shape[:dim] + slopes.shape[dim + 1 :] == targets.shape
    ]
    return int(moved.any(dim=classes[0] if classes else -1).sum())
