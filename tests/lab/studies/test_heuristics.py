"""The comparison of methods, and limits that are measured again after each round."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from prunelimit.lab import models, tasks
from prunelimit.lab.baselines import IterativeMagnitudeConfig, RareGemsConfig, Work, rare_gems
from prunelimit.lab.studies import heuristics
from prunelimit.recipe import TrainingConfig
from prunelimit.results import MethodsCompared


def test_a_comparison_has_a_row_for_every_method_even_for_those_that_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tasks.get("digits-mlp").with_(epochs=12)
    monkeypatch.setattr(tasks, "get", lambda name: short)
    output = tmp_path / "table.json"
    arguments = ["digits-mlp", "--output", str(output), "--sparsity", "0.99", "--seed", "1"]
    heuristics.main([*arguments, "--device", "cpu"])
    found = MethodsCompared.load(output)
    rows = {row.label: row for row in found.rows}
    assert list(rows) == [row.label for row in heuristics.contenders(short.training)]
    assert "too few" in rows["iterative magnitude"].error
    assert "linear_keep" in rows["Smart-Ratio"].error
    measured = [row for row in rows.values() if row.error is None]
    assert {row.epochs for row in measured} == {12} == {found.epochs}
    for row in measured:
        assert row.counted_sparsity == (
            0.0 if row.method == "dense" else pytest.approx(round(0.99 * 4928) / 4928)
        )
        assert 0 <= row.test_accuracy <= 1
    assert rows["dense"].test_accuracy > 0.8 > rows["random mask"].test_accuracy
    assert "--sparsity 0.99" in found.provenance.command


def test_a_limit_measured_after_a_round_is_not_below_the_sparsity_reached() -> None:
    splits = tasks.get("digits-mlp").load_data()
    model = models.fully_connected((4,))(splits.input_shape, splits.classes)
    models.initialize(model, 0)
    config = IterativeMagnitudeConfig(TrainingConfig(epochs=9, l1=0.0), round_share=0.5)
    work = Work(model, splits, cross_entropy, 0.75, config, device="cpu")
    rows = heuristics.limits_over_rounds(work)
    assert [round(row.sparsity, 3) for row in rows] == [0.0, 0.5, 0.75]
    for row in rows:
        assert row.paper >= row.sparsity - 1 / 296
        assert row.sharp >= row.sparsity - 1 / 296
    assert rows[0].norm > rows[-1].norm


def test_rare_gems_are_measured_as_they_are_found() -> None:
    """With and without the l2 term; the limit counts the zeros that are there already."""
    splits = tasks.get("digits-mlp").load_data()
    model = models.fully_connected((4,))(splits.input_shape, splits.classes)
    models.initialize(model, 0)
    config = RareGemsConfig(TrainingConfig(epochs=14, l1=0.0))
    rows = []
    for strength in (0.0, 1.0):
        stronger = replace(config, regularisation=strength)
        found = rare_gems(model, splits, cross_entropy, 0.75, stronger, device="cpu").model
        rows.append(heuristics.limits_of(found, splits, "cpu", regularisation=strength))
        assert rows[-1].paper >= 0.75 - 1 / 296
    assert rows[0].train_loss != rows[1].train_loss


def test_balanced_scaling_leaves_the_outputs_and_changes_the_weights() -> None:
    model = models.build("mlp", (1, 8, 8), 10, seed=3)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.bias)
    inputs = torch.randn(5, 1, 8, 8)
    balanced = heuristics.scaled_weights(model, 4.0, balanced=True)
    torch.testing.assert_close(balanced(inputs), model(inputs), rtol=1e-4, atol=1e-4)
    scaled = heuristics.scaled_weights(model, 4.0)
    assert torch.equal(scaled[1].weight, 4 * model[1].weight)
    assert torch.equal(scaled[1].bias, model[1].bias)
