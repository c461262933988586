"""The pruning model simulated, against closed forms, dense algebra and the sharp formulas."""

import math

import numpy as np
import pytest
from limit_support import DIM, RANKS
from limit_support import SPECTRA as REGULAR
from scipy import stats

from prunelimit import limit, sublevel
from prunelimit.cones import CircularCone
from prunelimit.errors import PruneLimitError

SPECTRA = REGULAR | {"half_flat": np.where(RANKS <= DIM // 2, 1 / RANKS, 0.0)}
# spectrum, epsilon, simulated thresholds (16-24 draws a point) for both orientations, R = 3
SIMULATED = [
    ("harmonic", 0.1, 9, 8),
    ("inverse_square", 0.01, 3, 4),
    ("exponential", 0.01, 100, 89),
    ("exponential", 0.1, 42, 38),
    ("two_level", 0.01, 34, 31),
    ("two_level", 0.1, 21, 20),
]


def test_radii_lie_on_the_level_set():
    spectrum = SPECTRA["harmonic"]
    radii = sublevel.ellipsoid_radii(spectrum, 0.3)
    assert 0.5 * spectrum * radii**2 == pytest.approx(np.full(DIM, 0.3))


def test_width_adds_squared_sines_and_complements_the_paper_limit():
    spectrum, distance, epsilon = SPECTRA["half_flat"], 3.0, 0.1
    radii = sublevel.ellipsoid_radii(spectrum, epsilon)
    width = sublevel.ellipsoid_width(spectrum, distance, epsilon)
    assert width == pytest.approx(np.square(np.sin(np.arctan(radii / distance))).sum())
    assert DIM - width == pytest.approx(limit.paper_limit(spectrum, distance, epsilon))


@pytest.mark.parametrize(
    ("radii", "centre"), [([1.0, 3.0], [4.0, 1.0]), ([1.0, 0.5, 2.0], [0.3, -2.0, 1.0])]
)
def test_lines_of_sight_touch_the_ellipsoid(radii, centre):
    """On the surface, with the line of sight inside the tangent plane."""
    axes, middle = np.array(radii), np.array(centre)
    points = sublevel.contact_points(axes, middle)
    assert np.square((points - middle) / axes).sum(axis=1) == pytest.approx(np.ones(len(points)))
    normals = (points - middle) / axes**2
    assert (normals * points).sum(axis=1) == pytest.approx(np.zeros(len(points)), abs=1e-12)


def test_tangent_seen_along_an_axis():
    """The lemma of chapter 4: tan of the half-angle is r_2/√(R² - r_1²)."""
    x, y = sublevel.contact_points([1.5, 0.7], [4.0, 0.0])[0]
    assert abs(y / x) == pytest.approx(0.7 / math.sqrt(16 - 1.5**2))


def dense_minimum(eigenvalues, direction, basis):
    """a^T (A^T H^-1 A)^-1 a / 2 with A from the full QR: the formula of the theory, densely."""
    complement = np.linalg.qr(basis, mode="complete")[0][:, basis.shape[1] :]
    inner = complement.T @ (complement / eigenvalues[:, None])
    a = complement.T @ direction
    return 0.5 * a @ np.linalg.solve(inner, a)


@pytest.mark.parametrize("orientation", ["orthogonal", "isotropic"])
def test_mean_loss_agrees_with_the_dense_formula(orientation):
    """Another way to the same number: draw, project, invert; D = 12, k = 5."""
    generator = np.random.default_rng(11)
    spectrum = np.geomspace(1, 1e-2, 12)
    losses = []
    for _ in range(3000):
        basis = np.linalg.qr(generator.standard_normal((12, 5)))[0]
        x = generator.standard_normal(12)
        if orientation == "orthogonal":
            x -= basis @ (basis.T @ x)
        losses.append(dense_minimum(spectrum, x / np.linalg.norm(x), basis))
    mean, stderr = np.mean(losses), np.std(losses) / math.sqrt(len(losses))
    found = sublevel.simulate_loss_curves(spectrum, 3000, 7, orientation, 5).at(5, 2.0)
    difference = found.value - 4 * mean
    assert abs(difference) < 4 * math.hypot(found.stderr, 4 * stderr)


def test_equal_eigenvalues_leave_no_chance():
    """Orthogonal: R^2 c/2 at every k < D. Isotropic: a Beta variable times it."""
    orthogonal = sublevel.simulate_loss_curves(np.full(30, 2.0), trials=4, seed=1)
    assert orthogonal.unit[:, :-1] == pytest.approx(np.ones((4, 30)))
    isotropic = sublevel.simulate_loss_curves(np.full(30, 2.0), 2000, 1, "isotropic")
    # squared length outside a random 10-dimensional subspace: Beta(20/2, 10/2)
    assert stats.kstest(isotropic.unit[:, 10], stats.beta(10, 5).cdf).pvalue > 1e-4


@pytest.mark.parametrize("orientation", ["orthogonal", "isotropic"])
def test_curves_fall_and_end_at_zero(orientation):
    for name, spectrum in SPECTRA.items():
        curves = sublevel.simulate_loss_curves(spectrum, 3, 2, orientation)
        assert curves.unit.shape == (3, DIM + 1)
        assert (np.diff(curves.unit, axis=1) <= 1e-15).all(), name
        assert (curves.unit[:, -1] == 0).all()
        rank = int((spectrum > 0).sum())
        assert (curves.unit[:, rank] == 0).all()
        assert (curves.unit[:, rank - 1] > 0).all()


@pytest.mark.parametrize("orientation", ["orthogonal", "isotropic"])
@pytest.mark.parametrize("name", SPECTRA)
def test_sharp_loss_is_the_mean_of_the_model(name, orientation):
    """The formula is asymptotic: at finite D it may be off by one dimension of k, no more."""
    curves = sublevel.simulate_loss_curves(SPECTRA[name], 300, 5, orientation)
    for kept in (1, 3, 10, 25, 60, 100, 150, 190):
        found = curves.at(kept, 3.0)
        high, low = limit.sharp_loss(
            SPECTRA[name], 3.0, [kept - 1, kept + 1], orientation=orientation
        )
        assert low - 4 * found.stderr <= found.value <= high + 4 * found.stderr, kept


def test_sharp_loss_error_falls_with_the_dimension():
    """At k = D/4, x orthogonal: the relative error of the formula shrinks from D = 16 to 256."""
    errors = []
    for dim, trials in ((16, 20_000), (256, 300)):
        spectrum = np.exp(-np.linspace(0, 6, dim))
        curves = sublevel.simulate_loss_curves(spectrum, trials, 3, largest_kept=dim // 4)
        found = curves.at(dim // 4)
        formula = limit.sharp_loss(spectrum, 1.0, dim // 4)
        errors.append(((found.value - formula) / formula, found.stderr / formula))
    (small, small_error), (large, large_error) = errors
    assert abs(small) > 8 * small_error  # the small dimension's error is real ...
    assert abs(large) < abs(small) / 4 + 4 * large_error  # ... and gone in the large one


def test_cone_over_a_ball_is_circular():
    """Curvature 2 and ε = 1 give a unit ball; from distance R it is a cone with sin α = 1/R."""
    for dim, distance in ((12, 1.2), (60, 3.0)):
        found = sublevel.cone_statistical_dimension(
            np.full(dim, 2.0), distance, 1.0, viewpoints=8, samples=2000, seed=3
        )
        circular = CircularCone(dim, math.asin(1 / distance)).statistical_dimension()
        assert abs(found.z_score(circular)) < 4


@pytest.mark.parametrize("name", SPECTRA)
def test_cone_dimension_gives_the_isotropic_limit(name):
    """D - δ is where random subspaces start to meet the set: the isotropic sharp limit, to O(1)."""
    for epsilon in (0.01, 0.1):
        found = sublevel.cone_statistical_dimension(
            SPECTRA[name], 3.0, epsilon, viewpoints=12, samples=50, seed=6
        )
        kept = limit.sharp_limit(SPECTRA[name], 3.0, epsilon, orientation="isotropic")
        assert abs(DIM - found.value - kept) < 4 * found.stderr + 1.5
        # the width formula is not that number: it asks for more wherever the two differ
        assert limit.paper_limit(SPECTRA[name], 3.0, epsilon) > kept


def test_viewer_inside_sees_everything():
    found = sublevel.cone_statistical_dimension(np.ones(9), 1.0, 0.6, viewpoints=3)
    assert (found.value, found.stderr) == (9.0, 0.0)


@pytest.mark.parametrize(("name", "epsilon", "orthogonal", "isotropic"), SIMULATED)
def test_simulated_thresholds(name, epsilon, orthogonal, isotropic):
    """Within a dimension of the formula, and within three of the sheet's few-draw values."""
    for orientation, sheet in (("orthogonal", orthogonal), ("isotropic", isotropic)):
        curves = sublevel.simulate_loss_curves(SPECTRA[name], 200, 9, orientation)
        found = curves.threshold(epsilon, 3.0)
        formula = limit.sharp_limit(SPECTRA[name], 3.0, epsilon, orientation=orientation)
        assert found.lower - 1.5 <= formula <= found.upper + 1.5
        assert abs(found.value - sheet) <= 3


def test_threshold_follows_a_distance_that_shrinks():
    spectrum = SPECTRA["exponential"]
    profile = limit.distance_profile(np.random.default_rng(2).laplace(size=DIM) * 0.2)
    found = sublevel.simulate_loss_curves(spectrum, 200, 4).threshold(0.01, profile)
    formula = limit.sharp_limit(spectrum, profile, 0.01)
    assert found.lower - 1.5 <= formula <= found.upper + 1.5


def test_threshold_is_the_median_and_its_interval_covers():
    """Coverage of the interval over 200 repetitions with 25 draws each."""
    spectrum = SPECTRA["harmonic"][:40]
    curves = sublevel.simulate_loss_curves(spectrum, 5000, 8)
    chance = curves.meeting(0.02, 1.0)
    median = int(np.argmax(chance >= 0.5))
    assert chance[median - 1] < 0.5 <= chance[median]
    assert curves.threshold(0.02).value == median
    parts = [sublevel.LossCurves(curves.unit[i : i + 25]) for i in range(0, 5000, 25)]
    covered = np.mean([median in part.threshold(0.02) for part in parts])
    assert covered >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / 200)


def test_the_seed_decides():
    first, second, other = (
        sublevel.simulate_loss_curves(SPECTRA["harmonic"], 2, seed).unit for seed in (1, 1, 2)
    )
    assert (first == second).all()
    assert (first != other).any()


def test_bad_input_is_refused():
    spectrum = [2.0, 1.0]
    for call, message in (
        (lambda: sublevel.ellipsoid_radii(spectrum, 0.0), "epsilon"),
        (lambda: sublevel.ellipsoid_radii([1.0, -1.0], 0.1), "abs"),
        (lambda: sublevel.ellipsoid_width(spectrum, 0.0, 0.1), "distance"),
        (lambda: sublevel.ellipsoid_width(spectrum, 1.0, math.nan), "epsilon"),
        (lambda: sublevel.cone_statistical_dimension(spectrum, 1.0, 0.1, viewpoints=1), "viewp"),
        (lambda: sublevel.cone_statistical_dimension([1.0, -1.0], 1.0, 0.1), "clip"),
        (lambda: sublevel.contact_points([1.0], [2.0]), "2 or 3"),
        (lambda: sublevel.contact_points([1.0, 1.0], [0.5, 0.0]), "outside"),
        (lambda: sublevel.simulate_loss_curves(spectrum, trials=1), "trials"),
        (lambda: sublevel.simulate_loss_curves(spectrum, orientation="up"), "orientation"),
        (lambda: sublevel.simulate_loss_curves(spectrum, largest_kept=3), "largest_kept"),
        (lambda: sublevel.simulate_loss_curves(spectrum).threshold(-0.1), "epsilon"),
    ):
        with pytest.raises(PruneLimitError, match=message):
            call()
