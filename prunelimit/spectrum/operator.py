"""The curvature of a loss as a matrix that is only ever multiplied.

`CurvatureOperator` is the Hessian or the generalised Gauss-Newton matrix of a
mean loss over a fixed set of examples. A product costs a few passes over the
data; the part of it that does not depend on the vector (the primal pass and
its graph) is kept between products as far as memory allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.names import require_known
from prunelimit.network import checks
from prunelimit.network.copies import moved_to, place
from prunelimit.network.packing import path_name
from prunelimit.network.parameters import prunable_parameters, unflatten
from prunelimit.network.view import ModelView, unwrapped
from prunelimit.network.world import ALONE, World
from prunelimit.spectrum import linearise
from prunelimit.spectrum import memory as memory_module
from prunelimit.spectrum.arrival import check_arrival
from prunelimit.spectrum.dense import dense_matrix, matrix_from_jacobians
from prunelimit.spectrum.examples import Examples
from prunelimit.spectrum.outputs import (
    LOGITS_NOTE,
    at_logits,
    hides_curvature,
    log_probability_dim,
    probability_note,
    refuse_curved_penalty,
    refuse_flat_loss,
    slopes,
)

DEFAULT_CHUNK = 1000
"""Examples a product handles at once where memory allows: fastest by measurement on CPUs."""

TRIAL = 32
"""Examples on which a copy, the loss and its derivatives are tried."""

WEIGHTS_NOTE = (
    "the loss is a weighted mean (ignored targets, class weights, or tokens): batches count by "
    "what their means divide by, not by their examples. Where that is not meant, let the loader "
    "yield (inputs, targets, weight)"
)


@dataclass(frozen=True)
class Workspace:
    """What products may take, and who computes them.

    Attributes
    ----------
    memory
        Bytes for the kept graphs and cached data; None is half of what is free on the device.
    chunk
        Examples handled at once; None is 1,000 or what memory allows.
    world
        Processes that share the examples; each gives its own part as the loader, of any size,
        even empty (see `World.shard`). Products, like the constructor, are then collective: all
        processes ask for the same one, and all get it.
    """

    memory: int | None = None
    chunk: int | None = None
    world: World = ALONE

    def __post_init__(self) -> None:
        """Refuse chunks without an example."""
        require(self.chunk is None or self.chunk >= 1, "chunk", self.chunk, "at least 1")


class CurvatureOperator:
    """Hessian or generalised Gauss-Newton matrix of a mean loss, restricted to some parameters.

    Parameters
    ----------
    model
        Maps inputs ``(n, ...)`` to outputs ``(n, ...)``, example by example. It
        is evaluated in eval mode, and its mode is restored.
    loss_fn
        ``loss_fn(outputs, targets)``, a mean over examples.
    loader
        Re-iterable of ``(inputs, targets)``; batches may be ragged. Each counts by
        what its mean loss divides by, as far as the loss shows it: its examples,
        the targets that are not ignored, or their class weights. A third entry
        ``weight`` says it outright (a number, or one for each example).
    kind
        ``"hessian"`` or ``"ggn"``: J^T H_out J averaged over examples (Schraudolph
        2002), positive semi-definite for losses convex in the outputs.
    parameters
        Names and parameters of `model` to differentiate; default: the prunable
        ones (`prunelimit.network.parameters.prunable_parameters`).
    device
        ``"auto"``, or a torch device. A model that lives elsewhere is copied.
    dtype
        Compute in this dtype on a copy of the model; default: the model's own.
    workspace
        See `Workspace`.

    Attributes
    ----------
    dim
        Number of parameters D.
    examples, outputs
        Number of examples N, and of model outputs per example (on average, rounded up).
    own_examples
        Of the N, those that this process has.
    loss
        The mean loss over the data.
    products
        Matrix-vector products with the full data done so far.
    reserved
        Bytes that the kept graphs will come to.
    chunk
        Examples handled at once.
    data
        The examples themselves.
    half
        Whether the caller's model is in half precision, and computed in float32.
    notes
        What was done otherwise than asked for, in words.

    Raises
    ------
    PruneLimitError
        On input that does not define such a matrix (see `prunelimit.network.checks`).

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> data = [(torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.zeros(2, 1))]
    >>> CurvatureOperator(model, nn.functional.mse_loss, data).dense()
    tensor([[1., 0.],
            [0., 9.]])
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: checks.LossFunction,
        loader: Iterable[Any],
        kind: str = "ggn",
        parameters: Mapping[str, nn.Parameter] | None = None,
        *,
        device: str | torch.device = "auto",
        dtype: torch.dtype | None = None,
        workspace: Workspace = Workspace(),
    ) -> None:
        require_known("curvature", kind, linearise.LINEARISATIONS)
        checks.check_reiterable(loader)
        checks.check_model(model)
        model = unwrapped(model)
        checks.check_modes(model)
        names = list(prunable_parameters(model) if parameters is None else parameters)
        _pick(model, names)
        self.kind, self.world = kind, workspace.world
        self._loader, order = checks.in_fixed_order(loader)
        placed = place(model, loss_fn, self._attempt, checks.curvature_device(device, model), dtype)
        self.notes = tuple(note for note in (order, placed.note) if note)
        self.model, self.half = placed.model, placed.half
        self.parameters = _pick(self.model, names)
        first = next(iter(self.parameters.values()))
        self.device, self.dtype = first.device, first.dtype
        self.dim = sum(p.numel() for p in self.parameters.values())
        self.products = 0.0
        free = memory_module.available_bytes(self.device, self.world.local_size)
        self._memory = free // 2 if workspace.memory is None else int(workspace.memory)
        with checks.on_any_examples():
            self._settle_loss(placed.loss_fn)
            self._read()
            self._check_derivatives()
        self._plan(workspace.chunk)

    # ------------------------------------------------------------------ data
    def _read(self) -> None:
        """The examples, and what they say of themselves."""
        self.data = Examples(
            self._loader,
            self._forward,
            self.loss_fn,
            self.device,
            self.dtype,
            self._memory // 2,
            self.world,
            self.model.form.entries if isinstance(self.model, ModelView) else Tensor.numel,
        )
        self.examples, self.own_examples = self.data.count, self.data.own
        self.loss = self.data.loss
        self.outputs = -(-self.data.outputs // self.examples)
        if not self.data.plain:
            self.notes = (*self.notes, WEIGHTS_NOTE)

    def _forward(self, inputs: Tensor) -> Tensor:
        with self.context(), torch.no_grad():
            return self._outputs(inputs)

    def _outputs(self, inputs: Tensor) -> Tensor:
        outputs = self.model(inputs)
        if not isinstance(outputs, Tensor):
            raise PruneLimitError(
                f"the model returns a {type(outputs).__name__}; wrap it so that it returns the "
                "tensor that loss_fn takes"
            )
        if outputs.is_complex():
            raise PruneLimitError(
                "the model returns complex numbers, of which curvature is taken as of pairs of "
                "real ones: return torch.view_as_real(outputs), and let loss_fn take that"
            )
        return outputs

    def _attempt(self, model: nn.Module, loss_fn: checks.LossFunction) -> Tensor:
        """The loss of the first examples where `model` is; see `place`."""
        inputs, targets, weight = next(checks.iterate_batches(self._loader))
        if weight is None or weight.ndim:
            inputs, targets = inputs[:TRIAL], targets[:TRIAL]
        first = next(p for p in model.parameters() if p.is_floating_point())
        inputs, targets = (moved_to(t, first.device, first.dtype) for t in (inputs, targets))
        with linearise.curvature_context(model), torch.enable_grad():
            return loss_fn(model(inputs), targets).sum()

    def _settle_loss(self, loss_fn: checks.LossFunction) -> None:
        """The loss in double precision, at logits where the outputs are log-probabilities."""
        self.raw_loss = loss_fn
        self.loss_fn = checks.in_double_precision(loss_fn, self.device)
        dims: list[int | None] = []
        said = ""
        for inputs, targets, _ in checks.iterate_batches(self._loader):
            inputs, targets = (moved_to(t, self.device, self.dtype) for t in (inputs, targets))
            outputs = self._forward(inputs)
            said = said or probability_note(self.loss_fn, outputs, targets, self.kind)
            if self.kind != "ggn":
                break
            slope = slopes(self.loss_fn, outputs, targets)
            if slope is not None:
                dims = [self._hidden_dim(outputs, slope)]
                break
        self.notes = (*self.notes, *{note: None for note in self.world.gather(said) if note})
        found = {dim for part in self.world.gather(dims) for dim in part}
        self.logits_dim = found.pop() if len(found) == 1 else None
        if self.logits_dim is not None:
            self.loss_fn = at_logits(self.loss_fn, self.logits_dim)
            self.notes = (*self.notes, LOGITS_NOTE)

    def _hidden_dim(self, outputs: Tensor, slope: Tensor) -> int | None:
        """Along which the outputs are log-probabilities that hide the loss's curvature."""
        if isinstance(self.model, ModelView) and len(self.model.form.shapes) > 1:
            parts, steep = (self.model.form.parts(rows) for rows in (outputs, slope))
            for path in self.model.form.moving:
                dim = log_probability_dim(parts[path])
                if dim is not None and hides_curvature(steep[path], dim):
                    raise PruneLimitError(
                        f"output {path_name(path)} is log-probabilities beside other outputs, and "
                        "their last layer's curvature would be missed: let the model return "
                        "logits, and the loss take cross_entropy; or use policy='abs' or 'clip'"
                    )
            return None
        dim = log_probability_dim(outputs)
        return dim if dim is not None and hides_curvature(slope, dim) else None

    def _check_derivatives(self) -> None:
        """Refuse what has no curvature, or none that the weights would show."""
        if not self.own_examples:
            return
        if self.kind == "ggn":
            inputs, targets = self.data.some(TRIAL)
            # With a graph: the loss may read activations that a hook or the model has kept.
            with self.context(), torch.enable_grad():
                outputs = self._outputs(inputs)
            weights = list(self.parameters.values())
            refuse_curved_penalty(self.loss_fn, outputs, targets, weights)
        self._require_bend()
        batches = (piece[:2] for piece in self.data.pieces(DEFAULT_CHUNK))
        with self.context(), linearise.explained():
            check_arrival(self.model, self.loss_fn, self.parameters, batches)

    def _require_bend(self) -> None:
        """Refuse a loss that is straight at all examples; it may be at many (a smooth hinge)."""
        said = None
        pieces = (piece[:2] for piece in self.data.pieces(DEFAULT_CHUNK))
        for inputs, targets in chain([self.data.some(TRIAL)], pieces):
            try:
                refuse_flat_loss(self.loss_fn, self._forward(inputs), targets, self.kind)
                return
            except PruneLimitError as error:
                said = said or error
        assert said is not None
        raise said

    # ------------------------------------------------------------------ plan
    def _plan(self, chunk: int | None) -> None:
        """Choose the chunk length, and how many chunks keep their graph."""
        per_example = self._example_bytes() if self.own_examples else 1
        budget = max(0, self._memory - self.data.nbytes)
        if chunk is None:
            fitting = int(min(DEFAULT_CHUNK, max(1, budget // (4 * per_example))))
            chunk = min(self.world.gather(fitting))
        self.chunk = chunk
        chunk_bytes = per_example * max(1, min(chunk, self.own_examples))
        self._room = int(0.75 * budget // chunk_bytes) if self.data.kept else 0
        chunks = -(-self.own_examples // chunk)
        self.reserved = chunk_bytes * max(1, min(self._room, chunks))
        self._kept: dict[int, linearise.Linearisation] = {}
        self._matrix: Tensor | None = None

    def _example_bytes(self) -> int:
        """What the kept graph of one example takes."""
        inputs, targets = self.data.some(8)
        known = [*self.parameters.values(), inputs, targets]
        with memory_module.count_saved_bytes(known) as counter:
            self._linearise(inputs, targets)
        return max(1, sum(counter.values()) // inputs.shape[0])

    def _linearise(self, inputs: Tensor, targets: Tensor) -> linearise.Linearisation:
        with self.context(), torch.enable_grad(), linearise.explained():
            return linearise.LINEARISATIONS[self.kind](
                self.model, self.loss_fn, list(self.parameters.values()), inputs, targets
            )

    def linearised(self) -> Iterator[tuple[linearise.Linearisation, float]]:
        """Every chunk's linearisation with its share of the mean loss; the first ones are kept."""
        for position, (inputs, targets, share) in enumerate(self.data.chunks(self.chunk)):
            kept = self._kept.get(position)
            if kept is None:
                kept = self._linearise(inputs, targets)
                if position < self._room:
                    self._kept[position] = kept
            yield kept, share

    def output_width(self) -> int:
        """Outputs that the loss couples, at most: the width of the blocks of H_out."""
        found = 1
        if self.own_examples and self.kind == "ggn":
            chunk = self._linearise(*self.data.some(2))
            assert isinstance(chunk, linearise.GaussNewtonChunk)
            with self.context():
                found = chunk.layout.width
        return max(self.world.gather(found))

    def release(self) -> None:
        """Drop the kept graphs and the matrix; the next product builds them again."""
        self._kept.clear()
        self._matrix = None

    # -------------------------------------------------------------- products
    def matmul(self, vectors: Tensor) -> Tensor:
        """The matrix times a vector ``(dim,)`` or each column of a block ``(dim, block)``.

        Batches are computed in the operator's dtype and summed in float64
        (where the device has it); the result has the dtype of `vectors`.

        Raises
        ------
        PruneLimitError
            If the shape does not fit, or the product is not finite.

        Examples
        --------
        >>> data = [(torch.eye(2), torch.zeros(2, 1))]
        >>> operator = CurvatureOperator(nn.Linear(2, 1), nn.functional.mse_loss, data)
        >>> operator.matmul(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
        """
        if vectors.ndim not in (1, 2) or vectors.shape[0] != self.dim:
            raise PruneLimitError(
                f"vectors of shape {tuple(vectors.shape)} do not fit a matrix of dimension "
                f"{self.dim}; expected ({self.dim},) or ({self.dim}, block)"
            )
        rows = vectors.detach().reshape(self.dim, -1).T.to(self.device, self.dtype)
        total = self.zeros(rows.shape[0])
        directions = [self.directions(row) for row in rows.contiguous()]
        sums = [self.pieces(row) for row in total]
        with self.context(), linearise.explained():
            for linearisation, share in self.linearised():
                for direction, target in zip(directions, sums, strict=True):
                    add_pieces(target, linearisation.apply(direction), share)
        total = self.world.sum(total)
        require_finite(total, self.dtype)
        self.products += rows.shape[0]
        return total.T.reshape(vectors.shape).to(vectors.device, vectors.dtype)

    __matmul__ = matmul

    def gradient(self) -> Tensor:
        """The mean loss's gradient ``(dim,)``, in the operator's dtype, summed in float64.

        Examples
        --------
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> _ = layer.weight.data.fill_(1.0)
        >>> data = [(torch.ones(2, 1), torch.zeros(2, 1))]
        >>> CurvatureOperator(layer, nn.functional.mse_loss, data).gradient()
        tensor([2.])
        """
        total = self.zeros(1)
        parameters, pieces = list(self.parameters.values()), self.pieces(total[0])
        with self.context(), torch.enable_grad():
            for inputs, targets, share in self.data.chunks(self.chunk):
                loss = checks.scalar_loss(self.loss_fn, self.model(inputs), targets)
                found = torch.autograd.grad(loss, parameters, allow_unused=True)
                add_pieces(pieces, found, share)
        return self.world.sum(total)[0].to(self.dtype)

    def zeros(self, rows: int) -> Tensor:
        """Where sums over batches are kept: ``(rows, dim)`` in float64 if the device has it."""
        wide = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.zeros(rows, self.dim, dtype=wide, device=self.device)

    def pieces(self, vector: Tensor) -> list[Tensor]:
        """Views of ``(dim,)`` shaped as the parameters."""
        return list(unflatten(vector, self.parameters).values())

    def directions(self, vector: Tensor) -> list[Tensor]:
        """The same to differentiate along: none starts at an odd place, where pairs of real
        numbers cannot be read as complex ones.
        """
        return [p.clone() if p.storage_offset() % 2 else p for p in self.pieces(vector)]

    def context(self) -> AbstractContextManager[None]:
        """The settings under which linearisations are built and applied."""
        return linearise.curvature_context(self.model)

    def dense(self, progress: bool | None = False) -> Tensor:
        """The matrix ``(dim, dim)`` itself, symmetrised; for small dimensions.

        `progress` as in `prunelimit.progress.progress_bar`.

        Examples
        --------
        >>> data = [(torch.eye(2), torch.zeros(2, 1))]
        >>> CurvatureOperator(nn.Linear(2, 1), nn.functional.mse_loss, data).dense()
        tensor([[1., 0.],
                [0., 1.]])
        """
        if self._matrix is None:
            found = matrix_from_jacobians(self) if self.kind == "ggn" else None
            if found is None:
                found = dense_matrix(self, progress)
            self._matrix = found
        return self._matrix


def require_finite(product: Tensor, dtype: torch.dtype) -> None:
    """Refuse a curvature product that is not finite.

    Raises
    ------
    PruneLimitError
        With what may be wrong.
    """
    # One pass over the product, where isfinite takes several; NaN is an extreme, too.
    if not all(math.isfinite(end) for end in torch.aminmax(product)):
        raise PruneLimitError(
            "a curvature product is not finite; the weights or activations are too large for "
            f"{dtype}. Try dtype=torch.float64, or look for a diverged training"
        )


def add_pieces(target: list[Tensor], pieces: Sequence[Tensor | None], share: float) -> None:
    """Target += share * pieces; None stands for 0."""
    for part, piece in zip(target, pieces, strict=True):
        if piece is not None:
            part.add_(piece, alpha=share)


def _pick(model: nn.Module, names: list[str]) -> dict[str, nn.Parameter]:
    if not names:
        raise PruneLimitError("parameters is empty; name at least one parameter of the model")
    known = dict(model.named_parameters(remove_duplicate=False))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise PruneLimitError(
            f"the model has no parameter {unknown[0]!r}; its parameters are "
            f"{', '.join(list(known)[:8])}{' …' if len(known) > 8 else ''}"
        )
    frozen = [name for name in names if not known[name].requires_grad]
    if frozen:
        raise PruneLimitError(
            f"parameter {frozen[0]!r} does not require a gradient; call requires_grad_(True) on "
            "it, or choose others by parameters= (adapters, where the rest is frozen)"
        )
    return {name: known[name] for name in names}
