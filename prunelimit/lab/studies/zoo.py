"""The existence study's networks: small, varied, in families that can be left out whole.

All are made of linear and convolutional layers and normalisations, so that every family's
derivative is a few matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.lab import data

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


# ------------------------------------------------------------------------ data
@dataclass(frozen=True)
class Examples:
    """Data of one source, in memory.

    Attributes
    ----------
    inputs, targets
        Training examples; class indices, or ``(n, 1)`` for the regression.
    test_inputs, test_targets
        Examples that training does not see.
    outputs
        Classes, or 1.
    """

    inputs: Tensor
    targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    outputs: int


IMAGES = {
    # name: data set, side of the averaged squares, classes
    "digits": ("digits", 1, 10),
    "digits-4x4": ("digits", 2, 10),
    "fashion-7x7": ("fashion-mnist", 4, 10),
    "fashion-14x14": ("fashion-mnist", 2, 10),
    "fashion-14x14-5": ("fashion-mnist", 2, 5),
}
TABLES = ("wine", "breast-cancer", "iris", "diabetes")


@lru_cache(maxsize=16)
def examples(source: str, number: int) -> Examples:
    """Read a source: `number` training examples, drawn by a fixed seed, and 500 others at most.

    Examples
    --------
    >>> examples("iris", 120).inputs.shape, examples("diabetes", 400).targets.shape
    (torch.Size([120, 4]), torch.Size([400, 1]))
    """
    if source in IMAGES:
        inputs, targets, outputs = _images(*IMAGES[source])
    elif source in TABLES:
        inputs, targets, outputs = _table(source)
    else:
        raise PruneLimitError(f"source {source!r} is unknown; choose {[*IMAGES, *TABLES]}")
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(inputs)))
    train, rest = order[:number], order[number : number + 500]
    return Examples(inputs[train], targets[train], inputs[rest], targets[rest], outputs)


def _images(dataset: str, pool: int, classes: int) -> tuple[Tensor, Tensor, int]:
    part = data.load(dataset, augment=False).train_eval
    chosen = torch.nonzero(part.labels < classes)[:4000, 0]
    inputs = torch.cat([images for images, _ in part])[chosen]
    return nn.functional.avg_pool2d(inputs, pool), part.labels[chosen], classes


def _table(source: str) -> tuple[Tensor, Tensor, int]:
    from sklearn import datasets

    name = f"load_{source.replace('-', '_')}"
    inputs, targets = getattr(datasets, name)(return_X_y=True)
    wide = torch.tensor((inputs - inputs.mean(0)) / inputs.std(0), dtype=torch.float32)
    if source == "diabetes":
        scaled = (targets - targets.mean()) / targets.std()
        return wide, torch.tensor(scaled, dtype=torch.float32)[:, None], 1
    return wide, torch.tensor(targets, dtype=torch.int64), int(targets.max()) + 1


# ---------------------------------------------------------------------- models
def build(kind: str, shape: tuple[int, ...], outputs: int, widths: tuple[int, ...]) -> nn.Module:
    """An untrained network with torch's own initialisation.

    Parameters
    ----------
    kind
        Parts joined by "-": ``"mlp"`` (with an activation, and "layernorm"),
        ``"cnn"`` or ``"resnet"`` (with "batch" or "group"), or ``"transformer"``.
    shape
        Of one example.
    outputs
        Number of outputs.
    widths
        Hidden layers, channels of the convolutions, or the transformer's width.

    Examples
    --------
    >>> kinds = ("mlp-relu", "cnn-batch", "resnet-group", "transformer")
    >>> [build(k, (1, 8, 8), 3, (4, 4)).eval()(torch.ones(2, 1, 8, 8)).shape[1] for k in kinds]
    [3, 3, 3, 3]
    """
    family, *options = kind.split("-")
    if family == "mlp":
        return mlp(math.prod(shape), outputs, widths, options[0], "layernorm" in options)
    if family == "cnn":
        return cnn(shape[0], outputs, widths, options[0])
    if family == "resnet":
        return ResNet(shape[0], outputs, widths, options[0])
    if family == "transformer":
        return RowTransformer(shape[1], shape[2], outputs, widths)
    raise PruneLimitError(f"kind {kind!r} is unknown")


def mlp(
    inputs: int, outputs: int, widths: tuple[int, ...], activation: str, norm: bool
) -> nn.Sequential:
    """Fully connected, with layer normalisation before each activation if asked for."""
    layers: list[nn.Module] = [nn.Flatten()]
    size = inputs
    for width in widths:
        layers.append(nn.Linear(size, width))
        if norm:
            layers.append(nn.LayerNorm(width))
        layers.append(ACTIVATIONS[activation]())
        size = width
    return nn.Sequential(*layers, nn.Linear(size, outputs))


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(2 if channels % 2 == 0 else 1, channels)


def cnn(channels: int, outputs: int, widths: tuple[int, ...], norm: str) -> nn.Sequential:
    """3 × 3 convolutions, each normalised and pooled by 2, and one linear layer on 2 × 2."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1), _norm(norm, width), nn.ReLU()]
        layers.append(nn.AvgPool2d(2))
        channels = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, outputs)
    )


class ResNet(nn.Module):
    """A stem, residual blocks of two convolutions, the mean over the image, a linear layer."""

    def __init__(self, channels: int, outputs: int, widths: tuple[int, ...], norm: str) -> None:
        super().__init__()
        width = widths[0]
        self.stem = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(channels, width, 3, padding=1), _norm(norm, width), nn.ReLU()
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, inner, 3, padding=1),
                _norm(norm, inner),
                nn.ReLU(),
                nn.Conv2d(inner, width, 3, padding=1),
                _norm(norm, width),
            )
            for inner in widths[1:]
        )
        self.head = nn.Linear(4 * width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(n, channels, height, width)`` to outputs ``(n, outputs)``."""
        hidden = self.stem(images)
        for block in self.blocks:
            hidden = torch.relu(hidden + block(hidden))
        pooled: Tensor = self.head(nn.functional.adaptive_avg_pool2d(hidden, 2).flatten(1))
        return pooled


class RowTransformer(nn.Module):
    """Attention over the rows of an image: one token a row, fixed sinusoidal positions.

    Of `widths`, the first is the tokens' width, the others are the hidden layers of the
    blocks' two-layer networks: as many blocks as there are.
    """

    def __init__(self, rows: int, columns: int, outputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        width = widths[0]
        self.embed = nn.Linear(columns, width)
        angles = torch.arange(rows)[:, None] / 10 ** torch.linspace(0, 1, width)
        self.register_buffer("positions", 0.3 * torch.sin(angles + torch.arange(width) % 2))
        self.blocks = nn.ModuleList(_Block(width, hidden) for hidden in widths[1:])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(n, 1, rows, columns)`` to outputs ``(n, outputs)``."""
        hidden = self.embed(images[:, 0]) + self.positions
        for block in self.blocks:
            hidden = block(hidden)
        pooled: Tensor = self.head(self.norm(hidden).mean(1))
        return pooled


class _Block(nn.Module):
    """Two heads of attention, then a two-layer network, each after a normalisation."""

    heads = 2

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)

    def forward(self, hidden: Tensor) -> Tensor:
        n, rows, width = hidden.shape
        parts = self.query_key_value(self.before(hidden))
        parts = parts.reshape(n, rows, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        weights = torch.softmax(query @ key.mT / math.sqrt(width / self.heads), -1)
        hidden = hidden + self.mix((weights @ value).transpose(1, 2).reshape(n, rows, width))
        inner = nn.functional.gelu(self.inner(self.between(hidden)))
        result: Tensor = hidden + self.outer(inner)
        return result


# ------------------------------------------------------------------------ plan
@dataclass(frozen=True)
class Network:
    """One network of the study.

    Attributes
    ----------
    family
        What is left out together.
    source, examples
        Key of `IMAGES` or `TABLES`, and how many training examples.
    kind, widths
        See `build`.
    optimizer, learning_rate, steps
        "sgd" (momentum 0.9), "adam" or "adamw" (decay 0.01); batches of 32, cosine.
    l1
        λ on the prunable weights.
    epsilon
        A fixed loss rise, beside the deviation of the minibatch losses.
    seed
        Of initial weights and order.
    """

    family: str
    source: str
    examples: int
    kind: str
    widths: tuple[int, ...]
    optimizer: str
    learning_rate: float
    steps: int
    l1: float
    epsilon: float
    seed: int = 0

    @property
    def name(self) -> str:
        """For files and tables."""
        shape = "-".join(map(str, self.widths))
        return (
            f"{self.family}-{self.source}-{self.kind}-{shape}-{self.optimizer}"
            f"-l{self.l1:g}-t{self.steps}-s{self.seed}"
        )


_RATES = {"sgd": 0.05, "adam": 0.005, "adamw": 0.005}

# family: rows of source, examples, kind, widths, optimizer, steps, λ, ε
_PLAN: dict[str, tuple[tuple[str, int, str, tuple[int, ...], str, int, float, float], ...]] = {
    "mlp-digits": (
        ("digits", 256, "mlp-relu", (12,), "sgd", 600, 1e-3, 0.1),
        ("digits", 256, "mlp-relu", (10, 10), "sgd", 400, 1e-4, 0.05),
        ("digits", 256, "mlp-tanh", (14,), "adam", 400, 3e-4, 0.05),
        ("digits", 256, "mlp-gelu", (8, 8), "adamw", 300, 0.0, 0.1),
        ("digits", 400, "mlp-relu", (8,), "sgd", 800, 3e-3, 0.1),
        ("digits", 256, "mlp-relu", (12, 8), "adam", 800, 1e-5, 0.05),
    ),
    "mlp-digits-4x4": (
        ("digits-4x4", 256, "mlp-relu", (16, 16), "sgd", 800, 1e-3, 0.1),
        ("digits-4x4", 256, "mlp-relu", (32,), "sgd", 400, 1e-4, 0.05),
        ("digits-4x4", 256, "mlp-tanh", (16,), "adam", 600, 1e-3, 0.1),
        ("digits-4x4", 400, "mlp-gelu", (16, 12), "adamw", 400, 0.0, 0.05),
        ("digits-4x4", 256, "mlp-relu", (24, 16), "adam", 300, 3e-4, 0.2),
        ("digits-4x4", 256, "mlp-relu", (12, 12), "sgd", 800, 3e-3, 0.1),
    ),
    "mlp-fashion-7x7": (
        ("fashion-7x7", 256, "mlp-relu", (16,), "sgd", 600, 1e-3, 0.1),
        ("fashion-7x7", 256, "mlp-relu", (12, 12), "sgd", 800, 1e-4, 0.05),
        ("fashion-7x7", 256, "mlp-tanh", (12, 12), "adam", 400, 3e-4, 0.1),
        ("fashion-7x7", 400, "mlp-gelu", (10,), "adamw", 400, 0.0, 0.05),
        ("fashion-7x7", 400, "mlp-relu", (12, 8), "sgd", 800, 3e-3, 0.2),
        ("fashion-7x7", 256, "mlp-relu", (16, 8), "adam", 300, 1e-5, 0.1),
    ),
    "mlp-fashion-14x14": (
        ("fashion-14x14-5", 256, "mlp-relu", (6,), "sgd", 500, 1e-3, 0.05),
        ("fashion-14x14", 256, "mlp-relu", (6, 8), "sgd", 500, 3e-4, 0.1),
        ("fashion-14x14-5", 256, "mlp-tanh", (6, 6), "adam", 400, 1e-4, 0.05),
        ("fashion-14x14-5", 400, "mlp-gelu", (5, 8), "adamw", 400, 0.0, 0.05),
        ("fashion-14x14", 256, "mlp-relu", (6,), "sgd", 800, 3e-3, 0.2),
        ("fashion-14x14-5", 256, "mlp-relu", (8,), "adam", 300, 1e-5, 0.1),
    ),
    "mlp-layernorm": (
        ("digits-4x4", 256, "mlp-relu-layernorm", (16, 16), "sgd", 600, 1e-3, 0.1),
        ("fashion-7x7", 256, "mlp-gelu-layernorm", (12, 12), "adamw", 400, 0.0, 0.05),
        ("digits", 256, "mlp-gelu-layernorm", (10, 10), "adam", 400, 3e-4, 0.05),
        ("fashion-7x7", 256, "mlp-tanh-layernorm", (12,), "sgd", 600, 1e-4, 0.1),
        ("digits-4x4", 256, "mlp-gelu-layernorm", (12, 12, 12), "adamw", 400, 3e-4, 0.1),
        ("wine", 128, "mlp-relu-layernorm", (24,), "adam", 300, 1e-3, 0.05),
    ),
    "mlp-deep": (
        ("digits-4x4", 256, "mlp-relu", (12, 12, 12, 12), "sgd", 800, 3e-4, 0.1),
        ("fashion-7x7", 256, "mlp-relu", (10, 10, 10, 10), "adam", 600, 1e-4, 0.1),
        ("digits", 256, "mlp-tanh", (8, 8, 8, 8), "adam", 600, 1e-3, 0.05),
        ("digits-4x4", 256, "mlp-gelu", (12, 12, 12, 12, 12), "adamw", 500, 0.0, 0.1),
        ("fashion-7x7", 256, "mlp-tanh", (8, 8, 8, 8, 8), "sgd", 800, 3e-4, 0.2),
        ("digits-4x4", 256, "mlp-relu", (16, 12, 8), "adam", 500, 1e-3, 0.05),
    ),
    "mlp-tables": (
        ("wine", 128, "mlp-relu", (24,), "sgd", 400, 1e-3, 0.05),
        ("breast-cancer", 384, "mlp-relu", (16, 8), "sgd", 500, 3e-4, 0.02),
        ("iris", 128, "mlp-tanh", (16, 16), "adam", 500, 1e-3, 0.05),
        ("iris", 128, "mlp-relu", (128,), "adam", 300, 3e-3, 0.05),
        ("wine", 128, "mlp-gelu", (16, 16), "adamw", 300, 0.0, 0.1),
        ("breast-cancer", 384, "mlp-tanh", (24,), "adam", 400, 1e-4, 0.05),
    ),
    "regression": (
        ("diabetes", 352, "mlp-relu", (32,), "adam", 500, 1e-3, 0.05),
        ("diabetes", 352, "mlp-tanh", (16, 16), "adam", 600, 3e-4, 0.05),
        ("diabetes", 352, "mlp-gelu", (16,), "adamw", 500, 0.0, 0.02),
        ("diabetes", 256, "mlp-relu", (24, 12), "adam", 600, 1e-4, 0.1),
        ("diabetes", 352, "mlp-tanh", (64,), "adam", 500, 3e-3, 0.05),
        ("diabetes", 352, "mlp-relu-layernorm", (16, 16), "adam", 500, 1e-3, 0.05),
    ),
    "cnn-batch": (
        ("digits", 128, "cnn-batch", (4, 8), "sgd", 300, 1e-3, 0.1),
        ("digits", 128, "cnn-batch", (6, 8), "adam", 250, 1e-4, 0.05),
        ("fashion-7x7", 128, "cnn-batch", (4, 8), "sgd", 300, 3e-4, 0.1),
        ("digits", 128, "cnn-batch", (4, 6), "adamw", 250, 0.0, 0.1),
        ("fashion-14x14-5", 128, "cnn-batch", (4, 6), "adam", 250, 1e-3, 0.05),
        ("fashion-7x7", 128, "cnn-batch", (6, 8), "adam", 300, 3e-3, 0.2),
    ),
    "cnn-group": (
        ("digits", 128, "cnn-group", (4, 8), "sgd", 300, 1e-3, 0.1),
        ("digits", 128, "cnn-group", (6, 8), "adam", 250, 1e-4, 0.05),
        ("fashion-7x7", 128, "cnn-group", (4, 8), "sgd", 300, 3e-4, 0.1),
        ("digits", 128, "cnn-group", (4, 6), "adamw", 250, 0.0, 0.1),
        ("fashion-14x14-5", 128, "cnn-group", (4, 6), "adam", 250, 1e-3, 0.05),
        ("fashion-7x7", 128, "cnn-group", (6, 8), "adam", 300, 3e-3, 0.2),
    ),
    "resnet": (
        ("digits", 128, "resnet-batch", (6, 6), "sgd", 300, 1e-3, 0.1),
        ("digits", 128, "resnet-group", (4, 6, 6), "adam", 250, 3e-4, 0.05),
        ("fashion-14x14-5", 128, "resnet-batch", (4, 6), "adam", 250, 1e-4, 0.05),
        ("fashion-7x7", 128, "resnet-group", (6, 6), "sgd", 300, 1e-4, 0.1),
        ("digits", 128, "resnet-batch", (4, 6, 6), "adamw", 250, 0.0, 0.1),
        ("fashion-7x7", 128, "resnet-batch", (6, 8), "adam", 300, 1e-3, 0.2),
    ),
    "transformer": (
        ("digits", 128, "transformer", (8, 16), "adam", 400, 1e-3, 0.1),
        ("fashion-7x7", 128, "transformer", (8, 16), "adamw", 300, 0.0, 0.1),
        ("digits", 128, "transformer", (8, 12, 12), "adam", 300, 1e-4, 0.05),
        ("fashion-7x7", 128, "transformer", (10, 12), "adam", 400, 3e-4, 0.1),
        ("digits", 128, "transformer", (8, 16), "adamw", 300, 0.0, 0.05),
        ("fashion-14x14-5", 128, "transformer", (8, 12), "adam", 300, 1e-4, 0.05),
    ),
}

SEEDS = (0, 1, 2)


def _networks() -> list[Network]:
    """Round robin over the families, seeds last: whatever is done by then covers them all."""
    return [
        Network(
            family, source, number, kind, widths, optimizer, _RATES[optimizer], steps, l1, eps, seed
        )
        for seed in SEEDS
        for position in range(6)
        for family, rows in _PLAN.items()
        for source, number, kind, widths, optimizer, steps, l1, eps in [rows[position]]
    ]


NETWORKS: dict[str, Network] = {network.name: network for network in _networks()}
"""All networks by name, in the order of measuring."""
