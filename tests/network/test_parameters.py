"""What counts is chosen by names, patterns or a predicate, and said."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from network_support import Mixed, Recurrent, Transformer, images
from torch import nn

import prunelimit as pl
from prunelimit import PruneLimitError
from prunelimit.network.parameters import counted, prunable_parameters, prunable_weights
from prunelimit.pruning import magnitude_mask


def chosen(model: nn.Module, parameters: object) -> list[str]:
    return list(prunable_parameters(model, parameters))  # type: ignore[arg-type]


def test_the_default_is_linear_and_convolutional_weights_and_says_what_it_leaves() -> None:
    model = Transformer()
    count = counted(model)
    assert count.dim == 128 + 256 + 512 + 512 + 160 == prunable_weights(model).numel()
    assert count.total == sum(p.numel() for p in model.parameters()) == 2538
    assert dict(count.left_out) == {"layer.self_attn.in_proj_weight": 768}
    assert str(count) == (
        "D = 1,568 of 2,538 parameters; left out: layer.self_attn.in_proj_weight (768), "
        "biases and other vectors (202)"
    )


def test_parameters_that_a_model_does_not_show_are_counted() -> None:
    class Optimised(nn.Sequential):
        def parameters(self, recurse: bool = True):
            return self[1].parameters(recurse)

    count = counted(Optimised(nn.Linear(4, 3), nn.Linear(3, 2)))
    assert (count.dim, count.total, dict(count.left_out)) == (18, 23, {})


def test_names_patterns_and_predicates_choose() -> None:
    model = Transformer()
    attention = "layer.self_attn.in_proj_weight"
    assert chosen(model, attention) == chosen(model, "*.in_proj_weight") == [attention]
    # In the order of the model, whatever the order of the list, each once.
    assert chosen(model, ["head.weight", "embed.*", "head.*"]) == [
        "embed.weight",
        "embed.bias",
        "head.weight",
        "head.bias",
    ]
    matrices = chosen(model, lambda name, parameter: parameter.ndim > 1)
    assert set(matrices) == {*chosen(model, None), attention}
    # A mapping is taken as it comes: it is a choice already made.
    assert chosen(model, {"head.weight": None, "embed.weight": None}) == [
        "head.weight",
        "embed.weight",
    ]


def test_every_kind_of_matrix_can_be_chosen() -> None:
    assert chosen(Recurrent(), "cells.weight_*") == ["cells.weight_ih_l0", "cells.weight_hh_l0"]
    model = Mixed()
    assert chosen(model, None) == ["head.weight"]
    everything = ["raw", "table.weight", "turned.weight", "head.weight"]
    assert chosen(model, ["raw", "*.weight"]) == everything
    pruned = pl.prune(model, 0.9, parameters=["raw", "*.weight"])
    weights = prunable_weights(pruned, everything)
    assert int((weights == 0).sum()) == round(0.9 * weights.numel())
    # Global magnitude, by hand.
    before = torch.cat([model.get_parameter(name).detach().reshape(-1) for name in everything])
    cut = before.abs().sort().values[round(0.9 * before.numel())]
    assert torch.equal(weights, torch.where(before.abs() >= cut, before, 0.0))


def test_a_tied_weight_counts_once_under_the_name_that_was_chosen() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = nn.Embedding(9, 4), nn.Linear(4, 9)
            self.out.weight = self.table.weight

    model = Tied()
    assert chosen(model, None) == chosen(model, "out.weight") == ["out.weight"]
    assert chosen(model, "*.weight") == ["table.weight"]
    assert counted(model).total == 45


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("embed.wieght", "did you mean 'embed.weight'"),
        (["head.weight", "nothing.*"], "'nothing.*' fits no parameter"),
        (lambda name, parameter: False, "chooses nothing"),
        ([], "chooses nothing"),
        ([3], "a int, which is no name or pattern; give names as in model.named_parameters()"),
        (lambda name: True, "as a predicate, fails on embed.weight: TypeError"),
        (lambda name, parameter: parameter > 0, "returns True or False"),
        (nn.Linear(2, 2), "as a predicate, fails on"),
        (3, "a int; give names"),
    ],
)
def test_choices_that_fit_nothing_are_refused(parameters: object, said: str) -> None:
    with pytest.raises(PruneLimitError, match=re.escape(said)):
        chosen(Transformer(), parameters)


def test_a_network_without_linear_layers_is_told_how_to_choose() -> None:
    with pytest.raises(PruneLimitError, match=r"parameters=.*weight_ih_l0"):
        pl.prune(nn.LSTM(3, 2), 0.5)


def test_lazy_layers_are_refused_before_their_values_are_there() -> None:
    with pytest.raises(PruneLimitError, match="lazy"):
        magnitude_mask(nn.Sequential(nn.LazyLinear(3)), 0.5)
    model, data = nn.LazyLinear(3), [(images(6), torch.arange(6) % 3)]
    for call in (pl.predict_limit, pl.hessian_spectrum):
        with pytest.raises(PruneLimitError, match="lazy"):
            call(model, nn.functional.cross_entropy, data)
    assert model.has_uninitialized_params()


TOKENS = torch.randint(17, (6, 5), generator=torch.Generator().manual_seed(2))
CHOICES = {
    "attention": (Transformer, images(6), ["*.in_proj_weight", "*.out_proj.weight"]),
    "lstm": (Recurrent, images(6), "cells.weight_*"),
    "gru": (lambda: Recurrent(nn.GRU), images(6), "cells.weight_hh_l0"),
    "table and raw": (Mixed, TOKENS, ["table.weight", "raw"]),
    "turned": (Mixed, TOKENS, "turned.*"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_curvature_of_chosen_weights_is_the_one_computed_apart(name: str) -> None:
    make, inputs, choice = CHOICES[name]
    model = make().double().eval()
    data = inputs.double() if inputs.is_floating_point() else inputs
    targets = torch.arange(6) % 3
    spectrum = pl.hessian_spectrum(
        model, nn.functional.cross_entropy, [(data, targets)], parameters=choice
    )
    weights = list(prunable_parameters(model, choice).values())
    total = torch.zeros(sum(weight.numel() for weight in weights), dtype=torch.float64)
    total = torch.diag(total)
    for example in data:
        outputs = model(example[None])[0]
        rows = [torch.autograd.grad(o, weights, retain_graph=True) for o in outputs]
        jacobian = torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows])
        p = outputs.detach().softmax(0)
        total += jacobian.T @ (p.diag() - p.outer(p)) @ jacobian / 6
    found = torch.tensor(spectrum.eigenvalues).double().sort().values
    torch.testing.assert_close(found, torch.linalg.eigvalsh(total), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("number", [np.float32(0.05), torch.tensor(0.05), np.array(0.05)])
def test_every_kind_of_number_is_a_loss_rise_and_a_tolerance(number: Any) -> None:
    data = [(images(6), torch.arange(6) % 3)]
    model = nn.Linear(64, 3).eval()
    found = pl.predict_limit(model, nn.functional.cross_entropy, data, number, tolerance=number)
    plain = pl.predict_limit(model, nn.functional.cross_entropy, data, 0.05, tolerance=0.05)
    assert found.paper.kept == pytest.approx(plain.paper.kept, rel=1e-5)
    assert found.epsilon == pytest.approx(0.05) and type(found.epsilon) is float
