"""What every closed convex cone can do, and the polar of any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from prunelimit.errors import PruneLimitError
from prunelimit.geometry.cones._checks import FloatArray, check_points


class Cone(ABC):
    """A closed convex cone in ``R^dim``.

    Points are float arrays ``(dim,)`` or ``(batch, dim)``. Subclasses say how to
    project and, where mathematics knows them, their statistical dimension and
    conic intrinsic volumes.
    """

    dim: int

    @property
    def is_subspace(self) -> bool:
        """Whether the cone is a linear subspace (its kinematics are then all or nothing)."""
        return False

    def project(self, x: ArrayLike) -> FloatArray:
        """Nearest point of the cone.

        Parameters
        ----------
        x
            Points, ``(dim,)`` or ``(batch, dim)``.

        Returns
        -------
        ndarray
            The projections, shaped as `x`.

        Raises
        ------
        PruneLimitError
            For a wrong shape, NaN or infinity.
        """
        points, single = check_points(x, self.dim)
        projected = self._project(points)
        return projected[0] if single else projected

    def contains(self, x: ArrayLike, tolerance: float = 1e-9) -> bool | np.ndarray:
        """Whether points lie in the cone, up to `tolerance` times their norm.

        Parameters
        ----------
        x
            Points, ``(dim,)`` or ``(batch, dim)``.
        tolerance
            By how much, relative to ``‖x‖``, the cone's inequality may fail.

        Returns
        -------
        bool or ndarray of bool
            One answer a point.

        Raises
        ------
        PruneLimitError
            For a wrong shape, NaN or infinity.
        """
        points, single = check_points(x, self.dim)
        inside = self._slack(points) >= -tolerance * np.linalg.norm(points, axis=1)
        return bool(inside[0]) if single else inside

    def unit_support(self, x: ArrayLike) -> float | FloatArray:
        """``sup ⟨x, u⟩`` over the cone's unit vectors u, the quantity under the Gaussian width.

        It is ``‖Π_C x‖`` unless x lies inside the polar cone, where it is negative.

        Parameters
        ----------
        x
            Points, ``(dim,)`` or ``(batch, dim)``.

        Raises
        ------
        PruneLimitError
            For a wrong shape, NaN or infinity.
        """
        points, single = check_points(x, self.dim)
        length = np.linalg.norm(self._project(points), axis=1)
        hidden = length <= 1e-12 * np.linalg.norm(points, axis=1)
        if hidden.any():
            length[hidden] = self._negative_support(points[hidden])
        return float(length[0]) if single else length

    def polar(self) -> Cone:
        """The polar cone ``C° = {y : ⟨x, y⟩ ≤ 0 for all x in C}``; its polar is C again."""
        return PolarCone(self)

    def statistical_dimension(self) -> float:
        """``δ(C) = E‖Π_C g‖²`` for a standard normal g (Amelunxen et al. 2014, Def. 2.1; exact).

        Raises
        ------
        PruneLimitError
            Where no formula is known.
        """
        volumes = self.intrinsic_volumes()
        return float(np.arange(self.dim + 1) @ volumes)

    def intrinsic_volumes(self) -> FloatArray:
        """Conic intrinsic volumes ``v_0 … v_dim``, a probability vector ``(dim + 1,)``.

        Entries below about 1e-308 are rounded to 0 here; `log_intrinsic_volumes`
        keeps them (Amelunxen et al. 2014, §5).

        Raises
        ------
        PruneLimitError
            Where no formula is known.
        """
        return np.exp(self.log_intrinsic_volumes())

    def log_intrinsic_volumes(self) -> FloatArray:
        """Natural logarithms of the intrinsic volumes, ``(dim + 1,)``; -inf where v_j = 0.

        Raises
        ------
        PruneLimitError
            Where no formula is known.
        """
        raise PruneLimitError(
            f"no formula for the intrinsic volumes of {self!r} is known here; estimate what you "
            "need with estimate_statistical_dimension or kinematics.simulate_intersection"
        )

    @abstractmethod
    def _project(self, points: FloatArray) -> FloatArray:
        """Projections of ``(batch, dim)``."""

    @abstractmethod
    def _slack(self, points: FloatArray) -> FloatArray:
        """``(batch,)``: non-negative exactly inside the cone, homogeneous of degree one."""

    @abstractmethod
    def _negative_support(self, points: FloatArray) -> FloatArray:
        """`unit_support` of points inside the polar cone, ``(batch,)``."""

    @abstractmethod
    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        """`unit_support` over the polar cone, of points inside this one, ``(batch,)``."""

    def _lineality(self) -> FloatArray:
        """Orthonormal columns ``(dim, l)`` of the largest subspace inside the cone."""
        return np.zeros((self.dim, 0))

    def _normals(self) -> FloatArray:
        """Orthonormal columns ``(dim, l)`` of the orthogonal complement of the cone's span."""
        return np.zeros((self.dim, 0))

    def _polar_generators(self) -> FloatArray | None:
        """Rows ``(count, dim)`` whose conic hull is the polar cone; None if too many or curved."""
        return None


@dataclass(frozen=True)
class PolarCone(Cone):
    """The polar of a cone, by Moreau's decomposition ``x = Π_C x + Π_C° x`` (exact).

    Its statistical dimension is ``dim - δ(C)`` and its intrinsic volumes are those of C
    in reverse order (Amelunxen et al. 2014, §5).

    Examples
    --------
    >>> from prunelimit.cones import Orthant
    >>> Orthant(2).polar().project([3.0, -4.0])
    array([ 0., -4.])
    """

    original: Cone
    dim: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", self.original.dim)

    @property
    def is_subspace(self) -> bool:
        return self.original.is_subspace

    def polar(self) -> Cone:
        return self.original

    def statistical_dimension(self) -> float:
        return self.dim - self.original.statistical_dimension()

    def log_intrinsic_volumes(self) -> FloatArray:
        return self.original.log_intrinsic_volumes()[::-1]

    def _project(self, points: FloatArray) -> FloatArray:
        return points - self.original._project(points)

    def _slack(self, points: FloatArray) -> FloatArray:
        # y lies in C° exactly when its projection onto C vanishes.
        return -np.linalg.norm(self.original._project(points), axis=1)

    def _negative_support(self, points: FloatArray) -> FloatArray:
        return self.original._polar_negative_support(points)

    def _polar_negative_support(self, points: FloatArray) -> FloatArray:
        return self.original._negative_support(points)

    def _lineality(self) -> FloatArray:
        return self.original._normals()

    def _normals(self) -> FloatArray:
        return self.original._lineality()
