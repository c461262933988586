"""The benchmarks' own arithmetic, on tiny cases: what they time must be what they say."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from widget_support import needs_browser

import prunelimit as pl
from benchmarks import (
    accuracy,
    common,
    coverage,
    finetuning,
    growth,
    outside,
    products,
    redraw,
    rule,
)
from benchmarks.verdict import verdicts
from prunelimit import widgets
from prunelimit.pruning.search import SURE


def test_ratios_are_formed_within_rounds(monkeypatch) -> None:
    now = [0.0]
    ticking = SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: now[0])
    monkeypatch.setattr(common, "time", ticking)

    def advance(seconds: float) -> None:
        now[0] += seconds

    tasks = {"a": lambda: advance(1.0), "b": lambda: advance(2.0)}
    found = common.interleaved(tasks, 3, reference="a")
    assert found["a"]["ratio"] == 1 and found["b"]["ratio"] == pytest.approx(2)


def test_results_name_the_machine(tmp_path) -> None:
    stored = json.loads(common.save("x", {"value": 1}, tmp_path).read_text())
    assert stored["results"] == {"value": 1}
    assert {"machine", "packages", "peers", "load"} <= set(stored["machine"])


def test_the_reference_lanczos_and_slq_are_right() -> None:
    torch.manual_seed(0)
    frame = torch.linalg.qr(torch.randn(300, 300, dtype=torch.float64))[0]
    values = 5.0 / torch.arange(1, 301, dtype=torch.float64)
    matrix = accuracy.DenseMatrix(frame @ (values[:, None] * frame.T))
    truth = float((values / (values + 0.1)).sum())
    found = accuracy.fixed_depth(matrix, 0.1, "ggn", (30, 60), 10)
    assert found["60"].mean() == pytest.approx(truth, rel=0.1)
    assert matrix.products == 600 and found["30 smeared"].shape == (10,)


def test_smearing_fills_the_space_near_zero() -> None:
    nodes, weights = np.array([0.0, 1.0]), np.array([0.9, 0.1])
    assert accuracy.smeared(nodes, weights, 1e-3) > 5 * float(weights @ (nodes / (nodes + 1e-3)))


def test_products_to_the_goal() -> None:
    rows = {
        "SLQ 64 x 10": {"rms_error": 0.02, "bias": 0.0, "products": 640},
        "SLQ 128 x 10": {"rms_error": 0.05, "bias": 0.04, "products": 1280},
        "ours, sure of 0.05": {"rms_error": 0.02, "bias": 0.0, "products": 100},
        "ours, sure of 0.01": {"rms_error": 0.005, "bias": 0.0, "products": 400},
    }
    needed = accuracy.products_to_goal(rows)
    assert needed["SLQ 64"] == pytest.approx(64 * 40)
    assert needed["SLQ 128"] == float("inf")
    assert needed["ours"] == pytest.approx(200)
    assert needed["ratio to the better SLQ"] == pytest.approx(12.8)


def test_the_floor_counts_the_multiplications_of_a_kept_product() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    with FlopCounterMode(display=False) as counter:
        products.floor(model, 20, 10)()
    assert counter.get_total_flops() == 2 * 20 * (2 * 5 * 4 + 6 * 4 * 3)


def test_a_coverage_case_and_a_growth_case_run() -> None:
    case = coverage.one_case(3)
    assert len(case["held"]) == 3 and case["products"] > 0
    row = growth.case(12, 32, "abs", 4)
    assert row["dim"] == 100 * 12 + 12 * 12 + 120 and row["peak_mebibytes"] > 0
    row = growth.largest(6, 4)
    assert row["dim"] == 784 * 6 + 6 * 6 + 60 and row["products"] == 4


def test_the_default_fine_tuning_comes_nearer_to_the_converged_threshold_than_sgd() -> None:
    stored = json.loads(outside.PATH.read_text())["rows"]
    (case,) = (case for case in outside.CASES if case.kind == "wide" and case.seed == 0)
    sparsity = stored[case.name]["converged"]["value"] - finetuning.MARGIN
    assert finetuning.RATES[1] == pl.default_finetuning([None]).learning_rate
    found = finetuning.one_case(case, sparsity)
    assert found["sgd"] > 0 >= found["adam 0.05"]


def test_the_table_of_the_search_is_what_the_stored_curves_give() -> None:
    stored = json.loads((common.RESULTS / "rule.json").read_text())["results"]
    (again,) = rule.run([SURE]).values()
    for part, found in again.items():
        assert found == pytest.approx(stored[str(SURE)][part])


def test_a_verdict_says_what_is_met_and_what_is_missed(tmp_path) -> None:
    ratios = {"ours": 0.4, "curvlinops": 1.0, "PyHessian": 0.3, "floor (primal kept)": 0.2}
    times = {name: {"ratio": ratio} for name, ratio in ratios.items()}
    common.save("products", {"a network": {"times": times}}, tmp_path)
    found = {what.split(" (")[0]: (value, met) for what, value, _, met in verdicts(tmp_path)}
    assert found == {
        "a network: ours / fastest peer": (pytest.approx(4 / 3), False),
        "a network: ours / curvlinops": (0.4, False),
        "a network: ours / floor": (pytest.approx(2.0), False),
    }


@needs_browser
def test_every_widget_is_timed_and_a_slow_one_is_told(tmp_path) -> None:
    found = redraw.run(quick=True)
    assert list(found["widgets"]) == widgets.__all__
    for row in found["widgets"].values():
        assert row["events"] > 0 and 0 < row["undisturbed"] <= row["p95 ms"] <= row["max ms"]
    rows = {"Quick": {"undisturbed": 16.0}, "Slow": {"undisturbed": 16.1}}
    common.save("redraw", {"chromium": "", "widgets": rows}, tmp_path)
    assert [(what.split(":")[0], met) for what, _, _, met in verdicts(tmp_path)] == [
        ("Quick", True),
        ("Slow", False),
    ]
