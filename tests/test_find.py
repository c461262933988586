"""`find_limit` against thresholds that are known: exactly, or from a dense grid."""

from __future__ import annotations

import copy
import json
import math
from functools import partial

import numpy as np
import pytest
import torch
from exact_support import Regression, regression
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

import prunelimit as pl
from prunelimit import pruning

mse = nn.functional.mse_loss
cross_entropy = nn.functional.cross_entropy


def search(case: Regression, epsilon: float, **options) -> pl.FoundLimit:
    options = {"start": 0.5, "finetune": case.solve, "tolerance": 0.02} | options
    return pl.find_limit(case.model, mse, case.data, epsilon=epsilon, **options)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("epsilon", [0.05, 1.0, 20.0])
def test_the_exact_threshold_lies_in_the_bracket_and_near_the_answer(seed, epsilon) -> None:
    case = regression(seed=seed)
    truth = case.threshold(epsilon)
    found = search(case, epsilon)
    assert found.lower <= (80 - truth) / 80 < found.upper
    assert abs(found.sparsity - (1 - truth / 80)) <= 0.02 + 1 / 80
    for one in found.measurements:
        assert one.loss == pytest.approx(case.lowest_loss(one.kept), rel=1e-6)
    assert len(found.tries) <= 7


@pytest.mark.parametrize("start", [0.0, 0.99])
def test_it_finds_thresholds_far_from_where_it_starts(start) -> None:
    case = regression(seed=5)
    truth = case.threshold(1.0)
    found = search(case, 1.0, start=start)
    assert found.lower <= (80 - truth) / 80 < found.upper and len(found.tries) <= 9


def test_the_model_is_the_sparsest_that_was_seen_to_pass() -> None:
    case = regression(seed=1)
    before = copy.deepcopy(case.model.state_dict())
    found = search(case, 1.0)
    zeros = int((found.model.weight == 0).sum())
    assert (
        zeros
        == round(found.lower * 80)
        == 80 - min(one.kept for one in found.measurements if one.passes)
    )
    inputs, targets = case.data[0]
    assert mse(found.model(inputs), targets).item() <= case.lowest_loss(80) + 1.0
    assert not found.model.training
    assert [name for name, _ in found.model.named_parameters()] == ["weight"]
    assert all(torch.equal(before[name], value) for name, value in case.model.state_dict().items())


def test_masks_are_nested_and_start_from_the_densest_network_that_passes() -> None:
    case, starts = regression(seed=2), []

    def solve(masked: nn.Module) -> None:
        starts.append(masked.weight.detach().clone())
        case.solve(masked)

    found = search(case, 1.0, finetune=solve, tolerance=0.005)
    for place, (one, start) in enumerate(zip(found.measurements, starts, strict=True)):
        denser = [before for before in found.measurements[:place] if before.passes]
        assert one.started_from == max((o.sparsity for o in denser), default=0.0)
        if not denser:
            kept = start != 0
            assert torch.equal(start[kept], case.model.weight.detach()[kept])
    by_sparsity = sorted(
        zip(found.measurements, starts, strict=True), key=lambda pair: -pair[0].kept
    )
    for (_, denser), (_, sparser) in zip(by_sparsity, by_sparsity[1:], strict=False):
        assert bool(((denser != 0) | (sparser == 0)).all())


def test_a_report_is_where_it_starts_and_says_what_is_allowed() -> None:
    case = regression(seed=3)
    report = pl.predict_limit(case.model, mse, case.data, epsilon=1.0)
    found = pl.find_limit(case.model, mse, case.data, report, case.solve, tolerance=0.02)
    ends = sorted(float(limit.sparsity) for limit in (report.paper, report.sharp))
    if getattr(report, "expected", None) is None:
        assert ends[0] - 0.01 <= found.tries[0][0] <= ends[1] + 0.01
    truth = case.threshold(1.0)
    assert found.lower <= (80 - truth) / 80 < found.upper
    same = pl.find_limit(case.model, mse, case.data, None, case.solve, 0.02, epsilon=1.0)
    assert np.array(same.tries) == pytest.approx(np.array(found.tries), rel=1e-9)


def test_a_threshold_outside_both_formulas_is_found_and_said() -> None:
    """Every input twice: half of the weights are superfluous, which no local picture counts."""
    half = regression(dim=40, seed=4)
    inputs, targets = half.data[0]
    rng = np.random.default_rng(0)
    share = torch.tensor(rng.uniform(0.35, 0.65, size=(1, 40)))
    doubled = nn.Linear(80, 1, bias=False).double()
    weights = half.model.weight.detach()
    doubled.weight.data = torch.cat([weights * share, weights * (1 - share)], 1)
    case = Regression(doubled, [(torch.cat([inputs, inputs], 1), targets)])
    report = pl.predict_limit(doubled, mse, case.data, epsilon=0.5)
    found = pl.find_limit(doubled, mse, case.data, report, case.solve, tolerance=0.02)
    truth = 1 - case.threshold(0.5) / 80
    assert found.lower <= truth < found.upper
    ends = sorted(float(limit.sparsity) for limit in (report.paper, report.sharp))
    assert not ends[0] <= truth <= ends[1]
    assert any("than both formulas" in note for note in found.notes)


def test_every_sparsity_passes() -> None:
    case = regression(seed=0)
    found = search(case, 1e6)
    assert found.lower == 1 - 1 / 80 and found.upper == 1.0 and found.sparsity == found.lower
    assert any("even one weight passes" in note for note in found.notes)


def test_no_sparsity_passes() -> None:
    case = regression(seed=0)
    found = search(case, 1e-9)
    assert found.lower == 0.0 and 0 < found.upper <= 0.04 and 0 <= found.sparsity <= found.upper
    assert any("no try passes" in note for note in found.notes)
    assert torch.equal(found.model.weight, case.model.weight)
    assert found.model is not case.model


def test_a_fine_tuning_that_failed_once_is_contradicted_and_said() -> None:
    case, calls = regression(seed=6), []

    def unlucky(masked: nn.Module) -> None:
        calls.append(1)
        if len(calls) == 2:
            return  # survivors left as they are: a try that ends in a worse place
        case.solve(masked)

    truth = case.threshold(1.0)
    found = search(case, 1.0, finetune=unlucky, start=1 - truth / 80 - 0.1)
    assert found.lower <= found.sparsity <= found.upper
    good = search(case, 1.0, start=1 - truth / 80 - 0.1)
    contradicted = any("although the sparser one" in note for note in found.notes)
    assert contradicted or found.upper < good.upper + 0.05


def test_it_stops_after_max_tries_and_says_so() -> None:
    found = search(regression(seed=0), 1.0, max_tries=1)
    assert len(found.tries) == 1
    assert any("stopped after 1 tries" in note for note in found.notes)


def test_costs_stand_beside_bisection_and_iterative_pruning() -> None:
    case = regression(seed=0)
    tuning = pl.FineTuning(epochs=7, learning_rate=1e-3)
    cost = search(case, 1.0, finetune=tuning, tolerance=0.01).to_dict()["cost"]
    assert cost["epochs"] == 7 * cost["fine_tunings"]
    assert cost["bisection"] == 6 and cost["bisection_epochs"] == 42  # 2^-6 <= 0.02 < 2^-5
    found = search(case, 1.0)
    assert found.cost.epochs is None is found.to_dict()["cost"]["iterative_epochs"]
    assert 0.8**found.cost.iterative <= 1 - found.sparsity < 0.8 ** (found.cost.iterative - 1)


def test_results_go_to_json_and_to_people(tmp_path) -> None:
    found = search(regression(seed=0), 1.0)
    stored = json.loads(found.to_json(tmp_path / "found.json"))
    assert stored == json.loads((tmp_path / "found.json").read_text())
    assert stored["sparsity"] == found.sparsity
    assert [(t["sparsity"], t["loss"]) for t in stored["tries"]] == [
        list(t) for t in found.tries
    ] or [(t["sparsity"], t["loss"]) for t in stored["tries"]] == list(found.tries)
    assert "measured bracket" in str(found) and "bisection takes" in str(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0}, "tolerance"),
        ({"start": 1.0}, "start is 1.0; it must be"),
        ({"max_tries": 0}, "max_tries"),
        ({"epsilon": None}, "give epsilon= or metric="),
        ({"epsilon": -1.0}, "epsilon must be positive|positive loss rise"),
        ({"metric": "accuracy"}, "belong together"),
        ({"finetune": lambda masked: nn.Linear(10, 1)}, "returned another model"),
        ({"finetune": 12}, "finetune is a int"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message) -> None:
    case = regression(dim=10)
    arguments = {"start": 0.5, "finetune": case.solve, "epsilon": 1.0} | options
    with pytest.raises(pl.PruneLimitError, match=message):
        pl.find_limit(case.model, mse, case.data, **arguments)


def test_what_a_file_cannot_hold_is_refused_before_the_first_try(tmp_path) -> None:
    case = regression(dim=10)
    tried: list[nn.Module] = []
    for name, value in (("phase", torch.ones(1, dtype=torch.complex128)), ("map", torch.eye(2))):
        model = copy.deepcopy(case.model)
        model.register_buffer(name, value if name == "phase" else value.to_sparse())
        options = {"start": 0.5, "finetune": tried.append, "epsilon": 1.0, "max_tries": 1}
        with pytest.raises(pl.PruneLimitError, match=f"{name} of the model's state dict .*without"):
            pl.find_limit(model, mse, case.data, directory=tmp_path / name, **options)
        assert not tried
        assert pl.find_limit(model, mse, case.data, **options).measurements
        tried.clear()


def test_names_may_come_from_a_generator() -> None:
    case = regression(dim=10)
    options = {"finetune": case.solve, "epsilon": 1.0, "max_tries": 1}
    found = pl.find_limit(case.model, mse, case.data, parameters=iter(["weight"]), **options)
    assert found.dim == 10


def test_a_loop_that_loses_the_masks_is_refused() -> None:
    case = regression(dim=10)

    def careless(masked: nn.Module) -> None:
        pruning.make_permanent(masked)
        masked.weight.data.add_(1.0)

    with pytest.raises(pl.PruneLimitError, match="brought 5 removed weights of weight back"):
        search(case, 1.0, finetune=careless)


def test_a_loss_that_reads_the_dense_model_is_refused() -> None:
    case = regression()

    def decayed(model, outputs, targets):
        return mse(outputs, targets) + 0.1 * model.weight.square().sum()

    with pytest.raises(pl.PruneLimitError, match=r"read the weights.*weight decay.*finetune="):
        pl.find_limit(case.model, partial(decayed, case.model), case.data, epsilon=1.0, start=0.5)


def test_a_report_about_something_else_is_refused() -> None:
    case, other = regression(dim=10), regression(dim=10, seed=9)
    report = pl.predict_limit(other.model, mse, other.data, epsilon=1.0)
    with pytest.raises(pl.PruneLimitError, match="another network or other data"):
        pl.find_limit(case.model, mse, case.data, report, case.solve)
    own = pl.predict_limit(case.model, mse, case.data, epsilon=1.0)
    with pytest.raises(pl.PruneLimitError, match="give one of them"):
        pl.find_limit(case.model, mse, case.data, own, case.solve, epsilon=2.0)


# ------------------------------------------------------------------ networks


def digits(examples: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    inputs, targets = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(inputs[:examples] / 16).float(), torch.tensor(targets[:examples])
    return list(zip(inputs.split(50), targets.split(50), strict=True))


def fit(model: nn.Module, data, epochs: int, rate: float = 3e-3) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    model.train()
    for _ in range(epochs):
        for inputs, targets in data:
            optimizer.zero_grad()
            cross_entropy(model(inputs), targets).backward()
            optimizer.step()
    model.eval()


def converge(masked: nn.Module, data) -> None:
    """Full-batch L-BFGS with a little decay, to convergence."""
    inputs, targets = (torch.cat(part) for part in zip(*data, strict=True))
    parameters = list(masked.parameters())
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=120, history_size=30, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(masked(inputs), targets)
        (loss + 1e-4 * sum(p.square().sum() for p in parameters)).backward()
        return loss.detach()

    optimizer.step(closure)


@pytest.mark.parametrize("seed", [0, 1])
def test_digits_by_one_layer_are_within_a_point_of_a_dense_grid(seed: int) -> None:
    """The loss is convex: where a fit starts, and the processor that rounds it, decide nothing."""
    torch.manual_seed(seed)
    data = [(nn.functional.avg_pool2d(x.view(-1, 8, 8), 2).flatten(1), y) for x, y in digits(300)]
    model = nn.Linear(16, 10)
    converge(model, data)
    epsilon = 0.1
    found = pl.find_limit(
        model,
        cross_entropy,
        data,
        epsilon=epsilon,
        start=0.4,
        finetune=lambda masked: converge(masked, data),
    )
    level = pl.sweep(model, cross_entropy, data, [0.0]).dense_loss + epsilon
    near = np.round(found.sparsity + np.arange(-0.04, 0.041, 0.01), 4)
    losses = []
    for sparsity in near:
        masked = pruning.apply_masks(copy.deepcopy(model), pruning.magnitude_mask(model, sparsity))
        converge(masked, data)
        tuned = pruning.make_permanent(masked)
        losses.append(pl.sweep(tuned, cross_entropy, data, [0.0]).dense_loss)
    passing = near[np.array(losses) <= level]
    assert near[0] < passing.max() < near[-1]
    assert -0.01 <= found.sparsity - passing.max() <= 0.02  # a point, and the grid's own step
    assert len(found.tries) <= 8


def test_a_transformer_over_the_rows_of_a_digit_by_its_accuracy() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Linear(8, 16), nn.Linear(16, 10)
            self.layer = nn.TransformerEncoderLayer(16, 2, 24, dropout=0.0, batch_first=True)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(self.layer(self.embed(inputs.view(-1, 8, 8))).mean(1))

    torch.manual_seed(0)
    data, validation = digits(900)[:10], digits(900)[10:]
    model = Rows()
    fit(model, data, 25)
    found = pl.find_limit(
        model,
        cross_entropy,
        data,
        start=0.4,
        finetune=lambda masked: fit(masked, data, 12),
        tolerance=0.04,
        metric="accuracy",
        validation=validation,
        metric_tolerance=0.03,
    )
    inputs, targets = (torch.cat(part) for part in zip(*validation, strict=True))

    def accuracy(network: nn.Module) -> float:
        return float((network(inputs).argmax(1) == targets).double().mean())

    assert 0 < found.lower <= found.sparsity < found.upper < 1
    assert accuracy(found.model) >= accuracy(model) - 0.03 - 1e-9
    best = min((one for one in found.measurements if one.passes), key=lambda one: one.kept)
    assert best.metric == pytest.approx(accuracy(found.model))
    assert found.noise > 0 and "validation examples" in str(found)


def test_few_validation_examples_leave_doubt_that_is_said() -> None:
    case = regression(dim=60, examples=300, seed=7)
    inputs, targets = case.data[0]
    few = [(inputs[:12], targets[:12])]

    def fit_of(outputs: torch.Tensor, truth: torch.Tensor) -> float:
        return -float(mse(outputs, truth))

    found = pl.find_limit(
        case.model,
        mse,
        case.data,
        start=0.6,
        finetune=case.solve,
        metric=fit_of,
        validation=few,
        metric_tolerance=0.3,
    )
    assert found.noise > 0.01 and math.isfinite(found.noise)
    assert any("validation examples" in note for note in found.notes)


def test_batches_of_another_form_and_a_choice_of_weights() -> None:
    """Dictionaries, and the first layer alone: what stays out of the count stays as it is."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.last = nn.Linear(20, 1, bias=False), nn.Linear(1, 1, bias=False)

        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return self.last(self.linear(input))

    model = Scaled()
    model.linear.weight.data.copy_(torch.arange(1, 21) / 20)
    model.last.weight.data.fill_(1.0)
    data = [{"input": torch.eye(20), "labels": model.linear.weight.data.T.clone()}]
    found = pl.find_limit(
        model,
        mse,
        data,
        epsilon=0.05,
        start=0.4,
        finetune=lambda masked: None,
        parameters="linear.*",
    )
    # Orthogonal inputs: removing the n smallest costs the mean of their squares; 10 fit in 0.05.
    assert (found.lower, found.upper, found.dim) == (0.5, 0.55, 20)
    assert type(found.model) is Scaled and float(found.model.last.weight) == 1.0


class Stream(IterableDataset):
    """Examples of a regression, one after another, in no known number."""

    def __init__(self, case: Regression) -> None:
        self.inputs, self.targets = case.data[0]

    def __iter__(self):
        return zip(self.inputs, self.targets, strict=True)


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_loop_that_diverges_is_said_to_and_loses_no_try(factor, tmp_path) -> None:
    case = regression(seed=0)

    def diverges_when_sparse(masked: nn.Module) -> None:
        case.solve(masked)
        for weight in masked.parameters():
            sparse = float((weight == 0).double().mean()) > 0.5
            weight.data *= factor if sparse else 1.0

    asked = {"finetune": diverges_when_sparse, "start": 0.3, "directory": tmp_path}
    with pytest.raises(pl.PruneLimitError, match="loss is (nan|inf) .*diverged; lower its"):
        search(case, 1000.0, **asked)
    assert list(tmp_path.glob("kept-56.safetensors"))


def test_a_stream_of_examples_is_fine_tuned_on_as_batches_are() -> None:
    case = regression()
    streamed = DataLoader(Stream(case), batch_size=len(case.data[0][0]))
    options = {"epsilon": 1.0, "start": 0.5, "max_tries": 1}
    budget = pl.FineTuning(epochs=2, learning_rate=1e-3)
    found, expected = (
        pl.find_limit(case.model, mse, data, finetune=budget, **options)
        for data in (streamed, case.data[:1])
    )
    assert found.tries == expected.tries


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_loader_with_weights_and_one_that_shuffles_and_drops_are_searched_alike(shuffle) -> None:
    case = regression(seed=1)
    inputs, targets = case.data[0]
    rows = torch.utils.data.TensorDataset(inputs, targets)
    loader = DataLoader(rows, 30, shuffle=shuffle, drop_last=True)
    budget = pruning.FineTuning.by_adam(3)
    found = pl.find_limit(case.model, mse, loader, epsilon=1.0, finetune=budget, max_tries=2)
    in_order = list(DataLoader(rows, 30, drop_last=True))
    dense = np.mean([float(mse(case.model(x), y)) for x, y in in_order])
    assert f"L(w*) = {dense:.4g}" in found.criterion
    weighed = [(x, y, float(len(y))) for x, y in in_order]
    assert pl.find_limit(
        case.model, mse, weighed, epsilon=1.0, start=0.5, finetune=budget, max_tries=1
    ).tries


def test_an_own_loop_that_breaks_the_masks_is_told_how_they_are_held() -> None:
    case = regression(seed=1)

    def replaces(masked: nn.Module) -> None:
        masked.weight = nn.Parameter(masked.weight.detach())

    with pytest.raises(KeyError) as raised:
        search(case, 1.0, finetune=replaces)
    assert "masks as parametrizations" in raised.value.__notes__[0]
    with pytest.raises(pl.PruneLimitError, match="changed the precision"):
        search(case, 1.0, finetune=lambda masked: masked.half() and None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_tries": "3"}, "max_tries is '3'; it must be a number, at least 1"),
        ({"tolerance": "a"}, "tolerance is 'a'; it must be a number"),
        ({"report": "r.json"}, r"report is a str; give what predict_limit returned"),
        ({"metric_tolerance": "a"}, "metric_tolerance is 'a'"),
    ],
)
def test_settings_of_another_kind_are_named(wrong, message) -> None:
    case = regression(seed=1)
    by_metric = {"metric": lambda outputs, targets: 1.0, "validation": case.data}
    with pytest.raises(pl.PruneLimitError, match=message):
        search(case, 1.0, **(wrong | (by_metric if "metric_tolerance" in wrong else {})))


def test_what_is_measured_stays_at_the_epoch_that_the_loader_is_in() -> None:
    case = regression()
    (inputs, targets), *_ = case.data

    class Noisy:
        epoch = 3

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __iter__(self):
            noise = torch.Generator().manual_seed(self.epoch)
            drawn = torch.randn(inputs.shape, generator=noise, dtype=inputs.dtype)
            return iter([(inputs + 0.1 * drawn, targets)])

    loader, ((theirs, _),) = Noisy(), list(Noisy())
    budget = pl.FineTuning(epochs=2, learning_rate=1e-3)
    found = pl.find_limit(
        case.model, mse, loader, epsilon=5.0, start=0.3, finetune=budget, max_tries=1
    )
    assert loader.epoch == 3
    assert found.tries[0][1] == pytest.approx(float(mse(found.model(theirs), targets)))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_search_without_gradients_around_it_trains_or_says_so(context) -> None:
    case = regression()
    budget = pl.FineTuning(epochs=1, learning_rate=1e-3)
    asked = {"epsilon": 5.0, "start": 0.3, "finetune": budget, "max_tries": 1}
    outside = pl.find_limit(case.model, mse, case.data, **asked)
    with context():
        if context is torch.no_grad:
            assert pl.find_limit(case.model, mse, case.data, **asked).tries == outside.tries
        else:
            with pytest.raises(pl.PruneLimitError, match="inference_mode"):
                pl.find_limit(case.model, mse, case.data, **asked)


def test_batches_that_teach_nothing_are_passed_over_and_one_example_is_named() -> None:
    torch.manual_seed(0)
    data = [(torch.randn(20, 4), torch.randint(3, (20,))) for _ in range(3)]
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)).eval()
    budget = pl.FineTuning(epochs=2, learning_rate=1e-3)
    asked = {"epsilon": 0.2, "start": 0.3, "finetune": budget, "max_tries": 1}
    empty = (data[0][0][:0], data[0][1][:0])
    ignored = (data[0][0], torch.full_like(data[0][1], -100))
    plain = pl.find_limit(model, cross_entropy, data, **asked)
    more = pl.find_limit(model, cross_entropy, [*data, empty, ignored], **asked)
    assert more.tries[0][1] == pytest.approx(plain.tries[0][1], rel=0.01)
    kept = pl.sweep(model, cross_entropy, [*data, empty, ignored], [0.5])
    assert kept.loss == pytest.approx(pl.sweep(model, cross_entropy, data, [0.5]).loss)
    with pytest.raises(pl.PruneLimitError, match=r"batch of 1: .*drop_last=True"):
        pl.find_limit(model, cross_entropy, [*data, (data[0][0][:1], data[0][1][:1])], **asked)


def test_numbers_of_minus_a_hundred_are_targets_like_others() -> None:
    """Only the class -100 is to be ignored."""
    torch.manual_seed(0)
    inputs = torch.randn(60, 4)
    model = nn.Linear(4, 1)
    found = []
    for shift in (0.0, -100.0):
        data = [(rows, torch.full((20, 1), shift)) for rows in inputs.split(20)]
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
            model.bias.fill_(shift)
        budget = pl.FineTuning(epochs=20, learning_rate=0.1)
        asked = {"epsilon": 0.2, "start": 0.5, "finetune": budget, "max_tries": 1}
        found.append(pl.find_limit(model, mse, data, **asked).tries[0][1])
    assert found[1] == pytest.approx(found[0], abs=1e-3)


def test_a_loader_that_keeps_its_epoch_to_itself_is_refused_and_left_alone() -> None:
    class Noisy:
        _epoch = 7

        def set_epoch(self, epoch: int) -> None:
            self._epoch = epoch

        def __iter__(self):
            return iter(regression().data)

    case, loader = regression(), Noisy()
    assert pl.predict_limit(case.model, mse, loader, epsilon=1.0).loss.mean > 0
    with pytest.raises(pl.PruneLimitError, match="no attribute epoch"):
        pl.find_limit(case.model, mse, loader, epsilon=1.0, start=0.5)
    assert loader._epoch == 7
