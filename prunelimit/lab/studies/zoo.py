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
from prunelimit.lab.models import fully_connected

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

    Raises
    ------
    PruneLimitError
        If the source is unknown.

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

    Raises
    ------
    PruneLimitError
        If the kind is unknown.

    Examples
    --------
    >>> kinds = ("mlp-relu", "cnn-batch", "resnet-group", "transformer")
    >>> [build(k, (1, 8, 8), 3, (4, 4)).eval()(torch.ones(2, 1, 8, 8)).shape[1] for k in kinds]
    [3, 3, 3, 3]
    """
    family, *options = kind.split("-")
    if family == "mlp":
        make = fully_connected(widths, ACTIVATIONS[options[0]], "layernorm" in options)
        return make(shape, outputs)
    if family == "cnn":
        return cnn(shape[0], outputs, widths, options[0])
    if family == "resnet":
        return ResNet(shape[0], outputs, widths, options[0])
    if family == "transformer":
        return RowTransformer(shape[1], shape[2], outputs, widths)
    raise PruneLimitError(f"kind {kind!r} is unknown")


def _convolution(channels: int, width: int, norm: str) -> list[nn.Module]:
    """A 3 × 3 convolution, normalised by "batch" or "group", and a ReLU."""
    groups = nn.GroupNorm(2 if width % 2 == 0 else 1, width)
    normalised = nn.BatchNorm2d(width) if norm == "batch" else groups
    return [nn.Conv2d(channels, width, 3, padding=1), normalised, nn.ReLU()]


def cnn(channels: int, outputs: int, widths: tuple[int, ...], norm: str) -> nn.Sequential:
    """3 × 3 convolutions, each normalised and pooled by 2, and one linear layer on 2 × 2."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [*_convolution(channels, width, norm), nn.AvgPool2d(2)]
        channels = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, outputs)
    )


class ResNet(nn.Module):
    """A stem, residual blocks of two convolutions, the mean over the image, a linear layer."""

    def __init__(self, channels: int, outputs: int, widths: tuple[int, ...], norm: str) -> None:
        super().__init__()
        width = widths[0]
        self.stem = nn.Sequential(nn.AvgPool2d(2), *_convolution(channels, width, norm))
        self.blocks = nn.ModuleList(
            nn.Sequential(*_convolution(width, inner, norm), *_convolution(inner, width, norm)[:2])
            for inner in widths[1:]
        )
        self.head = nn.Linear(4 * width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(n, channels, height, width)`` to outputs ``(n, outputs)``."""
        hidden = self.stem(images)
        for block in self.blocks:
            hidden = torch.relu(hidden + block(hidden))
        return self.head(nn.functional.adaptive_avg_pool2d(hidden, 2).flatten(1))


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
        return self.head(self.norm(hidden).mean(1))


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
        return hidden + self.outer(inner)
