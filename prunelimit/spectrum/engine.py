"""From a model to its spectrum, with as many products as the answer needs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn

from prunelimit.checkpoint import Checkpoint
from prunelimit.errors import PruneLimitError, require
from prunelimit.names import is_number
from prunelimit.network.checks import LossFunction, curvature_device
from prunelimit.network.parameters import Choice, prunable_parameters
from prunelimit.network.world import ALONE, World
from prunelimit.progress import progress_bar
from prunelimit.spectrum import memory as memory_module
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.bracket import (
    Array,
    Rule,
    deflate,
    folded_rule,
    gauss_rule,
    radau_rule,
    ritz_pairs,
)
from prunelimit.spectrum.gate import NOTHING, check_consistency
from prunelimit.spectrum.gram import GramOperator
from prunelimit.spectrum.krylov import KrylovSpace
from prunelimit.spectrum.matrix import BuildableMatrix, SymmetricMatrix
from prunelimit.spectrum.operator import CurvatureOperator, Workspace
from prunelimit.spectrum.result import POLICIES, Spectrum
from prunelimit.spectrum.search import Search, Target

DENSE_DIM = 6000
"""Up to this dimension the matrix is built and diagonalised in float64."""

COPIES = 3
"""Copies of the matrix that are held at once while its eigenvalues are computed."""

STEPS_TO_STORE = 256
"""Vectors that should fit in memory; if they do not in float32, they are kept in bfloat16."""


class CurvatureWarning(UserWarning):
    """The data limit what can be said about the curvature."""


@dataclass(frozen=True)
class Effort:
    """How well a spectrum is wanted, and what it may cost; see `hessian_spectrum`."""

    tolerance: float = 0.005
    max_products: int = 1000
    method: str = "auto"
    seed: int = 0
    progress: bool | None = None
    checkpoint: str | os.PathLike[str] | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        tolerance, products, seed = self.tolerance, self.max_products, self.seed
        inside = is_number(tolerance) and 0 < tolerance < 1
        require(inside, "tolerance", tolerance, "a half width of sparsity in (0, 1)")
        some = is_number(products) and products >= 1
        require(some, "max_products", products, "a number of at least 1")
        require(isinstance(seed, Integral) and seed >= 0, "seed", seed, "an integer of at least 0")

    def free(self, device: torch.device, processes: int) -> int:
        """Bytes that may be taken: as many as were given, or as are free on the device."""
        if self.memory is not None:
            return self.memory
        return memory_module.available_bytes(device, processes)

    def dense(self, dim: int) -> bool:
        """Whether the matrix itself is built."""
        return self.method == "dense" or (self.method == "auto" and dim <= DENSE_DIM)


def operator_for(
    model: nn.Module,
    loss_fn: LossFunction,
    loader: Iterable[Any],
    policy: str,
    effort: Effort,
    parameters: Choice | None = None,
    *,
    device: str | torch.device = "auto",
    world: World = ALONE,
) -> CurvatureOperator:
    """The operator that `spectrum_of_operator` asks for: in float64 where the matrix is built."""
    chosen = prunable_parameters(model, parameters)
    dim = sum(p.numel() for p in chosen.values())
    dense = effort.dense(dim)
    path = None if dense else effort.checkpoint
    place = curvature_device(device, model)
    if dense:
        _require_room(dim, effort.free(place, world.local_size))
    return CurvatureOperator(
        model,
        loss_fn,
        loader,
        POLICIES[policy],
        chosen,
        device=device,
        dtype=torch.float64 if dense else None,
        workspace=Workspace(
            None if effort.memory is None else effort.memory // 2,
            world.from_main(lambda: _stored_chunk(path)),
            world,
        ),
    )


def _require_room(dim: int, free: int) -> None:
    """Refuse a matrix that would not fit, before it is allocated."""
    needed = COPIES * 8 * dim**2
    if needed > free:
        raise PruneLimitError(
            f"the matrix of dimension {dim:,} takes {needed / 2**30:.3g} GiB with its eigenvalues, "
            f"and {free / 2**30:.3g} GiB are free; use method='lanczos', which multiplies it only"
        )


def spectrum_of_operator(
    operator: CurvatureOperator, policy: str, effort: Effort, target: Target
) -> Spectrum:
    """The spectrum of an operator made by `operator_for`, after its checks."""
    progress, path = effort.progress, effort.checkpoint
    facts: dict[str, Any] = {
        "examples": operator.examples,
        "outputs": operator.outputs,
        "loss": operator.loss,
        "notes": (*operator.notes, *_data_notes(operator, policy)),
    }

    def from_matrix(led: BuildableMatrix, spent: int = 0) -> Spectrum:
        """All eigenvalues, from the matrix itself, after `spent` products of a search."""
        values = torch.linalg.eigvalsh(led.dense(progress).double()).cpu().numpy()
        found = _known_spectrum(values, policy, operator.dim, spent + led.dim, operator.dtype)
        return replace(found, **facts)

    if effort.dense(operator.dim):
        check_consistency(operator, None, progress)
        return operator.world.lead(operator, from_matrix)
    matrix = _choose_matrix(operator, policy, effort)
    check_consistency(operator, matrix if isinstance(matrix, GramOperator) else None, progress)

    def work(led: BuildableMatrix) -> Spectrum:
        space = KrylovSpace(_basis(led, operator, effort.memory), operator.dtype)
        search = Search(
            led,
            space,
            lambda found: replace(spectrum_of_space(found, policy, operator.dim), **facts),
            seed=effort.seed,
            max_products=effort.max_products,
            checkpoint=None if path is None else Checkpoint(path),
            identity=_identity(operator, matrix, policy, effort.seed, space.basis.dtype),
        )
        with progress_bar("curvature", total=effort.max_products, enabled=progress) as bar:
            spectrum = search.run(target, effort.tolerance, bar)
        return from_matrix(led, space.products) if spectrum is None else spectrum

    return operator.world.lead(matrix, work)


def _stored_chunk(checkpoint: str | os.PathLike[str] | None) -> int | None:
    """The chunk length of the run to go on with, so that sums round as they did."""
    stored = None if checkpoint is None else Checkpoint(checkpoint).identity()
    return None if stored is None else stored["chunk"]


def _choose_matrix(operator: CurvatureOperator, policy: str, effort: Effort) -> BuildableMatrix:
    """The Gram form where it is asked for, or smaller and its C by C blocks fit."""
    smaller = policy == "ggn" and operator.data.outputs < operator.dim
    if effort.method != "gram" and not (effort.method == "auto" and smaller):
        return operator
    own, width = operator.data.own_outputs, operator.output_width()
    blocks = own * width * operator.dtype.itemsize
    free = effort.free(operator.device, operator.world.local_size)
    if all(operator.world.gather(blocks <= free // 4)):
        return GramOperator(operator)
    if effort.method == "auto":
        return operator
    raise PruneLimitError(
        f"the second derivatives of the loss in the outputs take {blocks / 2**30:.3g} GiB "
        f"({own:,} outputs in blocks of {width}), and {free / 2**30:.3g} GiB are free; use "
        "method='lanczos'"
    )


def _basis(matrix: SymmetricMatrix, operator: CurvatureOperator, memory: int | None) -> Basis:
    """Full precision where it fits, half of it where it does not, on disk past that."""
    if memory is None:
        free = memory_module.available_bytes(matrix.device)
        room = max(0, int(0.85 * free) - operator.reserved)
    else:
        room = memory // 2
    dtype = matrix.dtype
    if matrix.dim * dtype.itemsize * STEPS_TO_STORE > room:
        dtype = torch.bfloat16
    return Basis(matrix.dim, dtype, matrix.device, room)


def _data_notes(operator: CurvatureOperator, policy: str) -> tuple[str, ...]:
    """Warn where the data cap the rank."""
    rank = operator.examples * max(1, operator.outputs - 1)
    if policy != "ggn" or rank >= operator.dim:
        return ()
    note = (
        f"{operator.examples} examples with {operator.outputs} outputs give a Gauss-Newton matrix "
        f"of rank at most about {rank}, below its dimension {operator.dim}: the other directions "
        "count as flat because no example sees them"
    )
    warnings.warn(note + ". Use more examples if there are any.", CurvatureWarning, stacklevel=3)
    return (note,)


def _identity(
    operator: CurvatureOperator,
    matrix: BuildableMatrix,
    policy: str,
    seed: int,
    storage: torch.dtype,
) -> dict[str, Any]:
    """What a checkpoint must agree on."""
    flat = [p.detach().double() for p in operator.parameters.values()]
    return {
        "dim": operator.dim,
        "policy": policy,
        "seed": seed,
        "examples": operator.examples,
        "loss": operator.loss,
        "weights": [float(sum(p.sum() for p in flat)), float(sum(p.square().sum() for p in flat))],
        "dtype": str(operator.dtype),
        "matrix": type(matrix).__name__,
        "storage": str(storage),
        "chunk": operator.chunk,
        "format": 2,
    }


def spectrum_of_space(space: KrylovSpace, policy: str, dim: int) -> Spectrum:
    """The quadrature rules of a Krylov space as it is.

    Its start vectors are probes of length √(its dimension); see `sphere`. D is `dim`, at least the
    space's own; the rest is known to be flat.
    """
    coefficients, starts = space.coefficients(), space.start_coordinates()
    inner = space.basis.dim
    if space.products == inner:  # the space is all there is, and the matrix is known
        values = ritz_pairs(coefficients)[0]
        return _known_spectrum(values, policy, dim, space.products, space.dtype)
    vectors = deflate(coefficients, starts, inner)
    rounding = float(torch.finfo(space.dtype).eps)
    gauss = gauss_rule(coefficients, vectors)
    outer = folded = None
    if policy == "ggn":
        _check_semi_definite(gauss)
        outer = radau_rule(coefficients, vectors, rounding)
        gauss, outer = (rule.with_zeros(dim - inner) for rule in (gauss, outer))
    else:
        folded = folded_rule(coefficients, vectors)
    return Spectrum(
        dim=dim,
        policy=policy,
        gauss=gauss,
        outer=outer,
        folded=folded,
        probes=starts.shape[1],
        products=space.products,
        rounding=rounding,
    )


def _known_spectrum(
    values: Array, policy: str, dim: int, products: float, dtype: torch.dtype
) -> Spectrum:
    """All eigenvalues are known, but for zeros that the dimension says are missing."""
    if policy == "ggn":
        _check_semi_definite(Rule(tuple(values), (), ()))
        # The largest D: A A^T has zeros beside those of A^T A, or lacks some.
        values, missing = np.maximum(values, 0.0), max(0, dim - len(values))
        values = np.concatenate([np.zeros(missing), np.sort(values)[len(values) + missing - dim :]])
    return Spectrum(
        dim=dim,
        policy=policy,
        eigenvalues=tuple(float(value) for value in np.sort(values)),
        products=products,
        rounding=float(torch.finfo(dtype).eps),
    )


def _check_semi_definite(rule: Rule) -> None:
    lowest, highest = min(rule.nodes), max(map(abs, rule.nodes))
    if lowest < -1e-3 * highest - NOTHING:
        raise PruneLimitError(
            f"the Gauss-Newton matrix has a negative curvature {lowest:.3g} (largest "
            f"{highest:.3g}): the loss is not convex in the model's outputs; use policy='abs' or "
            "'clip'"
        )
