"""Which networks the existence study measures, and in which order."""

from __future__ import annotations

from prunelimit.results.existence import Network

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
