"""A study of networks that were never trained: made from what a calibration reads."""

from __future__ import annotations

from typing import Any

import torch

from prunelimit.lab.store.provenance import describe_run
from prunelimit.records import from_plain, to_plain
from prunelimit.results import Provenance
from prunelimit.results.existence import (
    AtEpsilon,
    MeasuredNetwork,
    Network,
    Solved,
    Threshold,
)


def provenance() -> Provenance:
    """Of this very process."""
    return from_plain(Provenance, to_plain(describe_run(torch.device("cpu"), "a test")))


def at_epsilon(facts: Any, kept: float, status: str = "bracketed") -> AtEpsilon:
    """One row, with thresholds that no doubled budget moved."""
    formulas = {f: Solved(1 - getattr(facts, f), 1.0, "solved") for f in ("paper", "sharp")}
    return AtEpsilon(
        epsilon=facts.epsilon,
        epsilon_source="given",
        ggn=formulas,
        at_twice_epsilon=formulas,
        gain=formulas,
        decrement=formulas,
        linear_rise=0.0,
        one_shot_quadratic=1 - facts.one_shot,
        one_shot=1 - facts.one_shot,
        quadratic_existence=1 - kept,
        quadratic_existence_fixed_biases=1 - kept,
        real_existence=Threshold(1 - kept, 1 - kept, 1 - kept, status, 1 - kept, False),
    )


def measured(row: Any, status: str = "bracketed") -> MeasuredNetwork:
    """A network with the one row of a calibration."""
    facts = row.facts
    return MeasuredNetwork(
        format=row.network,
        name=row.network,
        network=Network(row.family, "digits", facts.examples, "mlp", (8,), "sgd", 0.1, 9, 0.0, 0.1),
        dim=facts.dim,
        free=facts.dim,
        examples=facts.examples,
        classes=facts.outputs or 10,
        layers=facts.layers,
        layer_share=facts.layer_share,
        cut=facts.cut,
        constant_loss=9.0,
        loss=facts.loss,
        train_accuracy=1.0,
        test_accuracy=None,
        norm=1.0,
        gradient_norm=0.0,
        trace=1.0,
        eigenvalue_quantiles=(0.0, 1.0),
        rank=1.0,
        distance_quantiles=(1.0, 0.0),
        batch_std=0.05,
        newton_decrement=0.0,
        finetuned_loss=0.0,
        finetuned_status="converged",
        iterations=1,
        minima=((1, 0.0, "reached"),),
        rows=(at_epsilon(facts, row.kept, status),),
        seconds=1.0,
        cpu_seconds=1.0,
        cpu_seconds_before_existence=1.0,
        code=None,
    )
