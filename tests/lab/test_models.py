"""Architectures: parameter counts derived by hand, initial weights, shapes."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from prunelimit.errors import PruneLimitError
from prunelimit.lab import models
from prunelimit.lab.models import build
from prunelimit.network.parameters import prunable_parameters

CIFAR, GREY, TINY = (3, 32, 32), (1, 28, 28), (3, 64, 64)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def prunable(model):
    return sum(weight.numel() for weight in prunable_parameters(model).values())


def linear(*sizes):
    """Weights and biases of a chain of linear layers."""
    return sum(a * b + b for a, b in pairwise(sizes))


def conv_norm(a, b, size):
    """A convolution without bias and its batch normalisation."""
    return a * b * size * size + 2 * b


def resnet18_by_hand(channels, classes):
    total = conv_norm(channels, 64, 3)
    for before, width in ((64, 64), (64, 128), (128, 256), (256, 512)):
        total += conv_norm(before, width, 3) + 3 * conv_norm(width, width, 3)
        total += conv_norm(before, width, 1) if before != width else 0
    return total + linear(512, classes)


def resnet50_by_hand(channels, classes):
    total = conv_norm(channels, 64, 3)
    before = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            total += conv_norm(before, width, 1) + conv_norm(width, width, 3)
            total += conv_norm(width, 4 * width, 1)
            total += conv_norm(before, 4 * width, 1) if block == 0 else 0
            before = 4 * width
    return total + linear(2048, classes)


def vgg16_by_hand(channels, classes):
    widths = (channels, 64, 64, 128, 128, *[256] * 3, *[512] * 6)
    convolutions = sum(9 * a * b + b for a, b in pairwise(widths))
    return convolutions + 2 * sum(widths[1:]) + linear(512, classes)


FC5, FC12 = models.FC5_WIDTHS, models.FC12_WIDTHS
ALEXNET = (
    (3 * 96 * 11 * 11 + 96)
    + (96 * 256 * 5 * 5 + 256)
    + (256 * 384 * 3 * 3 + 384)
    + (384 * 384 * 3 * 3 + 384)
    + (384 * 256 * 3 * 3 + 256)
    + linear(6400, 4096, 4096, 10)
)


@pytest.mark.parametrize(
    ("name", "shape", "classes", "expected"),
    [
        ("mlp", (1, 8, 8), 10, linear(64, 48, 32, 10)),
        ("mlp-300-100", GREY, 10, 266_610),
        ("cnn", (1, 8, 8), 10, (9 * 8 + 8) + (9 * 8 * 16 + 16) + (9 * 16 * 16 + 16) + 64 * 10 + 10),
        ("fc5", CIFAR, 10, linear(3072, 1000, 600, 300, 100, 10)),
        ("fc5", GREY, 10, 1_597_010),
        (
            "fc12",
            CIFAR,
            10,
            linear(3072, 1000, 900, 800, 750, 700, 650, 600, 500, 400, 200, 100, 10),
        ),
        ("alexnet", CIFAR, 10, ALEXNET),
        ("vgg16", CIFAR, 10, vgg16_by_hand(3, 10)),
        ("vgg16", (1, 32, 32), 7, vgg16_by_hand(1, 7)),
        ("resnet18", CIFAR, 10, 11_173_962),
        ("resnet18", CIFAR, 100, resnet18_by_hand(3, 100)),
        ("resnet18", TINY, 200, resnet18_by_hand(3, 200)),
        ("resnet50", CIFAR, 100, resnet50_by_hand(3, 100)),
        ("resnet50", (1, 32, 32), 10, resnet50_by_hand(1, 10)),
    ],
)
def test_parameter_counts_are_those_derived_by_hand(name, shape, classes, expected):
    model = build(name, shape, classes)
    assert count(model) == expected
    others = sum(p.numel() for n, p in model.named_parameters() if p.dim() == 1)
    assert prunable(model) == expected - others, "all but biases and normalisation"


@pytest.mark.parametrize("name", models.MODELS)
def test_outputs_have_one_column_a_class_and_curvature_can_pass(name):
    model = build(name, CIFAR, 5).eval()
    assert not any(m.inplace for m in model.modules() if isinstance(m, nn.ReLU))
    assert not any(isinstance(m, nn.Dropout) for m in model.modules())
    with torch.no_grad():
        assert model(torch.zeros(2, *CIFAR)).shape == (2, 5)


def test_the_stem_of_small_images_keeps_their_size():
    model = build("resnet18", CIFAR, 10).eval()
    seen = {}
    model.layer1.register_forward_hook(lambda _, inputs, output: seen.update(stem=inputs[0].shape))
    model.layer4.register_forward_hook(lambda _, inputs, output: seen.update(last=output.shape))
    with torch.no_grad():
        model(torch.zeros(1, *CIFAR))
    assert seen == {"stem": (1, 64, 32, 32), "last": (1, 512, 4, 4)}


def test_alexnet_sees_every_pixel_seven_times_in_each_direction():
    image = torch.arange(3 * 32 * 32.0).view(1, *CIFAR)
    enlarged = build("alexnet", CIFAR, 10)[0](image)
    assert torch.equal(enlarged, image.repeat_interleave(7, 2).repeat_interleave(7, 3))


def test_initial_weights_are_he_normal_and_biases_zero():
    model = build("fc5", GREY, 10, seed=1)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
            continue
        size = parameter.numel()
        scale = math.sqrt(2 / parameter.shape[1])
        # Sample mean and variance of a normal: four standard errors.
        assert abs(parameter.mean()) < 4 * scale / math.sqrt(size)
        assert abs(parameter.var() / scale**2 - 1) < 4 * math.sqrt(2 / size)


def test_fan_in_of_a_convolution_counts_its_window():
    weight = build("resnet18", CIFAR, 10).layer1[0].conv1.weight
    assert weight.var().item() == pytest.approx(2 / (64 * 9), rel=4 * math.sqrt(2 / 64**2 / 9))


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = build("resnet18", CIFAR, 10, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(123)
    same, other = build("resnet18", CIFAR, 10, seed=3), build("resnet18", CIFAR, 10, seed=4)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
    assert not torch.equal(first.fc.weight, other.fc.weight)


@pytest.mark.parametrize(
    ("name", "shape", "classes", "message"),
    [
        ("resnet19", CIFAR, 10, "did you mean 'resnet18'"),
        ("fc5", (28, 28), 10, r"input_shape is \(28, 28\)"),
        ("fc5", (0, 28, 28), 10, "all at least 1"),
        ("fc5", GREY, 0, "classes is 0"),
        ("alexnet", GREY, 10, "fashion-mnist-32"),
        ("vgg16", GREY, 10, "32 × 32 and more"),
        ("cnn", (1, 3, 3), 10, "4 × 4 and more"),
    ],
)
def test_bad_input_is_named(name, shape, classes, message):
    with pytest.raises(PruneLimitError, match=message):
        build(name, shape, classes)
