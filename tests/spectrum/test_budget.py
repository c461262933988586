"""Subsampling: nested, of the right size, and with the consequence it states."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prunelimit.errors import PruneLimitError
from prunelimit.spectrum.budget import data_budget, subsample


def linear_data(examples: int = 400, dim: int = 30):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(examples, dim, generator=generator)
    return list(zip(inputs.split(64), torch.zeros(examples, 1).split(64), strict=True))


def test_subsample_is_a_subset_of_the_right_size() -> None:
    data = [(torch.arange(i, i + 5).float()[:, None], torch.arange(i, i + 5)) for i in (0, 5, 10)]
    batches = subsample(data, 7, seed=3)
    inputs = torch.cat([x[:, 0] for x, _ in batches])
    targets = torch.cat([y for _, y in batches])
    assert len(inputs) == 7 == len(set(targets.tolist()))
    torch.testing.assert_close(inputs, targets.float())
    assert set(torch.cat([y for _, y in subsample(data, 7, seed=4)]).tolist()) != set(
        targets.tolist()
    )


def test_more_data_means_more_effective_dimensions_for_a_linear_model() -> None:
    # H is the sample covariance: its N_eff is known to be biased low at few examples.
    model = nn.Linear(30, 1, bias=False)
    data = linear_data()
    found = data_budget(
        model, nn.functional.mse_loss, data, lambda s: s.effective_dimension(0.5), examples=40
    )
    assert found.sizes == (20, 40)
    assert found.answers[0].value <= 20 and found.moved > 0
    whole = data_budget(
        model, nn.functional.mse_loss, data, lambda s: s.effective_dimension(0.5), examples=400
    )
    truth = whole.answers[1].value
    assert abs(found.extrapolated - truth) < abs(found.answers[1].value - truth)


def test_refusals() -> None:
    with pytest.raises(PruneLimitError, match="examples is 401; it must be in 1 … 400"):
        subsample(linear_data(), 401)
    with pytest.raises(PruneLimitError, match="examples=1 cannot be halved"):
        data_budget(nn.Linear(30, 1), nn.functional.mse_loss, linear_data(), lambda s: None, 1)
