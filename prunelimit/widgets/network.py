"""What the widgets show of a real network, as a grid of a few thousand numbers.

The source is a `prunelimit.results.Result`, a `PruningLimit` of your own network, or the example
that is shipped (`example.json`, written by `python -m book.tools.widget_example`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunelimit.errors import PruneLimitError
from prunelimit.estimates import crossing_between
from prunelimit.records import rounded
from prunelimit.widgets import base

if TYPE_CHECKING:
    from prunelimit.report import PruningLimit
    from prunelimit.results.result import Result

Array = NDArray[np.float64]

MOST_NODES = 256
PROFILE_POINTS = 400
CURVE_POINTS = 400
MEASURED = ("name", "measured", "accuracy", "dense_accuracy")
"""Entries of the measured accuracy curve."""


def example() -> base.Values:
    """The shipped network: the small MLP on scikit-learn's digits.

    Examples
    --------
    >>> example()["name"], example()["dim"]
    ('MLP on digits', 4928)
    """
    return json.loads(base.source("example.json"))


def as_network(source: PruningLimit | Result | Mapping[str, Any] | None) -> base.Values:
    """The grid that the widgets need, out of whatever describes a network.

    That is None (the example), a `Result`, a `PruningLimit`, or a grid that this function has made
    before.

    Raises
    ------
    PruneLimitError
        If `source` is none of these.
    """
    if source is None:
        return example()
    if isinstance(source, Mapping):
        if "squares" in source:
            return dict(source)
    elif hasattr(source, "prediction"):
        return from_result(cast("Result", source))
    elif hasattr(source, "spectrum") and hasattr(source, "distance"):
        return from_report(source)
    raise PruneLimitError(
        f"a {type(source).__name__} describes no network; give a result of "
        "`prunelimit reproduce` (Result.load reads one), or what predict_limit returned"
    )


class NetworkWidget(base.BookWidget):
    """A widget of a network's measurements, of which it takes what `_entries` names.

    The network is what `as_network` takes.

    Raises
    ------
    PruneLimitError
        If an entry is missing.
    """

    _entries: ClassVar[Sequence[str]]

    def __init__(self, network: Result | Mapping[str, Any] | None = None, **settings: Any) -> None:
        data = settings.pop("data", None) or as_network(network)
        for name in self._entries:
            if name not in data:
                raise PruneLimitError(
                    f"this widget needs the {name} that were measured: give a result of run_task"
                )
        super().__init__(data={name: data[name] for name in self._entries}, **settings)


def from_report(report: PruningLimit, name: str = "your network") -> base.Values:
    """Spectrum, distances and one-shot rises of a `PruningLimit`.

    Returns
    -------
    dict
        ``nodes``, ``counts`` (the spectrum), ``kept``, ``squares`` (R(k)² on a grid),
        ``sparsities``, ``rises`` (one-shot, quadratic model), ``dim``, ``epsilon``, ``name``.
    """
    nodes, counts = compress_spectrum(*report.spectrum.density())
    kept, squares = thin_profile(report.distance, report.dim)
    sparsities, rises = thin(*report.one_shot_curve)
    return {
        "name": name,
        "dim": report.dim,
        "epsilon": report.epsilon,
        "nodes": _short(nodes),
        "counts": _short(counts),
        "kept": kept.tolist(),
        "squares": _short(squares),
        "sparsities": _short(sparsities),
        "rises": _short(rises),
    }


def from_result(result: Result) -> base.Values:
    """What `from_report` gives, and the measured curves, thresholds and weights."""
    test, thresholds, weights = result.sweep.test, result.thresholds, result.weights
    measured, accuracy = thin(test.sparsities, test.accuracy)
    return {
        **from_report(result.prediction, _name(result.model, result.dataset)),
        "measured": _short(measured),
        "accuracy": _short(accuracy),
        "dense_accuracy": test.dense_accuracy,
        "tolerance": thresholds.accuracy.tolerance,
        "real_existence": thresholds.real_existence.value,
        "weights": {
            "edges": _short(weights.edges),
            "counts": {name: list(counts) for name, counts in weights.counts.items()},
            "zeros": weights.zeros,
        },
    }


def compress_spectrum(nodes: ArrayLike, counts: ArrayLike) -> tuple[Array, Array]:
    """At most 256 nodes with the same trace and number of dimensions, zeros apart.

    Neighbours on a logarithmic scale are joined in their mean, which moves the effective
    dimension by less than one part in a thousand at any ridge (heuristic for extreme
    spectra).

    Examples
    --------
    >>> nodes, counts = compress_spectrum([1.0, 1.0, 0.0], [1, 1, 1])
    >>> nodes.tolist(), counts.tolist()
    ([0.0, 1.0], [1.0, 2.0])
    """
    values, many = np.asarray(nodes, dtype=float), np.asarray(counts, dtype=float)
    flat = values <= 1e-12 * values.max()
    zero = float(many[flat].sum())
    values, many = values[~flat], many[~flat]
    if not values.size:
        return np.zeros(1), np.array([zero])
    low, high = np.log(values.min()), np.log(values.max())
    width = max((high - low) / (MOST_NODES - 2), 1e-12)
    bins = np.floor((np.log(values) - low) / width).astype(int)
    found = np.unique(bins)
    joined = np.array([many[bins == number].sum() for number in found])
    means = np.array([many[bins == b] @ values[bins == b] for b in found]) / joined
    if zero == 0:
        return means, joined
    return np.concatenate([[0.0], means]), np.concatenate([[zero], joined])


def thin_profile(distance: Callable[[float], float], dim: int) -> tuple[Array, Array]:
    """Kept counts (even, and closer together near 0) and R² there."""
    even = np.linspace(0, dim, PROFILE_POINTS // 2)
    near = np.geomspace(1, dim, PROFILE_POINTS // 2)
    kept = np.unique(np.concatenate([even, near]).round())
    return kept, np.array([distance(float(number)) ** 2 for number in kept])


def thin(places: ArrayLike, values: ArrayLike, points: int = CURVE_POINTS) -> tuple[Array, Array]:
    """At most `points` of the pairs, evenly, both ends among them.

    Examples
    --------
    >>> thin([0, 1, 2, 3, 4], [0, 1, 4, 9, 16], points=3)
    (array([0., 2., 4.]), array([ 0.,  4., 16.]))
    """
    x, y = np.asarray(places, dtype=float), np.asarray(values, dtype=float)
    chosen = np.unique(np.linspace(0, x.size - 1, min(points, x.size)).round().astype(int))
    return x[chosen], y[chosen]


def first_crossing(places: Sequence[float], values: Sequence[float], level: float) -> float:
    """Largest place up to which `values` stay at or below `level`, linear in between.

    The first place where they never do.

    Examples
    --------
    >>> first_crossing([0.0, 0.5, 1.0], [0.0, 1.0, 3.0], 2.0)
    0.75
    """
    if values[0] > level:
        return places[0]
    for j in range(1, len(places)):
        if values[j] > level:
            before, after = zip(places[j - 1 : j + 1], values[j - 1 : j + 1], strict=True)
            return crossing_between(before, after, level)
    return places[-1]


def _name(model: str, dataset: str) -> str:
    for short in ("mlp", "cnn", "fc"):
        model = model.replace(short, short.upper())
    return f"{model} on {dataset}"


def _short(numbers: ArrayLike) -> list[float]:
    return rounded(np.asarray(numbers, dtype=float).tolist(), digits=9)
