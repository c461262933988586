"""Scores at initialisation against dense matrices, differences, paths and numbers by hand."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.ao.pruning import CubicSL
from torch.nn.functional import cross_entropy, mse_loss

from prunelimit import PruneLimitError
from prunelimit.lab.baselines import iterative_counts, signed_constants
from prunelimit.lab.baselines._driver import Config
from prunelimit.lab.baselines._one_shot import smart_ratio_counts, smart_ratio_mask
from prunelimit.lab.baselines._rare_gems import rare_gems_counts
from prunelimit.lab.baselines._rounds import GradualConfig, cubic_sparsity, gradual_schedule
from prunelimit.lab.baselines._scored import (
    GraspConfig,
    balanced_examples,
    first_examples,
    grasp,
    grasp_scores,
    snip,
    snip_scores,
    synflow_mask,
    synflow_scores,
)
from prunelimit.network.parameters import (
    flatten,
    prunable_parameters,
    prunable_weights,
    unflatten,
    with_weights,
)
from prunelimit.recipe import TrainingConfig
from prunelimit.spectrum import CurvatureOperator


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def examples(seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    return [inputs, torch.randint(3, (20,), generator=generator)]


EXAMPLES = examples()


def weights_of(model: nn.Module) -> Tensor:
    return prunable_weights(model)


def loss_at(model: nn.Module, vector: Tensor, temperature: float = 1.0) -> Tensor:
    inputs, targets = EXAMPLES
    values = unflatten(vector, prunable_parameters(model))
    outputs = torch.func.functional_call(model, values, (inputs,))
    return cross_entropy(outputs / temperature, targets)


def diagonal_data(curvatures: list[float]) -> list[tuple[Tensor, Tensor]]:
    """On a linear layer w, 0.5·mean(outputs²) is then 0.5·Σ λ_i w_i²."""
    inputs = torch.diag((torch.tensor(curvatures) * len(curvatures)).sqrt())
    return [(inputs, torch.zeros(len(curvatures), dtype=torch.long))]


def half_square(outputs: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * outputs.square().mean()


def linear(*weights: float) -> nn.Module:
    layer = nn.Linear(len(weights), 1, bias=False)
    layer.weight.data.copy_(torch.tensor([weights]))
    return layer


def test_snip_is_the_derivative_with_respect_to_the_connections() -> None:
    model = network()
    weights = weights_of(model)
    step = 1e-6 * torch.diag(weights)
    slopes = [
        (loss_at(model, weights + change) - loss_at(model, weights - change)).item() / 2e-6
        for change in step
    ]
    found = snip_scores(model, cross_entropy, examples(), device="cpu")
    torch.testing.assert_close(found, torch.tensor(slopes).abs().double(), rtol=1e-5, atol=1e-9)


def test_snip_keeps_what_the_loss_feels() -> None:
    # ∂L/∂w_i · w_i = λ_i w_i² = 9, 4, 2.25
    data = diagonal_data([1.0, 4.0, 9.0])
    config = Config(TrainingConfig(epochs=1, learning_rate=1e-9))
    found = snip(linear(3.0, 1.0, 0.5), data, half_square, 2 / 3, config, device="cpu")
    assert found.masks["weight"].tolist() == [[True, False, False]]


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_grasp_against_the_dense_hessian(temperature: float) -> None:
    model = network()
    weights = weights_of(model)

    def loss(vector: Tensor) -> Tensor:
        return loss_at(model, vector, temperature)

    hessian = torch.func.hessian(loss)(weights)
    expected = -weights * (hessian @ torch.func.grad(loss)(weights))
    found = grasp_scores(model, cross_entropy, examples(), temperature, device="cpu")
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)


def test_grasp_against_the_curvature_operator() -> None:
    model = network().eval()
    operator = CurvatureOperator(model, cross_entropy, [tuple(examples())], "hessian", device="cpu")
    slope = torch.func.grad(lambda vector: loss_at(model, vector))(weights_of(model))
    expected = -weights_of(model) * operator.matmul(slope)
    torch.testing.assert_close(
        grasp_scores(model, cross_entropy, examples(), 1.0, device="cpu"), expected
    )


def test_grasp_score_is_half_the_change_of_the_gradient_flow() -> None:
    model = network()
    weights = weights_of(model)

    def flow(vector: Tensor) -> float:
        return torch.func.grad(lambda v: loss_at(model, v))(vector).square().sum().item()

    found = grasp_scores(model, cross_entropy, examples(), 1.0, device="cpu")
    for i in (0, 7, 30):
        away = torch.zeros_like(weights)
        away[i] = -weights[i]  # towards removing weight i
        slope = (flow(weights + 1e-5 * away) - flow(weights - 1e-5 * away)) / 2e-5
        assert slope / 2 == pytest.approx(float(found[i]), rel=1e-4, abs=1e-9)


def test_grasp_removes_the_largest_scores() -> None:
    # g = λw, Hg = λ²w: the scores are -λ²w² = -9, -16, -20.25, and the lowest stays.
    config = GraspConfig(TrainingConfig(epochs=1, learning_rate=1e-9), temperature=1.0)
    data = diagonal_data([1.0, 4.0, 9.0])
    found = grasp(linear(3.0, 1.0, 0.5), data, half_square, 2 / 3, config, device="cpu")
    assert found.masks["weight"].tolist() == [[False, False, True]]


def test_grasp_needs_classes_and_balances_them() -> None:
    training = TrainingConfig()
    inputs, targets = torch.arange(7.0)[:, None], torch.tensor([0, 0, 0, 1, 0, 1, 2])
    found, labels = balanced_examples([(inputs, targets)], training, 2, seed=0)
    assert found[:, 0].tolist() == [0, 1, 3, 5, 6]
    assert labels.tolist() == [0, 0, 1, 1, 2]
    with pytest.raises(PruneLimitError, match="class indices"):
        balanced_examples([(inputs, inputs)], training, 2, seed=0)
    with pytest.raises(PruneLimitError, match="empty"):
        first_examples([], training, 3, seed=0)


def path_products(model: nn.Module) -> tuple[list[Tensor], float]:
    """For each weight the sum over its paths of the product of |w|, by enumeration."""
    layers = [p.detach().abs() for p in prunable_parameters(model).values()]
    sums = [torch.zeros_like(layer) for layer in layers]
    widths = [layers[0].shape[1], *(layer.shape[0] for layer in layers)]
    total = 0.0
    for path in itertools.product(*(range(width) for width in widths)):
        edges = list(itertools.pairwise(path))
        product = 1.0
        for layer, (a, b) in zip(layers, edges, strict=True):
            product *= float(layer[b, a])
        total += product
        for layer, (a, b) in zip(sums, edges, strict=True):
            layer[b, a] += product
    return sums, total


def test_synflow_is_the_sum_over_paths_and_conserved_from_layer_to_layer() -> None:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 3))
    for layer in model[::2]:
        nn.init.zeros_(layer.bias)
    sums, total = path_products(model)
    found = synflow_scores(model, torch.randn(1, 3))
    torch.testing.assert_close(found, flatten(sums).double(), rtol=1e-6, atol=1e-9)
    for piece in unflatten(found, prunable_parameters(model)).values():
        assert float(piece.sum()) == pytest.approx(total, rel=1e-6)


def test_synflow_keeps_the_stronger_path() -> None:
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    model = with_weights(model, torch.tensor([-2.0, 1.0, 3.0, 5.0]))  # paths 2·3 and 1·5
    masks = synflow_mask(model, torch.ones(1, 1), 0.5)
    assert masks["0.weight"].flatten().tolist() == [True, False]
    assert masks["2.weight"].flatten().tolist() == [True, False]


@pytest.mark.parametrize(("bias", "empty"), [(True, 4), (False, 0)])
def test_synflow_empties_layers_where_biases_carry_the_flow(bias: bool, empty: int) -> None:
    torch.manual_seed(0)
    sizes = [64, 32, 32, 32, 32, 32, 10]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after, bias=bias), nn.ReLU()]
    masks = synflow_mask(nn.Sequential(*layers[:-1]), torch.ones(1, 64), 0.99)
    assert sum(not mask.any() for mask in masks.values()) == empty


def test_synflow_in_one_round_empties_a_layer_and_in_many_does_not() -> None:
    # A wide layer shares R among many weights, so all of them score less than a narrow layer's.
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 2))
    one, many = (synflow_mask(model, torch.ones(1, 30), 0.96, rounds=r) for r in (1, 100))
    assert int(one["2.weight"].sum()) > int(many["2.weight"].sum())
    assert sum(int(m.sum()) for m in many.values()) == sum(int(m.sum()) for m in one.values()) == 38
    assert all(bool(mask.any()) for mask in many.values())


def test_smart_ratio_by_hand() -> None:
    # L = 3: shares 12x, 6x, and 0.3 of the classifier's 50 = 15. 12·20x + 6·40x = 480x = 45.
    assert smart_ratio_counts([20, 40, 50], 60, classifier=2) == (20, 25, 15)
    # uncapped the first would keep 22.5 of 20 and the second 22.5: it takes over 2.5
    assert smart_ratio_counts([100, 100], 60, classifier=None) == (45, 15)  # 6 : 2
    # Everything kept: the classifier keeps more than 0.3 since no other layer has room.
    assert smart_ratio_counts([10, 10], 20, classifier=1) == (10, 10)
    with pytest.raises(PruneLimitError, match="lower linear_keep"):
        smart_ratio_counts([10, 100], 20, classifier=1)


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    share=st.floats(0.0, 1.0),
    classifier=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_smart_ratio_keeps_the_exact_count_within_each_layer(
    sizes: list[int], share: float, classifier: bool
) -> None:
    position = len(sizes) - 1 if classifier else None
    least = 0.3 * sizes[-1] if classifier else 0.0
    kept = round(least + 0.5 + share * (sum(sizes) - least - 0.5))
    kept = min(max(kept, 0), sum(sizes))
    if kept < least:
        return
    counts = smart_ratio_counts(sizes, kept, position)
    assert sum(counts) == kept
    assert all(0 <= count <= size for count, size in zip(counts, sizes, strict=True))


def test_smart_ratio_takes_the_last_linear_layer_for_the_classifier() -> None:
    model = nn.Sequential(nn.Conv2d(1, 10, 1), nn.Flatten(), nn.Linear(10, 10), nn.Linear(10, 10))
    masks = smart_ratio_mask(model, 0.5, seed=2)
    # 105 kept: 30 in the classifier; shares 12·10x + 6·100x = 75, so 12.5 of 10, 62.5 + 2.5
    assert [int(m.sum()) for m in masks.values()] == [10, 65, 30]
    again, other = (smart_ratio_mask(model, 0.5, seed=s) for s in (2, 3))
    assert all(torch.equal(masks[name], again[name]) for name in masks)
    assert not torch.equal(masks["2.weight"], other["2.weight"])


@given(dim=st.integers(1, 10**6), sparsity=st.floats(0, 0.999), epochs=st.integers(6, 300))
@settings(max_examples=60, deadline=None)
def test_rare_gems_drops_end_on_the_target(dim: int, sparsity: float, epochs: int) -> None:
    counts = rare_gems_counts(dim, sparsity, epochs)
    assert len(counts) == (epochs - 1) // 5
    assert counts[-1] == dim - round(sparsity * dim)
    assert all(a >= b for a, b in itertools.pairwise((dim, *counts)))


def test_rare_gems_drops_the_same_share_each_time() -> None:
    counts = (10**6, *rare_gems_counts(10**6, 0.99, epochs=51))
    p = 1 - 0.01 ** (1 / 10)
    for before, after in itertools.pairwise(counts):
        assert 1 - after / before == pytest.approx(p, abs=1e-4)


def test_signed_constants_of_a_convolution() -> None:
    layer = nn.Conv2d(2, 3, 3)
    constants = signed_constants(layer).weight
    assert torch.equal(constants.sign(), layer.weight.sign())
    torch.testing.assert_close(constants.abs(), torch.full_like(constants, (2 / 18) ** 0.5))


@given(dim=st.integers(1, 10**6), sparsity=st.floats(0, 0.999))
@settings(max_examples=60, deadline=None)
def test_iterative_counts_fall_by_a_fifth_to_the_target(dim: int, sparsity: float) -> None:
    counts = iterative_counts(dim, sparsity)
    target = dim - round(sparsity * dim)
    assert (counts[-1] if counts else dim) == target
    assert all(count == round(dim * 0.8 ** (i + 1)) for i, count in enumerate(counts[:-1]))


@given(step=st.integers(0, 120), final=st.floats(0.01, 0.999))
@settings(max_examples=60, deadline=None)
def test_cubic_schedule_is_that_of_torch(step: int, final: float) -> None:
    peer = CubicSL.sparsity_compute_fn(0.0, final, step, 10, 5, 18)  # ends at 10 + 5·18
    assert cubic_sparsity(step, 10, 100, final) == pytest.approx(peer, abs=1e-12)


def test_gradual_schedule_cuts_at_the_interval_and_at_the_end() -> None:
    schedule = gradual_schedule(
        1000, 0.9, GradualConfig(TrainingConfig(), begin=0.1, end=0.75, interval=300)
    )
    assert list(schedule) == [100, 400, 700, 750]
    assert schedule[750] == 0.9
    assert list(schedule.values()) == sorted(schedule.values())


def test_scores_are_those_of_a_loss_on_the_first_examples() -> None:
    inputs, targets = examples()
    batches = [(inputs[:12], targets[:12]), (inputs[12:], targets[12:])]
    found = first_examples(batches, TrainingConfig(), 15, seed=0)
    assert torch.equal(found[0], inputs[:15])
    assert mse_loss(found[1].double(), targets[:15].double()) == 0
