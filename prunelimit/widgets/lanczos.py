"""Chapter 5: Lanczos on a known spectrum, its ghosts, and the bracket on N_eff."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from prunelimit import limit
from prunelimit.spectrum import quadrature
from prunelimit.widgets import base
from prunelimit.widgets.network import compress_spectrum

if TYPE_CHECKING:
    from prunelimit.report import PruningLimit

Array = NDArray[np.float64]

MOST_STEPS = 60
NODES = 120
DIM = 100_000
PROBES = 3
FAMILIES = {
    "network": "network: outliers, bulk",
    "power": "power law 1/i",
    "even": "evenly spread",
    "clusters": "two clusters",
}


def known_spectra() -> dict[str, dict[str, list[float]]]:
    """The spectra that can be chosen: 120 nodes in falling order, D = 100,000 eigenvalues.

    Examples
    --------
    >>> spectra = known_spectra()
    >>> {name: int(sum(spectrum["counts"])) for name, spectrum in spectra.items()}
    {'network': 100000, 'power': 100000, 'even': 100000, 'clusters': 100000}
    """
    bulk = 10 ** np.linspace(-0.5, -6, NODES - 10)
    growth = np.linspace(1, 4, NODES - 10) ** 4
    network = (np.concatenate([10 / 1.35 ** np.arange(10), bulk]), [np.ones(10), growth])
    ends = np.unique(np.floor(DIM ** (np.arange(NODES + 40) / (NODES + 39))))
    widths = np.diff(np.concatenate([[0], ends]))
    clusters = np.concatenate([np.linspace(8, 12, 20), np.linspace(2e-3, 1e-3, NODES - 20)])
    made = {
        "network": (network[0], np.concatenate(network[1])),
        "power": (1 / ends, widths),
        "even": (np.linspace(1, 1 / NODES, NODES), np.ones(NODES)),
        "clusters": (np.sort(clusters)[::-1], np.repeat([1.0, 40.0], [20, NODES - 20])),
    }
    return {name: _spectrum(nodes, shares) for name, (nodes, shares) in made.items()}


def _spectrum(nodes: Array, shares: Array) -> dict[str, list[float]]:
    """Whole counts in proportion to `shares`, D in all."""
    counts = np.maximum(1, np.floor(shares / shares.sum() * DIM))
    counts[-1] += DIM - counts.sum()
    return {"nodes": nodes.tolist(), "counts": counts.tolist()}


class Lanczos(base.BookWidget):
    """Step Lanczos on a known spectrum and watch the bracket close.

    Controls: `spectrum`, `steps`, `ridge`, `reorthogonalise`, and `probe` (0: a start vector
    that holds every eigenvector in equal parts; 1 to 3: random ones).

    The spectrum of a `report`, which `predict_limit` returned, is shown as "yours" beside the
    known ones.

    Examples
    --------
    >>> widget = Lanczos(spectrum="even", steps=20, ridge=0.1)
    >>> found = widget.numbers()
    >>> found["lower"] <= found["exact"] <= found["upper"]
    True
    """

    _module = "lanczos"
    _heading = "Lanczos: Ritz values, ghosts, and a bracket"
    _ready_made = {
        "A network, ten steps": {"spectrum": "network", "steps": 10},
        "Ghosts": {"spectrum": "network", "steps": 60, "reorthogonalise": False},
        "Evenly spread": {"spectrum": "even", "steps": 25, "ridge": 0.01},
        "Clusters: fast": {"spectrum": "clusters", "steps": 8, "ridge": 0.01},
        "A random probe": {"spectrum": "network", "steps": 40, "probe": 1},
    }

    _folded = frozenset({"ridge", "reorthogonalise", "probe"})
    _guided = (
        ("Twelve products with the matrix. The outliers on the right are found first.", {}),
        ("Thirty: the bracket has closed, while most eigenvalues are still unseen.", {"steps": 30}),
        (
            "Without reorthogonalisation ghosts come up: second copies of what was found.",
            {"steps": 60, "reorthogonalise": False},
        ),
        (
            "A smaller ridge asks about flatter directions, and the bracket is wide again.",
            {"steps": 30, "ridge": 1e-5},
        ),
    )

    steps = base.slider("steps", 12, 1, MOST_STEPS, 1)
    spectrum = base.choice("spectrum", "network", {**FAMILIES, "yours": "your own"})
    ridge = base.slider("ridge σ", 1e-3, 1e-7, 100.0, 0.05, log=True)
    reorthogonalise = base.toggle("reorthogonalise", True)
    probe = base.choice("start vector", 0, {0: "even", 1: "probe 1", 2: "probe 2", 3: "probe 3"})

    def __init__(self, report: PruningLimit | None = None, **settings: Any) -> None:
        data = settings.pop("data", None) or _prepared(report)
        if report is not None:
            settings.setdefault("spectrum", "yours")
        super().__init__(data=data, **settings)

    def _offered(self, name: str, control: base.Values) -> base.Values:
        """Offer "your own" only where there is one."""
        if name != "spectrum":
            return control
        options = [one for one in control["options"] if one["value"] in self.data["spectra"]]
        return {**control, "options": options}

    def run(self, steps: int | None = None) -> tuple[Array, Array]:
        """Diagonal and off-diagonal of the tridiagonal matrix after `steps` (or those shown)."""
        chosen = self.data["spectra"][self.spectrum]
        weights = (
            chosen["counts"]
            if self.probe == 0
            else self.data["probes"][self.spectrum][self.probe - 1]
        )
        return tridiagonalise(
            np.array(chosen["nodes"]), np.array(weights), steps or self.steps, self.reorthogonalise
        )

    def numbers(self, steps: int | None = None) -> dict[str, float]:
        """The exact effective dimension and the bracket after `steps` (or those shown)."""
        chosen = self.data["spectra"][self.spectrum]
        dim = float(np.sum(chosen["counts"]))
        alphas, betas = self.run(steps)
        rules = quadrature.gauss_radau(alphas, betas, 0.0), quadrature.gauss(alphas, betas)
        lower, upper = (
            dim * (1 - float(weights @ (self.ridge / (nodes + self.ridge))))
            for nodes, weights in rules
        )
        exact = limit.effective_dimension(chosen["nodes"], self.ridge, chosen["counts"])
        return {"exact": float(exact), "lower": lower, "upper": upper, "steps": len(alphas)}

    def describe(self) -> str:
        """One sentence on the bracket."""
        found = self.numbers()
        return (
            f"After {found['steps']} steps the effective dimension at ridge {self.ridge:.3g} lies "
            f"between {found['lower']:.0f} and {found['upper']:.0f}; exactly it is "
            f"{found['exact']:.0f}."
        )

    def _draw(self, figure: Figure) -> None:
        axes = figure.subplots()
        ends = [self.numbers(number) for number in range(1, self.steps + 1)]
        places = [found["steps"] for found in ends]
        lower, upper = ([found[side] for found in ends] for side in ("lower", "upper"))
        axes.fill_between(places, lower, upper, alpha=0.3)
        axes.plot(places, upper, label="Gauss")
        axes.plot(places, lower, "--", label="Gauss–Radau, node at 0")
        axes.axhline(ends[-1]["exact"], color="black", ls=":", label="exact")
        axes.set(xlabel="step", ylabel="effective dimension")
        axes.legend()


def _prepared(report: PruningLimit | None) -> base.Values:
    """Spectra and random probes' weights, the same numbers for Python and the page."""
    spectra: dict[str, dict[str, list[float]]] = known_spectra()
    if report is not None:
        nodes, counts = compress_spectrum(*report.spectrum.density())
        spectra["yours"] = {"nodes": nodes[::-1].tolist(), "counts": counts[::-1].tolist()}
    probes = {name: _probe_weights(spectrum["counts"]) for name, spectrum in spectra.items()}
    return {"spectra": spectra, "probes": probes}


def _probe_weights(counts: list[float]) -> list[list[float]]:
    """Squared length of a normal vector's part in each eigenspace."""
    rng = np.random.default_rng(5)
    return [rng.chisquare(np.maximum(counts, 1e-9)).tolist() for _ in range(PROBES)]


def _sequential_dot(a: Array, b: Array) -> float:
    return float(np.cumsum(a * b)[-1])


def tridiagonalise(
    nodes: Array, weights: Array, steps: int, reorthogonalise: bool
) -> tuple[Array, Array]:
    """Lanczos on ``diag(nodes)``, bit for bit as the widget does it.

    Sums run from left to right, as in JavaScript: without reorthogonalisation the
    rounding errors decide where the ghosts come up.

    Parameters
    ----------
    nodes
        Eigenvalues ``(count,)``, the largest first.
    weights
        Squared components of the start vector ``(count,)``, of any scale.
    steps
        At most so many.
    reorthogonalise
        Whether to do so in full, twice.

    Returns
    -------
    alphas, betas
        Diagonal and off-diagonal, ``(done,)`` each; the last beta couples to the next step.

    Examples
    --------
    >>> alphas, betas = tridiagonalise(np.array([2.0, 0.0]), np.array([1.0, 1.0]), 1, True)
    >>> alphas.round(12).tolist(), betas.round(12).tolist()
    ([1.0], [1.0])
    """
    vector = np.sqrt(weights) / math.sqrt(_sequential_dot(weights, np.ones_like(weights)))
    previous, beta = np.zeros_like(vector), 0.0
    basis: list[Array] = []
    alphas: list[float] = []
    betas: list[float] = []
    for _ in range(steps):
        basis.append(vector)
        following = nodes * vector
        alpha = _sequential_dot(vector, following)
        following = following - alpha * vector - beta * previous
        for other in (basis + basis) if reorthogonalise else []:
            following = following - _sequential_dot(other, following) * other
        beta = math.sqrt(_sequential_dot(following, following))
        alphas.append(alpha)
        betas.append(beta)
        if not beta > 1e-14 * nodes[0]:
            break
        previous, vector = vector, following / beta
    return np.array(alphas), np.array(betas)
