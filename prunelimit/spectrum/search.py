"""When to go deeper, when to add a probe, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunelimit.checkpoint import Checkpoint
from prunelimit.estimates import Interval
from prunelimit.progress import Reporter
from prunelimit.spectrum.krylov import KrylovSpace
from prunelimit.spectrum.matrix import SymmetricMatrix
from prunelimit.spectrum.result import Spectrum

Target = Callable[[Spectrum], Interval]
"""What is wanted of a spectrum, as a fraction: a sparsity, or kept weights over D."""

FIRST_LOOK = 8
"""Products before the first look at the bracket."""

PROBE_SHARE = 0.6
"""Part of the tolerance that the probes' error may take; the quadrature has the rest."""

BLOCK = 16
"""Vectors multiplied at once, as long as they are short."""

BLOCK_ENTRIES = 2**26
"""Entries of all vectors multiplied at once, unless one vector is longer."""

DENSE_LIMIT = 20_000
"""Largest dimension at which a search may give up in favour of the matrix itself."""


def rademacher(dim: int, seed: int, index: int) -> Tensor:
    """Probe number `index`: ``(dim,)`` random signs, the same on every device.

    Examples
    --------
    >>> rademacher(4, seed=0, index=0).abs()
    tensor([1., 1., 1., 1.])
    """
    signs = torch.randint(0, 2, (dim,), generator=_generator(seed, index), dtype=torch.int8)
    return signs.float().mul_(2).sub_(1)


def _generator(*entropy: int) -> torch.Generator:
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def sphere(dim: int, seed: int, index: int) -> Tensor:
    """Probe number `index`: ``(dim,)``, uniform on the sphere of radius √dim, on every device.

    What it says of a matrix depends on the eigenvalues alone, not on where the eigenvectors
    point. A sign vector can be orthogonal to an eigenvector with few entries, or be one itself.

    Examples
    --------
    >>> round(float(sphere(4, seed=0, index=0).square().sum()), 4)
    4.0
    """
    drawn = torch.randn(dim, generator=_generator(seed, index, 1))
    return drawn.mul_(dim**0.5 / torch.linalg.vector_norm(drawn))


def half_width(interval: Interval) -> float:
    """The larger distance of an end from the value.

    Examples
    --------
    >>> half_width(Interval(lower=0.0, value=1.0, upper=3.0))
    2.0
    """
    return max(interval.upper - interval.value, interval.value - interval.lower)


@dataclass
class Search:
    """A Krylov space that grows until the target is bracketed.

    Every decision depends on the space alone, so that a run resumed from a
    checkpoint takes the same ones.
    """

    matrix: SymmetricMatrix
    space: KrylovSpace
    assemble: Callable[[KrylovSpace], Spectrum]
    _: KW_ONLY
    seed: int
    max_products: int
    checkpoint: Checkpoint | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    dense_limit: int = DENSE_LIMIT
    next_look: int = FIRST_LOOK

    def run(self, target: Target, tolerance: float, bar: Reporter) -> Spectrum | None:
        """Grow until the answer is sure; None if building the matrix would cost less."""
        self._resume(bar)
        while True:
            done = self.space.products >= self.max_products
            if done or self.space.exhausted or self.space.products >= self.next_look:
                spectrum = self.assemble(self.space)
                wanted = target(spectrum)
                bar.update(0.0, remark=f"{wanted.lower:.4f} to {wanted.upper:.4f}")
                sure = done or half_width(wanted) <= tolerance
                advice = "stop" if sure else self._plan(spectrum, target, tolerance, wanted)
                if advice != "grow":
                    self._save(force=True)
                    return spectrum if advice == "stop" else None
            if not self.space.exhausted:
                self._grow(bar)

    def _resume(self, bar: Reporter) -> None:
        stored = None if self.checkpoint is None else self.checkpoint.load(self.identity)
        if self.checkpoint is None or stored is None:
            self._add_probes(1)
            return
        width = self.space.basis.dim * self.space.basis.dtype.itemsize
        self.space.restore(stored, self.checkpoint.vectors(stored, width))
        self.next_look = int(stored["next_look"])
        bar.update(self.space.products)

    def _save(self, force: bool = False) -> None:
        if self.checkpoint is not None:
            arrays = self.space.arrays() | {"next_look": np.array(self.next_look)}
            vectors = len(self.space.basis), self.space.vector_bytes
            self.checkpoint.save(self.identity, arrays, *vectors, force)

    def _grow(self, bar: Reporter) -> None:
        before = self.space.products
        room = max(1, self.max_products - before)
        short = max(1, BLOCK_ENTRIES // self.matrix.dim)
        self.space.grow(self.matrix.matmul, min(BLOCK, short, self.space.pending, room))
        bar.update(self.space.products - before)
        self._save()

    def _add_probes(self, count: int) -> None:
        for _ in range(count):
            index = len(self.space.starts)
            self.space.add_start(sphere(self.matrix.dim, self.seed, index))

    def _plan(self, spectrum: Spectrum, target: Target, tolerance: float, wanted: Interval) -> str:
        """Add probes, or set the next look deeper ("grow"), or give up.

        "dense" if the matrix itself is cheaper; "stop" if neither depth nor probes
        can help any more, because rounding keeps the interval wide.
        """
        products, probes = self.space.products, len(self.space.starts)
        quadrature = half_width(target(replace(spectrum, confidence=0.0)))
        sampling = max(half_width(wanted) - quadrature, 0.0)
        needed = math.ceil(spectrum.probes * (sampling / (PROBE_SHARE * tolerance)) ** 2)
        if self._matrix_is_cheaper(needed, quadrature > tolerance):
            return "dense"
        if self.space.exhausted and needed <= probes:
            return "stop"
        if spectrum.probes < probes and not self.space.exhausted:
            self.next_look = products + self.space.pending
        elif needed > probes and (self.space.exhausted or quadrature < 2 * sampling):
            self._add_probes(min(needed - probes, max(3, 2 * probes)))
            self.next_look = products + 2 * self.space.pending
        else:
            self.next_look = products + max(self.space.pending, products // 8, 4)
        return "grow"

    def _matrix_is_cheaper(self, probes_needed: int, deeper: bool) -> bool:
        """Whether the products expected exceed the dimension, of a matrix that can be built."""
        probes, products = len(self.space.starts), self.space.products
        expected = products * max(probes_needed / probes, 1.0) * (1.5 if deeper else 1.0)
        return (
            self.matrix.dim <= self.dense_limit
            and min(expected, self.max_products) > self.matrix.dim
        )
