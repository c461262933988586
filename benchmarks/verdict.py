"""``python -m benchmarks verdict``: the targets, beside what the committed results say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS

PEERS = {
    "ours": ("curvlinops", "hessian-eigenthings", "PyHessian"),
    "ours ggn": ("curvlinops ggn",),
}
"""Who computes the same product."""


def verdicts(folder: Path = RESULTS) -> Iterator[tuple[str, float, float, bool]]:
    """Target, measured value, bound, and whether it is met; sections not run are left out."""
    for name, check in CHECKS.items():
        path = folder / f"{name}.json"
        if path.is_file():
            yield from check(json.loads(path.read_text(encoding="utf-8"))["results"])


def _at_most(what: str, value: float, bound: float) -> tuple[str, float, float, bool]:
    return what, value, bound, value <= bound


def _at_least(what: str, value: float, bound: float) -> tuple[str, float, float, bool]:
    return what, value, bound, value >= bound


def _products(results: dict[str, Any]) -> Iterator[tuple[str, float, float, bool]]:
    for row, found in results.items():
        ratios = {label: times["ratio"] for label, times in found["times"].items()}
        for mine, peers in PEERS.items():
            fastest = min((ratios[peer] for peer in peers if peer in ratios), default=None)
            if mine in ratios and fastest is not None:
                yield _at_most(f"{row}: {mine} / fastest peer", ratios[mine] / fastest, 1.0)
        floor = ratios.get("floor (primal kept)")
        if floor is not None:
            own = f"{row}: ours / curvlinops (the floor itself: {floor:.3f})"
            yield _at_most(own, ratios["ours"], 0.35)
            yield _at_most(f"{row}: ours / floor", ratios["ours"] / floor, 1.15)


def _accuracy(results: dict[str, Any]) -> Iterator[tuple[str, float, float, bool]]:
    for row, found in results.items():
        ratio = found["products_to_goal"]["ratio to the better SLQ"]
        never = float("inf")  # at neither depth does more probes bring SLQ to 1 %
        yield _at_least(
            f"{row}: products to 1 %, SLQ / ours", never if ratio is None else float(ratio), 3.0
        )


def _coverage(results: dict[str, Any]) -> Iterator[tuple[str, float, float, bool]]:
    summary = results["summary"]
    share = summary["all_three_held"] / summary["cases"]
    yield _at_least("cases of which every bracket held", share, 0.99)


def _redraw(results: dict[str, Any]) -> Iterator[tuple[str, float, float, bool]]:
    for name, times in results["widgets"].items():
        what = f"{name}: ms from an input event to finished layout, p95, undisturbed"
        yield _at_most(what, times["undisturbed"], 16.0)


CHECKS = {
    "products": _products,
    "accuracy": _accuracy,
    "coverage": _coverage,
    "redraw": _redraw,
}


def run() -> None:
    """Print one line a target."""
    for what, value, bound, met in verdicts():
        print(f"{'met   ' if met else 'MISSED'}  {value:8.3f}  (target {bound:g})  {what}")
