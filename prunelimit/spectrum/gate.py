"""One gate before any long work: is the product that of this loss of this model?

A curvature product can be wrong in silence: a backward that leaves the graph, a copy that is
another function, data that move. Each check here compares it with something that does not share
its way: first derivatives only, and differences of them.

- the loss with gradients kept is the one without;
- for Gauss-Newton, no block of H_out has a negative eigenvalue: the loss is convex in the outputs;
- u^T H v = v^T H u (of the operator with all its data), and for the Gram form |A v|^2 = v^T H v;
- the gradient against a difference of losses;
- the Hessian's product against a difference of gradients; for Gauss-Newton, J v as a difference
  of outputs, H_out (J v) as a difference of the loss's slope there, and J^T of that by one
  backward pass, so that no second derivative is taken.

The differences are taken in float64 on a few examples, on a copy of the model where it can be
widened. In lower precision their steps are longer; what rounding does to a difference shows in how
unlike its two sides are (`_unlike`), so that the tolerance is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import LossFunction, in_double_precision
from prunelimit.network.copies import moved_to, place
from prunelimit.network.parameters import flatten
from prunelimit.progress import progress_bar
from prunelimit.spectrum import linearise
from prunelimit.spectrum.gram import GramOperator
from prunelimit.spectrum.operator import TRIAL, CurvatureOperator
from prunelimit.spectrum.outputs import at_logits

PRODUCTS = 2
"""Products that the gate takes with the full data, once linearised; its rest is on few examples."""

TOLERANCE = 0.02
"""Relative difference that is allowed beyond what a difference's own two sides differ by."""

CONVEX = 1e-4
"""Negative curvature in the outputs, relative to the largest, that rounding may explain."""

NOTHING = 1e-100
"""A curvature so small that its square is lost: where a loss saturates."""

Pieces = list[Tensor]


def check_consistency(
    operator: CurvatureOperator, gram: GramOperator | None = None, progress: bool | None = False
) -> None:
    """Refuse an operator whose products are not those of its loss; see the module's text.

    All processes of the operator's world call this together. `gram` is its Gram form, if that is
    what will be multiplied.

    Raises
    ------
    PruneLimitError
        Naming what disagrees, and where to look.
    """
    with progress_bar("checks before the work", total=3, enabled=progress) as bar:
        said = ""
        bar.update(0, remark=f"convexity, symmetry, {PRODUCTS} products")
        _check_chunks(operator)
        _check_symmetry(operator, gram)
        bar.update(1, remark="derivatives against differences, on a few examples")
        if operator.own_examples:
            try:
                _check_derivatives(operator)
            except PruneLimitError as error:
                said = str(error)
        first = next((text for text in operator.world.gather(said) if text), "")
        if first:
            raise PruneLimitError(first)
        bar.update(2, remark="loss, symmetry and derivatives agree")


# ------------------------------------------------------- one function, and convexity
def _check_chunks(operator: CurvatureOperator) -> None:
    """What the linearised loss itself gives away, in one pass over the data."""
    kept, found = 0.0, [0.0]
    with operator.context(), linearise.explained():
        for chunk, share in operator.linearised():
            kept += float(chunk.loss) * share
            if isinstance(chunk, linearise.GaussNewtonChunk):
                ends = linearise.curvature_ends(chunk.bend, chunk.layout, chunk.outputs.detach())
                found += [end * share for end in ends]
    parts = operator.world.gather((kept, min(found), max(found)))
    _refuse_two_functions(operator, math.fsum(part[0] for part in parts))
    _refuse_concave([end for part in parts for end in part[1:]])


def _refuse_two_functions(operator: CurvatureOperator, kept: float) -> None:
    """Refuse a model that is another function where gradients are kept."""
    if not math.isclose(kept, operator.loss, rel_tol=1e-3, abs_tol=1e-9):
        raise PruneLimitError(
            f"the model's loss is {operator.loss:.6g} under torch.no_grad() and {kept:.6g} where "
            "gradients are kept: it must be one function. torch.nn.TransformerEncoder is two where "
            "src_key_padding_mask hides places: build it with enable_nested_tensor=False, or leave "
            "hidden places out of what follows it. Else look for torch.is_grad_enabled()"
        )


def _refuse_concave(ends: Sequence[float]) -> None:
    """Refuse a loss with a negative curvature in some example's outputs, however it is computed.

    What the matrix would show of it depends on how far an iteration has come.
    """
    lowest, highest = min(ends), max(map(abs, ends))
    if lowest < -CONVEX * highest - NOTHING:
        raise PruneLimitError(
            f"the loss is not convex in the model's outputs: at some example its second derivative "
            f"there is {lowest / highest:.2g} of the largest, so that the Gauss-Newton matrix is "
            "perhaps not positive semi-definite; use policy='abs' or 'clip' (the full Hessian). If "
            "the loss is convex, look for half precision inside the model (torch.autocast)"
        )


# ------------------------------------------------------------------------ symmetry
def _check_symmetry(operator: CurvatureOperator, gram: GramOperator | None) -> None:
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(operator.dim, generator=generator) for _ in range(2))
    u, v = (vector.to(operator.device, operator.dtype) for vector in (u, v))
    before = operator.products
    image_u, image_v = operator.matmul(u).double(), operator.matmul(v).double()
    operator.products = before  # the gate's own are not the search's
    scale = float(image_u.norm() * v.double().norm() + image_v.norm() * u.double().norm())
    gap = abs(float(u.double() @ image_v - v.double() @ image_u))
    # Layers that round to float32 inside a float64 model (Llama's norms) are symmetric to 1e-7.
    if gap > (1e-6 if operator.dtype == torch.float64 else 1e-4) * scale + NOTHING:
        raise PruneLimitError(
            f"the curvature is not symmetric: u·Hv and v·Hu differ by {gap:.3g} at scale "
            f"{scale:.3g}. Data or model change between products, or a custom backward is wrong: "
            "use fixed data, a model without random layers and without torch.autocast (half "
            "precision) inside, and test torch.autograd.Function classes with "
            "torch.autograd.gradgradcheck"
        )
    if gram is not None:
        form, expected = gram.push(v[None]).double().square().sum(), v.double() @ image_v
        if abs(form - expected) > 1e-3 * abs(expected) + NOTHING:
            raise PruneLimitError(
                f"the Gram form of the Gauss-Newton matrix does not fit it: |A v|^2 = {form:.6g}, "
                f"v·Gv = {expected:.6g}. The model's outputs do not belong to single examples; use "
                "method='lanczos'"
            )


# --------------------------------------------------------------------- derivatives
@dataclass
class _Trial:
    """A model on a few examples, with some of its weights and a direction in them."""

    model: nn.Module
    loss_fn: LossFunction
    parameters: list[nn.Parameter]
    direction: Pieces
    inputs: Tensor
    targets: Tensor
    wide: bool

    def outputs(self) -> Tensor:
        return self.model(self.inputs)

    def loss(self) -> Tensor:
        return self.loss_fn(self.outputs(), self.targets)

    def sides(self, step: float, found: Callable[[], Tensor]) -> list[Tensor]:
        """What is `found` where the weights are moved along the direction, and against it.

        They are put back to the bit.
        """
        before = [parameter.detach().clone() for parameter in self.parameters]
        ends = []
        for length in (step, -step):
            try:
                for parameter, piece in zip(self.parameters, self.direction, strict=True):
                    parameter.data.add_(piece, alpha=length)
                ends.append(found())
            finally:
                for parameter, value in zip(self.parameters, before, strict=True):
                    parameter.data.copy_(value)
        return ends

    def gradient(self) -> Tensor:
        with torch.enable_grad():
            return self.flat(torch.autograd.grad(self.loss(), self.parameters, allow_unused=True))

    def flat(self, pieces: Sequence[Tensor | None]) -> Tensor:
        """One vector of what is given parameter by parameter, in double precision."""
        pairs = zip(self.parameters, pieces, strict=True)
        found = (torch.zeros_like(p) if piece is None else piece for p, piece in pairs)
        return flatten(piece.detach().double() for piece in found)

    def product(self, kind: str) -> Tensor:
        with torch.enable_grad(), linearise.explained():
            chunk = linearise.LINEARISATIONS[kind](
                self.model, self.loss_fn, self.parameters, self.inputs, self.targets
            )
            return self.flat(chunk.apply(self.direction))

    def hessian_difference(self, step: float) -> tuple[Tensor, float]:
        """The difference of gradients, and how unlike its two sides are.

        A smooth model makes the latter fall with the step. At a kink (ReLU at 0), and where
        rounding rules, it does not, and a difference says no more than so much of the derivative.
        """
        ends = self.sides(step, self.gradient)
        straight = ends[0] - ends[1]
        return straight / (2 * step), _ratio(ends[0] + ends[1] - 2 * self.gradient(), straight)

    def gauss_newton_difference(self, step: float) -> tuple[Tensor, float]:
        """Jᵀ H_out J v by differences alone, and how unlike its two sides are."""
        with torch.no_grad():
            ends = self.sides(step, self.outputs)
        with torch.enable_grad():
            outputs = self.outputs()
        straight = _moved(ends[0], ends[1])
        # A kink at an example counts by what the loss makes of it, not by its size.
        bent = straight - 2 * _moved(outputs.detach(), ends[1])
        difference = self._pulled(outputs, straight / (2 * step), step)
        return difference, _ratio(self._pulled(outputs, bent / (2 * step), step), difference)

    def _pulled(self, outputs: Tensor, pushed: Tensor, step: float) -> Tensor:
        """Jᵀ H_out y, with H_out y as a difference of slopes over a step of the outputs' size."""
        here, size = outputs.detach(), float(pushed.abs().max())
        # Outputs that do not move (masked ones, of -1e9 or -inf) have no say in the step.
        moving = here[pushed != 0].abs()
        length = step * (max(moving.tolist(), default=0.0) or 1.0) / (size or 1.0)
        slopes = [self._slope(here + sign * length * pushed) for sign in (1.0, -1.0)]
        bent = (slopes[0] - slopes[1]) / (2 * length)
        found = torch.autograd.grad(
            outputs, self.parameters, bent, allow_unused=True, retain_graph=True
        )
        return self.flat(found)

    def _slope(self, outputs: Tensor) -> Tensor:
        leaf = outputs.detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self.loss_fn(leaf, self.targets), leaf)
        return slope


def _moved(one: Tensor, other: Tensor) -> Tensor:
    """The difference, 0 where both are the same infinity."""
    return torch.where(one == other, 0.0, one - other)


def _check_derivatives(operator: CurvatureOperator) -> None:
    trial = _trial(operator)
    with linearise.curvature_context(trial.model):
        _check_gradient(trial)
        _check_product(trial, operator.kind)


def _trial(operator: CurvatureOperator) -> _Trial:
    """The operator's model in float64 where that is the same function, else the model itself."""
    inputs, targets = operator.data.some(TRIAL // 2)
    dtype = None if operator.device.type == "mps" else torch.float64

    def attempt(model: nn.Module, loss_fn: LossFunction) -> Tensor:
        kind = next(p.dtype for p in model.parameters() if p.is_floating_point())
        own, truth = (moved_to(t, operator.device, kind) for t in (inputs, targets))
        with linearise.curvature_context(model), torch.enable_grad():
            return loss_fn(model(own), truth).sum()

    placed = place(operator.model, operator.raw_loss, attempt, operator.device, dtype)
    loss_fn = in_double_precision(placed.loss_fn, operator.device)
    if operator.logits_dim is not None:
        loss_fn = at_logits(loss_fn, operator.logits_dim)
    known = dict(placed.model.named_parameters(remove_duplicate=False))
    parameters = [known[name] for name in operator.parameters]
    generator = torch.Generator().manual_seed(1)
    direction = []
    for parameter in parameters:
        size = parameter.detach().square().mean().sqrt().clamp_min(1e-6)
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
        direction.append(noise.to(parameter) * size)
    kind = parameters[0].dtype
    inputs, targets = (moved_to(t, operator.device, kind) for t in (inputs, targets))
    wide = kind == torch.float64
    return _Trial(placed.model, loss_fn, parameters, direction, inputs, targets, wide)


def _ratio(one: Tensor, other: Tensor) -> float:
    """Length of a vector relative to another's."""
    length = float(other.norm())
    return float(one.norm()) / length if length > 0 else 0.0


def _check_gradient(trial: _Trial) -> None:
    """The gradient along the direction against a difference of losses."""
    gradient = trial.gradient()
    terms = gradient * trial.flat(trial.direction)
    slope, scale = float(terms.sum()), float(terms.norm())
    with torch.no_grad():
        here, size = float(trial.loss()), float(trial.outputs().abs().max())
    gaps = []
    for step in (1e-4, 1e-5, 1e-6) if trial.wide else (1e-2, 3e-3, 1e-3):
        with torch.no_grad():
            losses = [float(end) for end in trial.sides(step, trial.loss)]
        difference = (losses[0] - losses[1]) / (2 * step)
        noise = 1e-15 if trial.wide else 1e-6
        # A loss is a difference of terms of the outputs' size: below their rounding it is 0.
        floor = (noise * max(map(abs, losses)) + 1e-15 * size) / step
        # At a minimum there is no slope to compare with: a millionth of the curvature is none.
        bent = 1e-6 * abs(losses[0] + losses[1] - 2 * here) / step**2
        # Where the two sides differ there is a kink (ReLU at 0) or rounding that was not foreseen
        # (norms in float32): a slope within them is no fault of the backward pass.
        sides = 2 * abs(losses[0] + losses[1] - 2 * here) / step
        gap = max(0.0, abs(difference - slope) - floor - sides)
        gaps.append(gap / max(abs(slope), scale, bent, 1e-300))
    if min(gaps) > TOLERANCE:
        raise PruneLimitError(
            f"the gradient is not the derivative of the loss (along a direction they differ by "
            f"{min(gaps):.0%}): look for detach(), no_grad(), gradient checkpointing with "
            "use_reentrant=True, straight-through estimators, or a torch.autograd.Function whose "
            "backward is another function's"
        )


def _check_product(trial: _Trial, kind: str) -> None:
    """A product on the trial's examples against differences of first derivatives."""
    product = trial.product(kind)
    difference = trial.hessian_difference if kind == "hessian" else trial.gauss_newton_difference
    steps = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7) if trial.wide else (1e-2, 3e-3, 1e-3)
    # Steps that cross kinks of ReLU give other differences: the best of several counts.
    gap = math.inf
    for step in steps:
        other, unlike = difference(step)
        longest = max(product, other, key=torch.linalg.vector_norm)
        gap = min(gap, _ratio(product - other, longest) - 2 * unlike)
    if gap > TOLERANCE:
        name = "Hessian" if kind == "hessian" else "Gauss-Newton matrix"
        raise PruneLimitError(
            f"a product with the {name} differs by {gap:.0%} from a difference of gradients: "
            "second derivatives get lost on their way. Look for a torch.autograd.Function whose "
            "backward leaves the graph (.data, NumPy, saved plain tensors), for detach(), and for "
            "kinks"
        )
