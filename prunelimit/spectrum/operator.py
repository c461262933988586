"""The curvature of a loss as a matrix that is only ever multiplied.

`CurvatureOperator` is the Hessian or the generalised Gauss-Newton matrix of a
mean loss over a fixed set of examples. A product costs a few passes over the
data; the part of it that does not depend on the vector (the primal pass and
its graph) is kept between products as far as memory allows.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import (
    LossFunction,
    check_mean_loss,
    check_modes,
    check_reiterable,
    curvature_device,
    in_double_precision,
    iterate_pairs,
    scalar_loss,
)
from prunelimit.network.parameters import prunable_parameters
from prunelimit.network.world import ALONE, World
from prunelimit.progress import track
from prunelimit.spectrum import memory as memory_module
from prunelimit.spectrum.jacobian import example_jacobians, examples_at_once
from prunelimit.spectrum.linearise import (
    LINEARISATIONS,
    GaussNewtonChunk,
    Linearisation,
    curvature_context,
)

DEFAULT_CHUNK = 1000
"""Examples a product handles at once where memory allows: fastest by measurement on CPUs."""


DENSE_BLOCK = 64
"""Columns computed at once when the matrix itself is built."""


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
        Re-iterable of ``(inputs, targets)``; batches may be ragged, every
        example counts the same.
    world
        Processes that share the examples; each gives its own part as `loader`,
        of any size, even empty (see `World.shard`). Products, like the
        constructor, are then collective: all processes ask for the same one,
        and all get it.
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
    memory
        Bytes the kept graphs and cached data may take; default: half of what
        is free on the device.
    chunk
        Examples handled at once; default: 1,000 or what memory allows.
    allow_tf32
        Let CUDA multiply matrices in TF32; by default curvature is computed in
        full float32.

    Attributes
    ----------
    dim
        Number of parameters D.
    examples, outputs
        Number of examples N, and of model outputs per example.
    own_examples
        Of the N, those that this process has.
    loss
        The mean loss over the data.
    products
        Matrix-vector products with the full data done so far.
    reserved
        Bytes that the kept graphs will come to.

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
        loss_fn: LossFunction,
        loader: Iterable[Any],
        kind: str = "ggn",
        parameters: Mapping[str, nn.Parameter] | None = None,
        *,
        device: str | torch.device = "auto",
        dtype: torch.dtype | None = None,
        memory: int | None = None,
        chunk: int | None = None,
        allow_tf32: bool = False,
        world: World = ALONE,
    ) -> None:
        if kind not in LINEARISATIONS:
            raise PruneLimitError(
                f"kind={kind!r} is unknown; the curvatures are {', '.join(sorted(LINEARISATIONS))}"
            )
        if chunk is not None and chunk < 1:
            raise PruneLimitError(f"chunk={chunk} examples at once; it must be at least 1")
        check_reiterable(loader)
        check_modes(model)
        names = list(prunable_parameters(model) if parameters is None else parameters)
        self.kind = kind
        self.device = curvature_device(device, model)
        self.allow_tf32 = allow_tf32
        self.model, loss_fn = _placed(model, loss_fn, names, self.device, dtype)
        self.loss_fn = in_double_precision(loss_fn, self.device)
        self.parameters = _pick(self.model, names)
        first = next(iter(self.parameters.values()))
        self.dtype = first.dtype
        self.dim = sum(p.numel() for p in self.parameters.values())
        self.products = 0.0
        self._loader = loader
        self.world = world
        free = memory_module.available_bytes(self.device, self.world.local_size)
        self._memory = free // 2 if memory is None else int(memory)
        self._chunk = chunk
        self._read_data()
        self._plan()

    # ------------------------------------------------------------------ data
    def _move(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(  # type: ignore[return-value]
            t.to(self.device, self.dtype if t.is_floating_point() else None)
            for t in (inputs, targets)
        )

    def _read_data(self) -> None:
        """One pass: count, evaluate, check, and cache the examples where they fit."""
        budget = self._memory // 2
        cached: list[tuple[Tensor, Tensor]] | None = []
        examples, total, size, outputs = 0, 0.0, 0, 0
        for inputs, targets in map(lambda pair: self._move(*pair), iterate_pairs(self._loader)):
            if examples == 0:
                outputs = self._check_first_batch(inputs, targets)
            n = inputs.shape[0]
            total += n * self._evaluate(inputs, targets)
            examples += n
            size += (
                inputs.numel() * inputs.element_size() + targets.numel() * targets.element_size()
            )
            cached = None if cached is None or size > budget else [*cached, (inputs, targets)]
        self._agree(examples, total, outputs)
        if examples and next(iterate_pairs(self._loader), None) is None:
            raise PruneLimitError(
                "the loader is empty on its second pass; give one that can be iterated again and "
                "again, such as a DataLoader or a list"
            )
        self._data = None if cached is None else _merged(cached)
        self._data_bytes = 0 if cached is None else size

    def _agree(self, examples: int, total: float, outputs: int) -> None:
        """What the processes found in their parts of the data, put together."""
        parts = self.world.gather((examples, total, outputs))
        self.own_examples = examples
        self.examples = sum(part[0] for part in parts)
        if self.examples == 0:
            raise PruneLimitError("the loader is empty: it yields no example; give at least one")
        self.loss = sum(part[1] for part in parts) / self.examples
        self.outputs = max(part[2] for part in parts)

    def _evaluate(self, inputs: Tensor, targets: Tensor) -> float:
        with curvature_context(self.model, self.allow_tf32), torch.no_grad():
            return float(scalar_loss(self.loss_fn, self._outputs(inputs), targets))

    def _outputs(self, inputs: Tensor) -> Tensor:
        outputs = self.model(inputs)
        if not isinstance(outputs, Tensor):
            raise PruneLimitError(
                f"the model returns a {type(outputs).__name__}; wrap it so that it returns the "
                "tensor that loss_fn takes"
            )
        return outputs

    def _check_first_batch(self, inputs: Tensor, targets: Tensor) -> int:
        """Refuse what has no curvature; the number of outputs."""
        rtol = 1e-3 if torch.finfo(self.dtype).eps > 1e-5 else 2e-5
        check_mean_loss(self._evaluate, inputs, targets, rtol)
        with curvature_context(self.model, self.allow_tf32), torch.enable_grad():
            outputs = self._outputs(inputs[:2])
            loss = self.loss_fn(outputs, targets[:2])
            if not loss.requires_grad:
                raise PruneLimitError(
                    "the loss does not depend on the parameters through autograd; look for "
                    "detach(), no_grad() or integer outputs in the model and loss_fn"
                )
            grads = torch.autograd.grad(loss, list(self.parameters.values()), allow_unused=True)
        if all(grad is None for grad in grads):
            raise PruneLimitError(
                "the loss does not depend on the parameters given: "
                f"{', '.join(list(self.parameters)[:5])}; their layers are not used by the model"
            )
        return outputs[0].numel()

    # ------------------------------------------------------------------ plan
    def _plan(self) -> None:
        """Choose the chunk length, and how many chunks keep their graph."""
        per_example = self._example_bytes() if self.own_examples else 1
        budget = max(0, self._memory - self._data_bytes)
        if self._chunk is None:
            chunk = int(min(DEFAULT_CHUNK, max(1, budget // (4 * per_example))))
            self._chunk = min(self.world.gather(chunk))
        chunk_bytes = per_example * max(1, min(self._chunk, self.own_examples))
        self._room = int(0.75 * budget // chunk_bytes) if self._data is not None else 0
        chunks = -(-self.own_examples // self._chunk)
        self.reserved = chunk_bytes * max(1, min(self._room, chunks))
        self._kept: dict[int, Linearisation] = {}

    @property
    def chunk(self) -> int:
        """Examples handled at once."""
        assert self._chunk is not None
        return self._chunk

    def _example_bytes(self) -> int:
        """What the kept graph of one example takes."""
        inputs, targets = (part[:8] for part in next(self._batches()))
        known = [*self.parameters.values(), inputs, targets]
        with memory_module.count_saved_bytes(known) as counter:
            self._linearise(inputs, targets)
        return max(1, counter.bytes // inputs.shape[0])

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self._data is not None:
            yield from self._data
        else:
            yield from (self._move(*pair) for pair in iterate_pairs(self._loader))

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        for inputs, targets in self._batches():
            yield from zip(inputs.split(self.chunk), targets.split(self.chunk), strict=True)

    def _linearise(self, inputs: Tensor, targets: Tensor) -> Linearisation:
        with curvature_context(self.model, self.allow_tf32), torch.enable_grad():
            return LINEARISATIONS[self.kind](
                self.model, self.loss_fn, list(self.parameters.values()), inputs, targets
            )

    def linearised(self) -> Iterator[tuple[Linearisation, float]]:
        """Every chunk's linearisation with its share of the examples; the first ones are kept."""
        seen = 0
        for position, (inputs, targets) in enumerate(self._chunks()):
            seen += inputs.shape[0]
            kept = self._kept.get(position)
            if kept is None:
                kept = self._linearise(inputs, targets)
                if position < self._room:
                    self._kept[position] = kept
            yield kept, inputs.shape[0] / self.examples
        if seen != self.own_examples:
            raise PruneLimitError(
                f"the loader gave {seen} examples in this pass and {self.own_examples} in the "
                "first; curvature needs the same data in every pass"
            )

    def release(self) -> None:
        """Drop the kept graphs; the next product builds them again."""
        self._kept.clear()

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
        total = self._accumulate(rows)
        # One pass over the product, where isfinite takes several; NaN is an extreme, too.
        if not all(math.isfinite(end) for end in torch.aminmax(total)):
            raise PruneLimitError(
                "a curvature product is not finite; the weights or activations are too large for "
                f"{self.dtype}. Try dtype=torch.float64, or look for a diverged training"
            )
        self.products += rows.shape[0]
        return total.T.reshape(vectors.shape).to(vectors.device, vectors.dtype)

    def _accumulate(self, rows: Tensor) -> Tensor:
        total = self.zeros(rows.shape[0])
        vectors = [self.pieces(row) for row in rows.contiguous()]
        sums = [self.pieces(row) for row in total]
        with self.context():
            for linearisation, share in self.linearised():
                for vector, target in zip(vectors, sums, strict=True):
                    add_pieces(target, linearisation.apply(vector), share)
        return self.world.sum(total)

    def zeros(self, rows: int) -> Tensor:
        """Where sums over batches are kept: ``(rows, dim)`` in float64 if the device has it."""
        wide = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.zeros(rows, self.dim, dtype=wide, device=self.device)

    def pieces(self, vector: Tensor) -> list[Tensor]:
        """Views of ``(dim,)`` shaped as the parameters."""
        sizes = [p.numel() for p in self.parameters.values()]
        parts = zip(vector.split(sizes), self.parameters.values(), strict=True)
        return [part.view(parameter.shape) for part, parameter in parts]

    def context(self) -> AbstractContextManager[None]:
        """The settings under which linearisations are built and applied."""
        return curvature_context(self.model, self.allow_tf32)

    def __matmul__(self, vectors: Tensor) -> Tensor:
        return self.matmul(vectors)

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
        # Where every weight is used once per example, the products are as quick by measurement.
        shared = any(parameter.ndim > 2 for parameter in self.parameters.values())
        matrix = self._from_jacobians() if self.kind == "ggn" and shared else None
        if matrix is not None:
            return matrix
        return dense_matrix(self.matmul, self.dim, self.dtype, self.device, progress)

    def _from_jacobians(self) -> Tensor | None:
        """J^T H_out J from its factors; None if the model cannot be differentiated that way."""
        try:
            with self.context():
                matrix: Tensor | None = self._sum_of_factors().detach()
        except Exception:  # torch.func has a kind of its own for every layer that it does not know
            matrix = None
        failed = any(self.world.gather(matrix is None))
        if failed or matrix is None:
            return None
        matrix = self.world.sum(matrix)
        direction = torch.linspace(-1.0, 1.0, self.dim, dtype=self.dtype, device=self.device)
        expected = self.matmul(direction)
        # One product checks the whole: a model may behave otherwise on one example at a time.
        tolerance = 1e3 * torch.finfo(self.dtype).eps * float(matrix.norm() * direction.norm())
        agrees = float((matrix @ direction - expected).norm()) <= tolerance
        return (matrix + matrix.T) / 2 if all(self.world.gather(agrees)) else None

    def _sum_of_factors(self) -> Tensor:
        matrix = torch.zeros(self.dim, self.dim, dtype=self.dtype, device=self.device)
        size = examples_at_once(self.outputs, self.dim, self.dtype.itemsize)
        chunks = zip(self._chunks(), self.linearised(), strict=True)
        for (inputs, _), (chunk, share) in chunks:
            assert isinstance(chunk, GaussNewtonChunk)
            curvature = chunk.output_curvature().detach() * share
            for part, bend in zip(inputs.split(size), curvature.split(size), strict=True):
                jacobian = example_jacobians(self.model, self.parameters, part)
                bent = torch.bmm(bend, jacobian)
                matrix.addmm_(jacobian.flatten(0, 1).T, bent.flatten(0, 1))
        return matrix


def dense_matrix(
    matmul: Callable[[Tensor], Tensor],
    dim: int,
    dtype: torch.dtype,
    device: torch.device,
    progress: bool | None = False,
) -> Tensor:
    """The symmetric matrix ``(dim, dim)`` behind a product, from its columns.

    Examples
    --------
    >>> dense_matrix(lambda x: 2 * x, 1, torch.float32, torch.device("cpu"))
    tensor([[2.]])
    """
    matrix = torch.empty(dim, dim, dtype=dtype, device=device)
    for start in track(range(0, dim, DENSE_BLOCK), "curvature, all columns", enabled=progress):
        width = min(DENSE_BLOCK, dim - start)
        units = torch.zeros(dim, width, dtype=dtype, device=device)
        units[start : start + width].fill_diagonal_(1.0)
        matrix[:, start : start + width] = matmul(units)
    return (matrix + matrix.T) / 2


def add_pieces(target: list[Tensor], pieces: Sequence[Tensor | None], share: float) -> None:
    """Target += share * pieces; None stands for 0."""
    for part, piece in zip(target, pieces, strict=True):
        if piece is not None:
            part.add_(piece, alpha=share)


def _placed(
    model: nn.Module,
    loss_fn: LossFunction,
    names: list[str],
    device: torch.device,
    dtype: torch.dtype | None,
) -> tuple[nn.Module, LossFunction]:
    """The model and loss themselves, or copies where device or dtype differ."""
    parameters = _pick(model, names).values()
    fits = all(p.device == device and (dtype is None or p.dtype == dtype) for p in parameters)
    if fits:
        return model, loss_fn
    model = copy.deepcopy(model).to(device=device, dtype=dtype)
    if isinstance(loss_fn, nn.Module):
        loss_fn = copy.deepcopy(loss_fn).to(device=device, dtype=dtype)
    return model, loss_fn


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
            "it, or leave it out"
        )
    return {name: known[name] for name in names}


def _merged(batches: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
    """One pair of long tensors where the batches' shapes agree, else the batches themselves."""
    if not batches:
        return []
    inputs, targets = zip(*batches, strict=True)
    alike = len({t.shape[1:] for t in inputs}) == 1 and len({t.shape[1:] for t in targets}) == 1
    return [(torch.cat(inputs), torch.cat(targets))] if alike else batches
