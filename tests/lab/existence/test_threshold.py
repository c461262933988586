"""A threshold is where a scan finds it, and what is beyond reach is named."""

import dataclasses

import pytest
import torch
from converged_support import EXACT
from torch import nn
from torch.nn.functional import mse_loss

from prunelimit.lab.existence import threshold
from prunelimit.lab.existence.converged import Descent, minimise
from prunelimit.lab.existence.landscape import Landscape
from prunelimit.lab.existence.threshold import ExistenceSearch
from prunelimit.pruning.masks import magnitude_order


@pytest.fixture(scope="module")
def scanned():
    """A regression, and the lowest loss under each of its magnitude masks."""
    torch.manual_seed(4)
    model = nn.Linear(20, 1)
    inputs = torch.randn(200, 20)
    truth = torch.linspace(2, 0, 20)[:, None] ** 2
    with torch.no_grad():
        model.weight.copy_(truth.T + 0.01 * torch.randn(1, 20))
    landscape = Landscape(model, mse_loss, [(inputs, inputs @ truth)])
    order = magnitude_order(model)
    scan = [
        minimise(landscape, landscape.keep(order[:count]), descent=EXACT).loss
        for count in range(21)
    ]
    return landscape, order, scan


@pytest.mark.parametrize("guess", [0.1, 0.6, 0.95])
def test_the_threshold_is_where_a_scan_finds_it(scanned, guess):
    landscape, order, scan = scanned
    level = 1.0
    last = max(count for count, loss in enumerate(scan) if loss <= level)
    found = ExistenceSearch(landscape, order).threshold(level, guess, double=True)
    assert (found.lower, found.upper) == (last / 20, (last + 1) / 20)
    assert found.lower <= found.value <= found.upper
    assert found.status == "bracketed" and found.value == found.once


def test_the_upper_end_was_tried_from_the_solution_next_to_it(monkeypatch):
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
    inputs = torch.randn(60, 6)
    targets = inputs[:, :1] * inputs[:, 1:2]
    landscape = Landscape(model, mse_loss, [(inputs, targets)])
    starts = {}

    def watched(landscape, keep, start=None, **rest):
        starts.setdefault(int((~keep).sum()), []).append(start)
        return minimise(landscape, keep, start, **rest)

    monkeypatch.setattr(threshold, "minimise", watched)
    search = ExistenceSearch(landscape, magnitude_order(model))
    found = search.threshold(0.3, 0.6)
    lower, upper = (round(end * search.dim) for end in (found.lower, found.upper))
    beside = search.minima[lower].point
    assert any(torch.equal(start, beside) for start in starts[upper] if start is not None)


def test_the_budget_is_doubled_until_that_moves_nothing():
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
    inputs = torch.randn(60, 6)
    landscape = Landscape(model, mse_loss, [(inputs, inputs[:, :1] * inputs[:, 1:2])])
    order = magnitude_order(model)
    hasty = ExistenceSearch(landscape, order, Descent(iterations=6, patience=2))
    patient = ExistenceSearch(landscape, order, Descent(iterations=200))
    once, found, long = (
        search.threshold(0.1, 0.6, double=double)
        for search, double in ((hasty, False), (hasty, True), (patient, True))
    )
    assert once.budget == 6 and once.once is None
    assert found.value > once.value + threshold.SETTLED
    assert found.budget > 6 and found.value - found.once <= threshold.SETTLED
    assert long.value - long.once <= threshold.SETTLED and long.budget == 200


def test_levels_beyond_reach_and_beyond_need_are_named():
    torch.manual_seed(5)
    model = nn.Linear(6, 1)
    landscape = Landscape(model, mse_loss, [(torch.randn(30, 6), torch.randn(30, 1))])
    search = ExistenceSearch(landscape, magnitude_order(model))
    assert search.threshold(1e-3, 0.5).status == "none"
    found = search.threshold(1e3, 0.5)
    assert (found.status, found.value) == ("any", 1.0)


class Unlucky(ExistenceSearch):
    """Whose descents find nothing any more."""

    def _descend(self, removed, start, level, descent):
        found = super()._descend(removed, start, level, descent)
        return dataclasses.replace(found, loss=found.loss + 100.0)


def test_what_a_sparser_mask_reached_a_denser_one_reaches(scanned):
    """At a higher level the threshold is no lower, whatever the descents there end in."""
    landscape, order, *_ = scanned
    lucky, unlucky = (kind(landscape, order) for kind in (ExistenceSearch, Unlucky))
    level = float(landscape.loss(landscape.start)) + 0.2
    before = lucky.threshold(level, 0.5)
    unlucky.minima |= lucky.minima
    for guess in (0.1, before.lower, 0.95):
        assert unlucky.threshold(level + 0.1, guess).lower >= before.lower > 0
