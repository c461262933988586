"""Which networks the existence study measures, and in which order (``plan.csv``)."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from prunelimit.results.existence import Network

_RATES = {"sgd": 0.05, "adam": 0.005, "adamw": 0.005}

SEEDS = (0, 1, 2)


@cache
def networks() -> dict[str, Network]:
    """All networks by name, in the order of measuring.

    Round robin over the families, seeds last: whatever is done by then covers them all.

    Examples
    --------
    >>> next(iter(networks()))
    'mlp-digits-digits-mlp-relu-12-sgd-l0.001-t600-s0'
    """
    text = Path(__file__).with_name("plan.csv").read_text(encoding="utf-8")
    _, *rows = csv.reader(text.splitlines())
    planned = [
        Network(
            family,
            source,
            int(examples),
            kind,
            tuple(map(int, widths.split())),
            optimizer,
            _RATES[optimizer],
            int(steps),
            float(l1),
            float(epsilon),
            seed,
        )
        for seed in SEEDS
        for family, source, examples, kind, widths, optimizer, steps, l1, epsilon in rows
    ]
    return {network.name: network for network in planned}
