"""The paper's networks, and two small ones for the embedded data (chapter 7).

Architectures follow Zhang et al. (2024). All are initialised as in their
experiments: He normal weights (fan-in, gain √2), biases zero, batch
normalisation at identity. No ReLU works in place and nothing is random in the
forward pass, so that curvature can be taken through every network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from prunelimit.errors import PruneLimitError, require
from prunelimit.names import require_known

FC5_WIDTHS = (1000, 600, 300, 100)
FC12_WIDTHS = (1000, 900, 800, 750, 700, 650, 600, 500, 400, 200, 100)


@dataclass(frozen=True)
class ModelSpec:
    """How to build a network, and what to call it in a table.

    Attributes
    ----------
    label
        For people.
    make
        From ``input_shape`` and ``classes`` to an un-initialised module.
    needs_cifar_shape
        Whether inputs have to be 32 × 32.
    """

    label: str
    make: Callable[[tuple[int, ...], int], nn.Module]
    needs_cifar_shape: bool = False


def fully_connected(
    widths: tuple[int, ...], activation: Callable[[], nn.Module] = nn.ReLU, normalised: bool = False
) -> Callable[[tuple[int, ...], int], nn.Sequential]:
    """Maker of a network with hidden layers of these `widths`, each layer-normalised if asked."""

    def make(input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
        layers: list[nn.Module] = [nn.Flatten()]
        size = torch.Size(input_shape).numel()
        for width in widths:
            layers += [nn.Linear(size, width), *([nn.LayerNorm(width)] * normalised), activation()]
            size = width
        return nn.Sequential(*layers, nn.Linear(size, classes))

    return make


def small_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Three 3 × 3 convolutions (8, 16, 16 channels), two poolings, one linear layer."""
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (height // 4) * (width // 4), classes),
    )


def alexnet(input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """AlexNet as the paper feeds it: 32 × 32 images enlarged seven times by repeated pixels."""
    return nn.Sequential(
        nn.Upsample(scale_factor=7, mode="nearest"),
        nn.Conv2d(input_shape[0], 96, 11, stride=4, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(256 * 5 * 5, 4096),
        nn.ReLU(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, classes),
    )


def vgg16(input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """VGG16 with batch normalisation and a single linear layer (torchvision's features)."""
    from torchvision.models import vgg16_bn

    features = vgg16_bn(weights=None, init_weights=False).features
    if input_shape[0] != 3:
        features[0] = nn.Conv2d(input_shape[0], 64, 3, padding=1)
    # A pool to 1 × 1 changes nothing at 32 × 32 and lets larger images through.
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


def resnet(depth: int) -> Callable[[tuple[int, ...], int], nn.Module]:
    """Torchvision's ResNet with so many layers, 18 or 50, and the stem of small images."""

    def make(input_shape: tuple[int, ...], classes: int) -> nn.Module:
        from torchvision import models

        model = getattr(models, f"resnet{depth}")(weights=None, num_classes=classes)
        model.conv1 = nn.Conv2d(input_shape[0], 64, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
        return model

    return make


MODELS: dict[str, ModelSpec] = {
    "mlp": ModelSpec("MLP 48-32", fully_connected((48, 32))),
    "mlp-300-100": ModelSpec("MLP 300-100", fully_connected((300, 100))),
    "cnn": ModelSpec("small CNN", small_cnn),
    "fc5": ModelSpec("FC5", fully_connected(FC5_WIDTHS)),
    "fc12": ModelSpec("FC12", fully_connected(FC12_WIDTHS)),
    "alexnet": ModelSpec("AlexNet", alexnet, needs_cifar_shape=True),
    "vgg16": ModelSpec("VGG16-BN", vgg16),
    "resnet18": ModelSpec("ResNet18", resnet(18)),
    "resnet50": ModelSpec("ResNet50", resnet(50)),
}
"""The networks that `build` knows."""


def build(name: str, input_shape: tuple[int, ...], classes: int, seed: int = 0) -> nn.Module:
    """Build and initialise a network on the CPU, in training mode.

    Parameters
    ----------
    name
        One of `MODELS`.
    input_shape
        ``(channels, height, width)``.
    classes
        Number of outputs.
    seed
        Of the initial weights; torch's global generator is left as it was.

    Raises
    ------
    PruneLimitError
        On an unknown name, or a shape that the network cannot take.

    Examples
    --------
    >>> model = build("mlp", (1, 8, 8), classes=10, seed=1)
    >>> sum(p.numel() for p in model.parameters())
    5018
    """
    require_known("model", name, MODELS)
    check_shape(name, tuple(input_shape), classes)
    with torch.random.fork_rng(devices=[]):
        model = MODELS[name].make(tuple(input_shape), classes)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    initialize(model, seed)
    return model


def initialize(model: nn.Module, seed: int) -> None:
    """Draw He normal weights (fan-in, gain √2) in place; biases 0, normalisation at identity.

    Examples
    --------
    >>> layer = nn.Linear(2, 2)
    >>> initialize(layer, seed=0)
    >>> layer.bias.tolist()
    [0.0, 0.0]
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def check_shape(name: str, input_shape: tuple[int, ...], classes: int) -> None:
    """Refuse inputs or classes that the architecture `name` cannot have.

    Raises
    ------
    PruneLimitError
        If a side or the number of classes is below what it needs.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise PruneLimitError(
            f"input_shape is {input_shape}; expected (channels, height, width), all at least 1"
        )
    require(classes >= 1, "classes", classes, "at least 1")
    smallest = {"cnn": 4, "vgg16": 32}.get(name, 1)
    if min(input_shape[1:]) < smallest:
        raise PruneLimitError(
            f"{name} takes images of {smallest} × {smallest} and more, not {input_shape[1:]}"
        )
    if MODELS[name].needs_cifar_shape and input_shape[1:] != (32, 32):
        raise PruneLimitError(
            f"{name} takes 32 × 32 images, not {input_shape[1:]}; for Fashion-MNIST use the data "
            "set 'fashion-mnist-32'"
        )
