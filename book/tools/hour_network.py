"""Write ``hour_network.json``: the small network that chapter 0 cuts, and what was measured on it.

``python -m book.tools.hour_network RUN_DIR`` trains a network of 888 weights on
scikit-learn's digits with an L1 penalty, prunes it by magnitude, trains the survivors again at each
sparsity (without L1, the denser solution as the start), and asks `predict_limit` about it. It takes
a minute or two.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from book.tools.content import ROOT
from prunelimit.files import write_json
from prunelimit.lab import data
from prunelimit.lab.data import Splits
from prunelimit.lab.store.provenance import describe_module
from prunelimit.lab.training import train
from prunelimit.lomp import evaluate
from prunelimit.network.world import Execution
from prunelimit.predict import predict_limit
from prunelimit.pruning import magnitude_mask
from prunelimit.pruning.finetune import FineTuning, finetune
from prunelimit.pruning.sweep import sweep
from prunelimit.recipe import TrainingConfig
from prunelimit.records import to_plain
from prunelimit.widgets.network import from_report

FORMAT = "prunelimit.hour/1"
NAME = "digits 64-12-10"
HIDDEN = 12
TRAINING = TrainingConfig(epochs=60, batch_size=128, learning_rate=0.05, l1=1e-3)
BUDGET = FineTuning(epochs=60, learning_rate=0.05)
CUT = tuple(round(0.01 * j, 2) for j in range(100))
RETRAINED = (0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
DIGITS = 8
TARGET = ROOT / "prunelimit" / "widgets" / "hour_network.json"


def main(run_dir: str) -> None:
    """Train, cut, train again, predict, and write the file."""
    splits = data.load("digits")
    model = train(build(), splits, TRAINING, run_dir, "cpu").model
    write_json(TARGET, {"format": FORMAT, **measure(model, splits)})


def build(seed: int = 0) -> nn.Sequential:
    """The untrained network, 64 pixels to twelve hidden units to ten classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))


def measure(model: nn.Module, splits: Splits) -> dict[str, Any]:
    """Everything that the chapter and its widgets show of the trained network."""
    train_data, test_data = (p.with_batch_size(128) for p in (splits.train_eval, splits.test))
    report = predict_limit(model, cross_entropy, train_data, progress=False)
    cut = sweep(model, cross_entropy, train_data, CUT, progress=False)
    tested = sweep(model, cross_entropy, test_data, CUT, progress=False)
    return {
        "name": NAME,
        "training": {"epochs": TRAINING.epochs, "l1": TRAINING.l1, "retrained": BUDGET.epochs},
        "layers": _layers(model),
        "digits": _digits(splits),
        "epsilon": report.epsilon,
        "loss": report.loss.mean,
        "oneShot": _rows(cut.loss, tested.accuracy),
        "retrained": _retrain(model, splits),
        "predicted": {
            name: round(float(getattr(report, name).sparsity), 5)
            for name in ("one_shot", "paper", "sharp")
        },
        "grid": from_report(report, NAME)
        | {
            "measured": list(CUT),
            "accuracy": [round(float(a), 4) for a in tested.accuracy],
            "dense_accuracy": round(float(tested.dense_accuracy), 4),
        },
        "provenance": to_plain(describe_module("book.tools.hour_network", ["RUN_DIR"])),
    }


def _retrain(model: nn.Module, splits: Splits) -> list[dict[str, Any]]:
    """Each sparsity's survivors after more training; every mask starts from the denser network."""
    loader = splits.train_eval.with_batch_size(128)
    found = []
    for sparsity in RETRAINED:
        masks = magnitude_mask(model, sparsity)
        how = Execution(progress=False)
        tuned = finetune(model, masks, cross_entropy, loader.shuffled(), loader, BUDGET, how)
        model = tuned.model
        accuracy = evaluate(model, cross_entropy, splits.test, "cpu")[1]
        entry = {"sparsity": sparsity, "loss": round(tuned.lowest_loss, 5)}
        found.append(entry | {"accuracy": round(accuracy, 4), "layers": _layers(model)})
    return found


def _layers(model: nn.Module) -> list[dict[str, Any]]:
    """Weights of the linear layers: those that are not 0, with their places row by row."""
    found = []
    for layer in (m for m in model.modules() if isinstance(m, nn.Linear)):
        flat = layer.weight.detach().flatten()
        (places,) = torch.nonzero(flat, as_tuple=True)
        found.append(
            {
                "shape": list(layer.weight.shape),
                "at": places.tolist(),
                "weight": [round(float(w), 4) for w in flat[places]],
                "bias": [round(float(b), 4) for b in layer.bias.detach()],
            }
        )
    return found


def _digits(splits: Splits) -> list[dict[str, Any]]:
    """The first test image of each of eight classes, as the network sees it (shape 64)."""
    images, labels = (torch.cat(parts) for parts in zip(*splits.test, strict=True))
    first = [int((labels == label).nonzero()[0]) for label in range(DIGITS)]
    pixels = [[round(float(x), 3) for x in images[j].flatten()] for j in first]
    return [{"pixels": p, "label": int(labels[j])} for p, j in zip(pixels, first, strict=True)]


def _rows(loss: Any, accuracy: Any) -> list[list[float]]:
    together = zip(CUT, loss, accuracy, strict=True)
    return [[s, round(float(x), 5), round(float(a), 4)] for s, x, a in together]


if __name__ == "__main__":
    main(*sys.argv[1:])
