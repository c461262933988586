"""The corrections of chapter 10 against dense oracles, closed forms and hand numbers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from prunelimit.errors import PruneLimitError
from prunelimit.lab import models
from prunelimit.lab.studies import corrections
from prunelimit.lab.studies.corrections import Round
from prunelimit.lab.studies.study import small_convolutional
from prunelimit.limit import sharp_loss
from prunelimit.network.evaluate import evaluate
from prunelimit.network.losses import loss_gradient
from prunelimit.network.parameters import prunable_weights
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.finetune import FineTuning
from prunelimit.results.study import FORMULAS
from prunelimit.spectrum import CurvatureOperator


def examples(shape, classes, count=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, *shape, generator=generator)
    targets = torch.randint(classes, (count,), generator=generator)
    return [(inputs[:25], targets[:25]), (inputs[25:], targets[25:])]


def perceptron(widths, shape=(1, 2, 3), classes=4, seed=0):
    model = models.fully_connected(widths)(shape, classes)
    models.initialize(model, seed)
    return model.eval()


@pytest.mark.parametrize("kind", ["perceptron", "convolutional"])
def test_the_matrix_is_the_operators(kind):
    shape = (1, 2, 3) if kind == "perceptron" else (1, 4, 4)
    model = perceptron((5, 4)) if kind == "perceptron" else small_convolutional(shape, 4)
    data = examples(shape, 4)
    operator = CurvatureOperator(model, cross_entropy, data, "ggn", dtype=torch.float64)
    matrix = corrections.gauss_newton_matrix(model, data)
    torch.testing.assert_close(matrix, operator.dense(), rtol=1e-9, atol=1e-12)


def test_the_bound_is_the_curvature_of_a_quadratic_loss():
    def centred(outputs, targets):
        return 0.25 * (outputs - outputs.mean(1, keepdim=True)).square().sum(1).mean()

    model, data = perceptron((5,)), examples((1, 2, 3), 4)
    operator = CurvatureOperator(model, centred, data, "ggn", dtype=torch.float64)
    matrix = corrections.gauss_newton_matrix(model, data, corrections.boehning_root)
    torch.testing.assert_close(matrix, operator.dense(), rtol=1e-9, atol=1e-12)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6))
def test_the_bound_is_never_below_the_curvature_of_cross_entropy(outputs):
    logits = torch.tensor([outputs], dtype=torch.float64)
    bound, root = corrections.boehning_root(logits)[0], corrections.cross_entropy_root(logits)[0]
    p = logits[0].softmax(0)
    torch.testing.assert_close(root.T @ root, p.diag() - p.outer(p), rtol=1e-9, atol=1e-12)
    assert float(torch.linalg.eigvalsh(bound.T @ bound - root.T @ root).min()) > -1e-12


def test_the_averaged_curvature_gives_the_loss_at_the_ways_end():
    # Without hidden layers the Gauss-Newton matrix is the Hessian, and Taylor's remainder exact.
    model, data = perceptron((), seed=3), examples((1, 2, 3), 4)
    start = corrections.gauss_newton_matrix(model, data)
    averaged = corrections.path_matrix(model, data, 0.5, start)
    weights = prunable_weights(model).double()
    mask = magnitude_mask(model, 0.5)
    moved = torch.where(mask["1.weight"].flatten(), 0.0, weights)
    gradient = loss_gradient(model, cross_entropy, data, "cpu").double()
    pruned = corrections.with_weights(model, weights - moved)
    rise = evaluate(pruned, cross_entropy, data, "cpu")[0]
    rise -= evaluate(model, cross_entropy, data, "cpu")[0]
    remainder = rise + float(gradient @ moved)
    by_start = 0.5 * float(moved @ start @ moved)
    by_average = 0.5 * float(moved @ averaged @ moved)
    assert abs(by_start - remainder) > 0.02 * remainder
    assert by_average == pytest.approx(remainder, rel=2e-3)


@given(st.floats(0, 1), st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5, unique=True))
def test_a_prediction_that_does_not_move_is_its_own_fixed_point(value, sparsities):
    grid = [0.0, *sorted(sparsities)]
    assert corrections.fixed_point(grid, [value] * len(grid)) == pytest.approx(value)


def test_the_fixed_point_is_the_first_crossing_of_the_interpolated_prediction():
    assert corrections.fixed_point([0, 0.5, 0.9], [1.0, 0.75, 0.35]) == pytest.approx(0.625)
    assert corrections.fixed_point([0, 0.4, 0.6], [0.9, 0.9, 0.8]) == 0.8


@pytest.mark.parametrize(
    ("sparsities", "predicted"),
    [([0.0], [0.5]), ([0.1, 0.5], [0.5, 0.5]), ([0.0, 0.0], [1, 1]), ([0.0, 0.5], [1.0])],
)
def test_lists_that_do_not_fit_are_refused(sparsities, predicted):
    with pytest.raises(PruneLimitError, match="increase from 0"):
        corrections.fixed_point(sparsities, predicted)


@pytest.fixture(scope="module")
def layer():
    random = np.random.default_rng(0)
    return random.standard_normal(60), random.uniform(0.1, 3, 60)


@pytest.mark.parametrize("formula", FORMULAS)
def test_one_layer_is_the_whole_network(layer, formula):
    weights, eigenvalues = layer
    found = corrections.layers_sparsity([layer], 0.7, formula)
    expected = corrections.predicted_sparsity(eigenvalues, weights, 0.7, formula)
    assert 0 < found <= expected < found + 1 / 60


@pytest.mark.parametrize("formula", FORMULAS)
def test_two_equal_layers_share_the_loss(layer, formula):
    both = corrections.layers_sparsity([layer, layer], 1.4, formula)
    one = corrections.layers_sparsity([layer], 0.7, formula)
    assert abs(both - one) <= 1 / 60


def test_layers_are_charged_under_the_global_mask(layer):
    small = layer[0] / 10, layer[1]
    found = corrections.layers_sparsity([layer, small], 0.3, "sharp")

    def charged(removed):
        cut = np.sort(np.abs(np.concatenate([layer[0], small[0]])))[removed - 1]
        total = 0.0
        for weights, eigenvalues in (layer, small):
            gone = np.abs(weights) <= cut
            distance = math.sqrt(float((weights[gone] ** 2).sum()))
            total += float(sharp_loss(eigenvalues, distance, 60 - int(gone.sum())))
        return total

    count = round(found * 120)
    assert charged(count) <= 0.3 < charged(count + 1)


def test_blocks_are_the_layers_own():
    model, data = perceptron((5,)), examples((1, 2, 3), 4)
    matrix = corrections.gauss_newton_matrix(model, data)
    first, second = corrections.layer_blocks(model, matrix)
    assert (first[0].size, second[0].size) == (30, 20)
    only = {"3.weight": model[3].weight}
    operator = CurvatureOperator(model, cross_entropy, data, "ggn", only, dtype=torch.float64)
    expected = torch.linalg.eigvalsh(operator.dense()).clamp_min(0)
    np.testing.assert_allclose(second[1], expected, atol=1e-12)


def flat_round(sparsity, loss, survivors):
    # Equal weights and curvatures: k_paper of n survivors is n N R²/(N R² + 2 n ε).
    return Round(sparsity, loss, np.ones(survivors), np.ones(survivors))


def test_rounds_stop_at_the_first_prediction_that_the_next_cut_would_pass():
    def predicts(survivors, allowed, before):
        within = corrections.predicted_sparsity(
            np.ones(survivors), np.ones(survivors), allowed, "paper"
        )
        return 1 - (1 - within) * (1 - before)

    rounds = [flat_round(0.0, 1.0, 8), flat_round(0.5, 1.2, 4), flat_round(0.75, 3.0, 2)]
    answer = corrections.rounds_sparsity
    first, second = predicts(8, 1.0, 0.0), predicts(4, 0.8, 0.5)
    assert first < 0.5 < second
    assert answer(rounds, 2.0, "paper") == pytest.approx(first)
    generous = [flat_round(0.0, 1.0, 8), flat_round(0.1, 1.2, 4), flat_round(0.3, 3.0, 2)]
    assert answer(generous, 2.0, "paper") == pytest.approx(predicts(4, 0.8, 0.1))
    assert answer(generous, 1.0, "paper") == 0.0


def test_pruning_in_rounds_keeps_nested_masks_and_measures_the_survivors():
    model, data = perceptron((6,)), examples((1, 2, 3), 4)
    rounds = corrections.prune_in_rounds(
        model, data, cross_entropy, (0.0, 0.5, 0.75), 10.0, FineTuning(2, 0.05), data
    )
    assert [r.weights.size for r in rounds] == [60, 30, 15]
    assert [r.eigenvalues.size for r in rounds] == [60, 30, 15]
    assert all((r.weights != 0).all() and (r.eigenvalues >= 0).all() for r in rounds)
    assert rounds[0].loss == pytest.approx(evaluate(model, cross_entropy, data, "cpu")[0])
    stopped = corrections.prune_in_rounds(
        model, data, cross_entropy, (0.0, 0.5, 0.75), 0.0, FineTuning(2, 0.05), data
    )
    assert len(stopped) == 1


def test_predicted_sparsity_of_equal_weights_and_curvatures():
    # R² = D - k and N(σ) = D/(1+σ): the paper's k solves k (D - k + 2ε) = D (D - k).
    dim, epsilon = 50, 4.0
    kept = ((2 * dim + 2 * epsilon) - math.sqrt((2 * dim + 2 * epsilon) ** 2 - 4 * dim**2)) / 2
    found = corrections.predicted_sparsity(np.ones(dim), np.ones(dim), epsilon, "paper")
    # R² is linear between integers, so real k is exact.
    assert found == pytest.approx(1 - kept / dim, abs=1e-9)
