"""Networks of many kinds, on data of many kinds, few of each: none is of the study's families.

The existence study (`prunelimit.lab.studies.existence`) has many networks of few families. Here are
few networks of many, for what has to hold on any (`benchmarks.outside`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LossFunction = Callable[[Tensor, Tensor], Tensor]
BATCH = 30


@dataclass(frozen=True)
class Case:
    """One network: its kind, its data, and how it was trained."""

    kind: str
    data: str
    examples: int
    optimiser: str
    l1: float
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind} on {self.examples} {self.data}, l1={self.l1:g} seed {self.seed}"


KINDS = (
    Case("gru", "waves", 240, "adamw", 0.0),
    Case("recurrent", "steps", 240, "adamw", 3e-4),
    Case("mixer", "digits", 240, "adamw", 0.0),
    Case("gated", "moons", 240, "sgd", 1e-3),
    Case("convolution over time", "waves", 240, "sgd", 1e-4),
    Case("set", "clouds", 240, "adamw", 0.0),
    Case("attention over a set", "clouds", 240, "adamw", 3e-4),
    Case("residual layers", "spirals", 240, "adamw", 0.0),
    Case("sine", "friedman", 240, "adamw", 0.0),
    Case("autoencoder", "clusters", 240, "sgd", 1e-4),
    Case("linear", "clusters", 240, "sgd", 1e-3),
    Case("attention over symbols", "brackets", 240, "adamw", 0.0),
    Case("neighbours", "rings", 480, "adamw", 0.0),
    Case("experts", "friedman", 240, "adamw", 3e-4),
    Case("depthwise convolution", "digits", 480, "adamw", 0.0),
    Case("maxout", "spirals", 120, "sgd", 3e-4),
    Case("rates", "counts", 240, "adamw", 3e-4),
    Case("many answers", "labels", 480, "adamw", 0.0),
    Case("state space", "waves", 240, "adamw", 0.0),
    Case("narrow", "clusters", 960, "sgd", 3e-4),
    Case("wide", "clusters", 60, "sgd", 0.0),
    Case("products", "friedman", 480, "sgd", 3e-4),
)


# ------------------------------------------------------------------------ data
def load(case: Case) -> tuple[Tensor, Tensor]:
    """Inputs, and class indices or numbers."""
    rng = np.random.default_rng(1000 + case.seed)
    inputs, targets = DATA[case.data](rng, case.examples)
    wide = torch.tensor(inputs)
    return wide if wide.dtype == torch.int64 else wide.float(), _targets(torch.tensor(targets))


def _targets(targets: Tensor) -> Tensor:
    return targets.float() if targets.is_floating_point() else targets.long()


def waves(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Noisy sines, saws and squares of 16 steps."""
    kinds = rng.integers(3, size=number)
    phase = np.arange(16) * rng.uniform(0.5, 0.9, (number, 1)) + rng.uniform(0, 6, (number, 1))
    shapes = np.stack([np.sin(phase), (phase / np.pi) % 2 - 1, np.sign(np.sin(phase))])
    chosen = shapes[kinds, np.arange(number)]
    return chosen + 0.2 * rng.normal(size=chosen.shape), kinds


def steps(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """A walk of 12 steps: where it is highest, in quarters."""
    walks = rng.normal(size=(number, 12)).cumsum(1)
    return rng.normal(size=walks.shape) * 0.1 + walks / 3, walks.argmax(1) // 3


def digits(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    inputs, targets = load_digits(return_X_y=True)
    chosen = rng.permutation(len(inputs))[:number]
    return inputs[chosen] / 16, targets[chosen]


def moons(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    from sklearn.datasets import make_moons

    return make_moons(number, noise=0.2, random_state=int(rng.integers(2**31)))


def spirals(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Three arms."""
    arm, radius = rng.integers(3, size=number), rng.uniform(0.1, 1, number)
    angle = 4 * radius + arm * 2 * np.pi / 3 + 0.15 * rng.normal(size=number)
    return 2 * radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), arm


def clouds(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Sets of ten points on a ring, a disc, a cross or a line, turned."""
    kinds = rng.integers(4, size=number)
    angle, radius = rng.uniform(0, 2 * np.pi, (2, number, 10))
    radius = np.sqrt(radius / 2 / np.pi)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    line = np.stack([2 * radius - 1, np.zeros_like(radius)], -1)
    cross = np.where((np.arange(10) % 2 == 0)[:, None], line, line[..., ::-1])
    chosen = np.stack([ring, ring * radius[..., None], cross, line])[kinds, np.arange(number)]
    turn = rng.uniform(0, 2 * np.pi, number)
    matrix = np.stack([np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)], 1)
    turned = chosen @ matrix.reshape(-1, 2, 2)
    return turned + 0.1 * rng.normal(size=turned.shape), kinds


def friedman(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    from sklearn.datasets import make_friedman1

    seed = int(rng.integers(2**31))
    inputs, targets = make_friedman1(number, n_features=6, noise=0.5, random_state=seed)
    return 2 * inputs - 1, ((targets - targets.mean()) / targets.std())[:, None]


def clusters(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Five overlapping classes in twelve dimensions."""
    centres, kinds = rng.normal(size=(5, 12)), rng.integers(5, size=number)
    return centres[kinds] + rng.normal(size=(number, 12)), kinds


def brackets(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Eight symbols of nested brackets, and the kind of the one that closes next (2: none)."""
    texts, answers = np.zeros((number, 8), dtype=np.int64), np.zeros(number, dtype=np.int64)
    for text, index in zip(texts, range(number), strict=True):
        stack: list[int] = []
        for place in range(8):
            if stack and rng.random() < 0.5:
                text[place] = 2 + stack.pop()
            else:
                stack.append(int(rng.integers(2)))
                text[place] = stack[-1]
        answers[index] = stack[-1] if stack else 2
    return texts, answers


def rings(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Eight points in a ring with three numbers each: which are most like their neighbours'."""
    points = rng.normal(size=(number, 8, 3))
    return points, (points * np.roll(points, 1, axis=1)).sum(1).argmax(1)


def counts(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Counts whose rate bends with three of six numbers."""
    inputs = rng.uniform(-1, 1, (number, 6))
    rates = np.exp(1 + inputs[:, 0] * inputs[:, 1] + np.sin(3 * inputs[:, 2]))
    return inputs, rng.poisson(rates)[:, None].astype(np.float64)


def labels(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Six yes or no of ten numbers, by products of two of them."""
    inputs, pairs = rng.normal(size=(number, 10)), rng.integers(10, size=(6, 2))
    return inputs, (inputs[:, pairs].prod(2) > 0).astype(np.float64)


DATA: dict[str, Callable[[np.random.Generator, int], tuple[Any, Any]]] = {
    one.__name__: one
    for one in (
        waves, steps, digits, moons, spirals, clouds, friedman, clusters, brackets, rings, counts,
        labels,
    )
}  # fmt: skip


# ---------------------------------------------------------------------- models
class Recurrent(nn.Module):
    """A loop over the steps of a sequence, with gates or without; answers from the last state."""

    def __init__(self, classes: int, width: int, gated: bool, columns: int = 1) -> None:
        super().__init__()
        self.columns, self.width, self.gated = columns, width, gated
        self.update = nn.Linear(columns + width, width)
        if gated:
            self.gates = nn.Linear(columns + width, 2 * width)
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        state = inputs.new_zeros(len(inputs), self.width)
        for step in inputs.reshape(len(inputs), -1, self.columns).unbind(1):
            if self.gated:
                both = torch.sigmoid(self.gates(torch.cat([step, state], 1)))
                forget, reset = both.chunk(2, 1)
                new = torch.tanh(self.update(torch.cat([step, reset * state], 1)))
                state = forget * state + (1 - forget) * new
            else:
                state = torch.tanh(self.update(torch.cat([step, state], 1)))
        return self.head(state)


class Mixer(nn.Module):
    """The rows of a digit, mixed along and across, twice."""

    def __init__(self, classes: int, rows: int = 8, width: int = 8) -> None:
        super().__init__()
        self.across = nn.ModuleList(nn.Linear(rows, rows) for _ in range(2))
        self.along = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = inputs.reshape(len(inputs), 8, 8)
        for across, along in zip(self.across, self.along, strict=True):
            hidden = hidden + nn.functional.gelu(across(hidden.mT)).mT
            hidden = hidden + nn.functional.gelu(along(hidden))
        return self.head(hidden.mean(1))


class Gated(nn.Module):
    """Two layers of gated linear units."""

    def __init__(self, features: int, classes: int, width: int = 12) -> None:
        super().__init__()
        self.first = nn.Linear(features, 2 * width)
        self.second = nn.Linear(width, 2 * width)
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = nn.functional.glu(self.first(inputs))
        return self.head(nn.functional.glu(self.second(hidden)))


class Points(nn.Module):
    """A set of points, each through the same layers, then their mean, or what attention chooses."""

    def __init__(self, classes: int, attention: bool, width: int = 10) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width))
        self.score = nn.Linear(width, 2) if attention else None
        rest = 2 * width if attention else width
        self.rest = nn.Sequential(nn.Linear(rest, width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.each(inputs)
        if self.score is None:
            return self.rest(torch.relu(hidden).mean(1))
        return self.rest((self.score(hidden).softmax(1).mT @ hidden).flatten(1))


class ResidualLayers(nn.Module):
    """Four layers, each added to what it reads."""

    def __init__(self, features: int, classes: int, width: int = 10) -> None:
        super().__init__()
        self.stem = nn.Linear(features, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.stem(inputs)
        for layer in self.layers:
            hidden = hidden + torch.tanh(layer(hidden))
        return self.head(hidden)


class Sine(nn.Module):
    """A network of sines."""

    def __init__(self, features: int, outputs: int, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(features, width), nn.Linear(width, width)])
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        for layer in self.layers:
            inputs = torch.sin(2 * layer(inputs))
        return self.head(inputs)


class Language(nn.Module):
    """Symbols with places, one head of attention from the last of them, and two layers."""

    def __init__(self, classes: int, width: int = 10) -> None:
        super().__init__()
        self.symbols, self.places = nn.Embedding(4, width), nn.Embedding(8, width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.up, self.head = nn.Linear(width, 2 * width), nn.Linear(2 * width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.symbols(inputs) + self.places.weight
        scores = self.query(hidden[:, -1:]) @ self.key(hidden).mT / self.places.embedding_dim**0.5
        read = hidden[:, -1] + (scores.softmax(-1) @ self.value(hidden))[:, 0]
        return self.head(nn.functional.gelu(self.up(read)))


class Ring(nn.Module):
    """Points in a ring: each adds up what its neighbours say, twice; then their mean."""

    def __init__(self, features: int, classes: int, width: int = 12) -> None:
        super().__init__()
        self.own = nn.ModuleList([nn.Linear(features, width), nn.Linear(width, width)])
        self.near = nn.ModuleList([nn.Linear(features, width), nn.Linear(width, width)])
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        for own, near in zip(self.own, self.near, strict=True):
            around = inputs.roll(1, 1) + inputs.roll(-1, 1)
            inputs = torch.tanh(own(inputs) * near(around) + near(around))
        return self.head(inputs.mean(1))


class Experts(nn.Module):
    """Four small networks and a gate that weighs their answers."""

    def __init__(self, features: int, outputs: int, width: int = 8) -> None:
        super().__init__()
        self.gate = nn.Linear(features, 4)
        self.up, self.down = nn.Linear(features, 4 * width), nn.Linear(4 * width, 4 * outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        answers = self.down(torch.tanh(self.up(inputs))).unflatten(1, (4, -1))
        return (self.gate(inputs).softmax(1)[:, :, None] * answers).sum(1)


class Maxout(nn.Module):
    """Two layers, each the largest of three."""

    def __init__(self, features: int, classes: int, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(features, 3 * width), nn.Linear(width, 3 * width)])
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        for layer in self.layers:
            inputs = layer(inputs).unflatten(1, (3, -1)).amax(1)
        return self.head(inputs)


class Product(nn.Module):
    """Products of two linear maps, read linearly."""

    def __init__(self, features: int, outputs: int, width: int = 12) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(features, width), nn.Linear(features, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.left(inputs) * self.right(inputs))


class StateSpace(nn.Module):
    """A linear state that decays at rates of its own; a layer reads its course's mean square."""

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.linspace(-2, 3, width))
        self.enter, self.mix = nn.Linear(1, width), nn.Linear(width, width)
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        state, seen = inputs.new_zeros(len(inputs), len(self.decay)), []
        for step in inputs[:, ::2].unbind(1):
            state = torch.sigmoid(self.decay) * state + self.enter(step[:, None])
            seen.append(torch.relu(self.mix(state)))
        return self.head(torch.stack(seen).mean(0))


def network(case: Case, inputs: Tensor, outputs: int) -> nn.Module:
    """The untrained network."""
    features = inputs.shape[-1]

    def layers(*widths: int, activation: type[nn.Module] = nn.GELU) -> nn.Module:
        all_widths = (features, *widths, outputs)
        made: list[nn.Module] = []
        for before, after in zip(all_widths, all_widths[1:], strict=False):
            made += [nn.Linear(before, after), activation()]
        return nn.Sequential(*made[:-1])

    makers: dict[str, Callable[[], nn.Module]] = {
        "gru": lambda: Recurrent(outputs, 10, gated=True, columns=2),
        "recurrent": lambda: Recurrent(outputs, 12, gated=False),
        "mixer": lambda: Mixer(outputs),
        "gated": lambda: Gated(features, outputs),
        "convolution over time": lambda: nn.Sequential(
            nn.Unflatten(1, (1, features)),
            nn.Conv1d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(6, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(4 * features, outputs),
        ),
        "set": lambda: Points(outputs, attention=False),
        "attention over a set": lambda: Points(outputs, attention=True),
        "residual layers": lambda: ResidualLayers(features, outputs),
        "sine": lambda: Sine(features, outputs),
        "autoencoder": lambda: layers(16, 4, 16),
        "linear": lambda: nn.Linear(features, outputs),
        "attention over symbols": lambda: Language(outputs),
        "neighbours": lambda: Ring(features, outputs),
        "experts": lambda: Experts(features, outputs),
        "depthwise convolution": lambda: nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
            nn.Conv2d(8, 12, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(48, outputs),
        ),
        "maxout": lambda: Maxout(features, outputs),
        "rates": lambda: layers(16, 16, activation=nn.Tanh),
        "many answers": lambda: layers(24, activation=nn.ReLU),
        "state space": lambda: StateSpace(outputs),
        "narrow": lambda: layers(8),
        "wide": lambda: layers(96, activation=nn.ReLU),
        "products": lambda: Product(features, outputs),
    }
    return makers[case.kind]()


def loss_of(case: Case, targets: Tensor) -> LossFunction:
    """Cross entropy, squared error, or what the kind's data ask for."""
    if case.data == "counts":
        return nn.PoissonNLLLoss(full=True)
    if case.data == "labels":
        return nn.BCEWithLogitsLoss()
    numbers = targets.is_floating_point()
    return nn.functional.mse_loss if numbers else nn.functional.cross_entropy


def trained(case: Case) -> tuple[nn.Module, LossFunction, list[tuple[Tensor, Tensor]]]:
    """The network in eval mode, its loss, and its training data in fixed batches."""
    inputs, targets = load(case)
    if case.kind == "autoencoder":
        targets = inputs
    outputs = targets.shape[1] if targets.is_floating_point() else int(targets.max()) + 1
    loss_fn = loss_of(case, targets)
    torch.manual_seed(case.seed)
    model = network(case, inputs, outputs)
    makers: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": functools.partial(torch.optim.SGD, lr=0.05, momentum=0.9),
        "adamw": functools.partial(torch.optim.AdamW, lr=5e-3, weight_decay=0.01),
    }
    optimiser = makers[case.optimiser](model.parameters())
    for _ in range(120 * 240 // case.examples):
        for chosen in torch.randperm(len(inputs)).split(BATCH):
            optimiser.zero_grad()
            loss = loss_fn(model(inputs[chosen]), targets[chosen])
            (loss + case.l1 * sum(p.abs().sum() for p in model.parameters())).backward()
            optimiser.step()
    return model.eval(), loss_fn, list(zip(inputs.split(BATCH), targets.split(BATCH), strict=True))
