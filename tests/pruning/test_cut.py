"""Where a mask leaves no path, against a search for paths in the masks themselves."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import prunelimit as pl
from prunelimit.lab.existence.landscape import Landscape
from prunelimit.lab.existence.threshold import ExistenceSearch
from prunelimit.network.adapter import adapt
from prunelimit.pruning import magnitude_order
from prunelimit.pruning.cut import cut_sparsity, lowest_constant_loss
from prunelimit.pruning.masks import mask_without
from prunelimit.spectrum.operator import CurvatureOperator

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def chain(activation: type[nn.Module], seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in ((4, 6), (6, 5), (5, 4), (4, 3)):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1]).eval()


def data(classes: int = 3) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (40,), generator=generator)
    return [(torch.randn(40, 4, generator=generator), labels)]


def by_paths(model: nn.Module, order: Tensor) -> float:
    """Fewest removed weights after which no path of kept ones leads through all layers."""
    weights = {name: p for name, p in model.named_parameters() if p.ndim == 2}
    for removed in range(len(order) + 1):
        reached = torch.ones(4, dtype=torch.bool)
        for mask in mask_without(order[:removed], weights).values():
            reached = (mask & reached).any(1)
        if not reached.any():
            return removed / len(order)
    raise AssertionError


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float64, None])
def test_the_cut_is_where_the_last_path_goes(activation: str, dtype: torch.dtype | None) -> None:
    for seed in range(6):
        model = chain(ACTIVATIONS[activation], seed)
        model[6].weight.data.mul_((0.2, 1.0, 3.0)[seed % 3])
        before, order = copy.deepcopy(model.state_dict()), magnitude_order(model)
        operator = CurvatureOperator(model, F.cross_entropy, data(), dtype=dtype)
        assert cut_sparsity(operator, order, level=0.5) == by_paths(model, order)
        assert cut_sparsity(operator, order, level=2.0) == 1.0  # a constant has less
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Around(nn.Module):
    """A way past the weights that count."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.past = nn.Linear(4, 3), nn.Parameter(torch.randn(4, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.first(inputs) + inputs @ self.past
        return outputs


def test_weights_that_do_not_count_keep_a_path() -> None:
    operator = CurvatureOperator(Around().eval(), F.cross_entropy, data())
    assert cut_sparsity(operator, torch.arange(12), level=0.1) == 1.0


def test_the_best_constant_is_the_mean_or_the_labels_shares() -> None:
    inputs, labels = data()[0]
    shares = torch.bincount(labels).double() / len(labels)
    entropy = -float((shares * shares.log()).sum())
    layer = nn.Linear(4, 3)
    operator = CurvatureOperator(
        layer, F.cross_entropy, [(inputs[:9], labels[:9])] + [(inputs[9:], labels[9:])]
    )
    assert lowest_constant_loss(operator) == pytest.approx(entropy, rel=1e-9)
    logs = nn.Sequential(copy.deepcopy(layer), nn.LogSoftmax(1)).eval()
    operator = CurvatureOperator(logs, F.nll_loss, data())
    assert lowest_constant_loss(operator) == pytest.approx(entropy, rel=1e-9)
    targets = torch.randn(40, 3, generator=torch.Generator().manual_seed(1)).double()
    operator = CurvatureOperator(layer, F.mse_loss, [(inputs, targets.float())])
    assert lowest_constant_loss(operator) == pytest.approx(
        float(targets.float().double().var(0, correction=0).mean()), rel=1e-9
    )


def test_real_existence_ends_there_and_the_report_knows() -> None:
    """A last layer of small weights: both formulas, and the fit, go past where it is empty."""
    torch.manual_seed(0)
    inputs = torch.randn(60, 4)
    targets = inputs[:, :1] + 0.3 * torch.sin(2 * inputs[:, 1:2])
    model = nn.Sequential(nn.Linear(4, 10), nn.Tanh(), nn.Linear(10, 1))
    batches = [(inputs[:30], targets[:30]), (inputs[30:], targets[30:])]
    solver = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(300):
        solver.zero_grad()
        F.mse_loss(model(inputs), targets).backward()
        solver.step()
    model[0].weight.data.mul_(4.0)  # as a network whose last weights are its smallest
    model[0].bias.data.mul_(4.0)
    model[2].weight.data.mul_(0.25)
    report = pl.predict_limit(model.eval(), F.mse_loss, batches, epsilon=0.2, progress=False)
    search = ExistenceSearch(Landscape(model, F.mse_loss, batches), magnitude_order(model))
    real = search.threshold(report.loss.mean + 0.2, 0.5)
    assert report.cut is not None and report.cut < 1.0
    assert real.lower < report.cut <= real.upper + 1e-9
    assert report.expected.lower < real.lower
    assert max(float(report.expected.sparsity), report.expected.upper) <= report.cut
    assert "leaves no path" in str(report)
    again = pl.PruningLimit.from_json(report.to_json())
    assert again.cut == report.cut and again.expected == report.expected
    assert not math.isnan(report.cut)


def test_examples_that_are_alike_at_first_do_not_cut() -> None:
    """Sorted by class, the first thirty-two examples are one and the same."""
    labels = torch.arange(200) // 50
    pairs = list(zip(torch.eye(4)[labels].split(50), labels.split(50), strict=True))
    for seed in range(3):
        model = chain(nn.Tanh, seed)
        model[6] = nn.Linear(4, 4)
        order = magnitude_order(model)
        operator = CurvatureOperator(model, F.cross_entropy, pairs)
        assert cut_sparsity(operator, order, level=1.0) == by_paths(model, order) < 1


def test_a_model_that_differentiates_inside_has_its_report() -> None:
    class Slope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))

        def forward(self, inputs: Tensor) -> Tensor:
            with torch.enable_grad():
                place = inputs.detach().requires_grad_()
                return torch.autograd.grad(self.inner(place).sum(), place, create_graph=True)[0]

    torch.manual_seed(0)
    batches = [(torch.randn(20, 3), torch.randn(20, 3)) for _ in range(2)]
    report = pl.predict_limit(Slope().eval(), F.mse_loss, batches, epsilon=0.05)
    assert 0 <= report.paper.sparsity <= 1


def test_what_the_loss_reads_beside_the_answers_is_no_path() -> None:
    class Masked(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, inputs: Tensor) -> dict[str, Tensor]:
            return {"found": self.inner(inputs), "mask": inputs[:, 0] > -9}

    def loss(outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs["found"][outputs["mask"]], targets[outputs["mask"]])

    model = chain(nn.Tanh, 0)
    order = magnitude_order(model)
    operator = CurvatureOperator(*adapt(Masked(model), loss, data()))
    plain = CurvatureOperator(model, F.cross_entropy, data())
    assert cut_sparsity(operator, order, level=0.5) == by_paths(model, order) < 1
    assert lowest_constant_loss(operator) == pytest.approx(lowest_constant_loss(plain), rel=1e-6)
