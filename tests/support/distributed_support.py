"""What the tests of `lab.distributed` run, alike in one process and in each of several."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.lab import models
from prunelimit.lab.cli import main
from prunelimit.lab.data import Splits, load
from prunelimit.lab.distributed import current
from prunelimit.lab.stages import finetune as tuning
from prunelimit.lab.store import checkpoints
from prunelimit.lab.training import train
from prunelimit.network.evaluate import evaluate
from prunelimit.network.losses import loss_statistics
from prunelimit.network.world import Execution, World
from prunelimit.predict import predict_limit
from prunelimit.pruning import FineTuning, finetune, magnitude_mask
from prunelimit.recipe import TrainingConfig
from prunelimit.spectrum import CurvatureOperator, Workspace, hessian_spectrum
from prunelimit.spectrum.gram import GramOperator

RAGGED = (5, 1, 8, 3, 8)
LOSS = nn.functional.cross_entropy
MODELS = ("mlp", "convolution")
KINDS = ("ggn", "hessian")
PARTS = ("unequal", "none", "shared")


class Double(nn.Module):
    """Images to float64, in which the processes' sums are compared."""

    def forward(self, images: Tensor) -> Tensor:
        return images.double()


def network(name: str) -> nn.Module:
    torch.manual_seed(1)
    if name == "mlp":
        layers = [nn.Flatten(), nn.Linear(32, 6), nn.Tanh(), nn.Linear(6, 3)]
    else:
        norm = nn.BatchNorm2d(3)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
        convolution = nn.Conv2d(2, 3, 3, padding=1)
        layers = [convolution, norm, nn.Tanh(), nn.Flatten(), nn.Linear(48, 3)]
    return nn.Sequential(*layers).double().eval()


def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        (
            torch.randn(n, 2, 4, 4, generator=generator, dtype=torch.float64),
            torch.randint(3, (n,), generator=generator),
        )
        for n in RAGGED
    ]


def part_of(world: World, how: str) -> list[tuple[Tensor, Tensor]]:
    """This process's examples: 14 and 11, all and none, or one after the other in turns."""
    whole = batches()
    if world.size == 1:
        return whole
    if how == "shared":
        return list(world.shard(whole))
    first = 3 if how == "unequal" else len(whole)
    return whole[:first] if world.is_main else whole[first:]


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def curvatures(world: World) -> dict[str, Tensor]:
    """Products and matrices by every model, kind and way to share the examples."""
    found = {}
    for name in MODELS:
        model = network(name)
        for how in PARTS:
            data = part_of(world, how)
            for kind in KINDS:
                operator = CurvatureOperator(
                    model, LOSS, data, kind, device="cpu", workspace=Workspace(world=world)
                )
                generator = torch.Generator().manual_seed(5)
                vectors = torch.randn(operator.dim, 3, generator=generator, dtype=torch.float64)
                key = f"{name} {how} {kind}"
                found[f"{key} product"] = operator.matmul(vectors)
                found[f"{key} matrix"] = operator.dense()
                found[f"{key} loss"] = numbers(operator.loss)
            ggn = CurvatureOperator(
                model, LOSS, data, device="cpu", workspace=Workspace(world=world)
            )
            # The order of its rows is the examples', which the processes shuffle.
            found[f"{name} {how} gram"] = torch.linalg.eigvalsh(GramOperator(ggn).dense())
            found[f"{name} {how} gradient"] = ggn.gradient()
    return found


def losses(world: World) -> dict[str, Tensor]:
    model, data = network("convolution"), batches()
    statistics = loss_statistics(model, LOSS, data, "cpu", world)
    return {
        "statistics": numbers(statistics.mean, statistics.batch_std),
        "evaluation": numbers(*evaluate(model, LOSS, data, "cpu", world)),
    }


def searches(world: World, folder: Path) -> dict[str, Tensor]:
    """A Krylov search that is stopped and goes on, and all eigenvalues."""
    model, data = network("convolution"), part_of(world, "unequal")
    kept = folder / f"spectrum-of-rank-{world.rank}"
    options = {"ridges": [0.01], "tolerance": 1e-6, "device": "cpu", "world": world}
    for budget in (8, 40):
        spectrum = hessian_spectrum(
            model,
            LOSS,
            data,
            "abs",
            method="lanczos",
            max_products=budget,
            checkpoint=kept,
            **options,
        )
    interval = spectrum.effective_dimension(0.01)
    whole = hessian_spectrum(model, LOSS, data, method="dense", **options)
    return {
        "search": numbers(interval.lower, interval.value, interval.upper),
        "eigenvalues": numbers(*whole.eigenvalues),
    }


def small_digits() -> tuple[Splits, nn.Module]:
    """Batches of 16 of 65 images: the last is a single one, which one process has alone."""
    splits = load("digits").limited(65)
    return splits, nn.Sequential(
        Double(), models.build("mlp", splits.input_shape, 10, seed=2)
    ).double()


def trainings(world: World, folder: Path) -> dict[str, Tensor]:
    splits, model = small_digits()
    config = TrainingConfig(epochs=5, batch_size=16, l1=1e-4, learning_rate=0.05)
    options = {"device": "cpu", "world": world}
    with mock.patch.object(checkpoints, "drop_older"):
        result = train(model, splits, config, folder / "training", **options)
    found = {f"trained {name}": tensor for name, tensor in model.state_dict().items()}
    world.from_main(lambda: shutil.rmtree(result.checkpoint))  # as if killed in epoch 5
    resumed = small_digits()[1]
    assert train(resumed, splits, config, folder / "training", **options).resumed_from == 4
    found |= {f"resumed {name}": tensor for name, tensor in resumed.state_dict().items()}
    for what in ("train_loss", "validation_loss", "l1_norm"):
        found[f"history of {what}"] = numbers(*(getattr(r, what) for r in result.history[1:]))
    loader = splits.train_eval.with_batch_size(16).shuffled()
    budget = FineTuning(epochs=3, learning_rate=0.05)
    mask = magnitude_mask(model, 0.8)
    how = Execution("cpu", world=world)
    tuned = finetune(model, mask, LOSS, loader, splits.train_eval, budget, how)
    found |= {f"tuned {name}": tensor for name, tensor in tuned.model.state_dict().items()}
    return found


def measurements(world: World, folder: Path) -> dict[str, Tensor]:
    """All numbers that must not depend on how many processes there are."""
    found = curvatures(world) | losses(world) | searches(world, folder) | trainings(world, folder)
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def refusals(world: World) -> dict[str, str]:
    """What each process is told where the processes cannot go on together."""

    def told(action) -> str:
        try:
            action()
        except (PruneLimitError, ZeroDivisionError) as error:
            return f"{type(error).__name__}: {error}"
        return "nothing"

    model = network("mlp")
    data = part_of(world, "shared")
    operator = CurvatureOperator(model, LOSS, data, device="cpu", workspace=Workspace(world=world))
    other = network("mlp")
    other[1].weight.data += world.rank
    normalised = nn.Sequential(Double(), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 10))
    config = TrainingConfig(epochs=1)
    return {
        "failed lead": told(lambda: world.lead(operator, lambda led: 1 // 0)),
        "other weights": told(
            lambda: predict_limit(other, LOSS, batches(), device="cpu", world=world)
        ),
        "normalisation": told(
            lambda: train(
                normalised.double(), small_digits()[0], config, "unused", "cpu", world=world
            )
        ),
    }


def main_of_worker(rank: int, size: int, folder: Path) -> None:
    """One of several plain processes; the last of them is killed in the end."""
    os.chdir(folder)
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=size,
        timeout=datetime.timedelta(minutes=8),
    )
    world = current()
    torch.save(measurements(world, folder), folder / f"measured-{rank}.pt")
    torch.save(refusals(world), folder / f"refused-{rank}.pt")
    world.gather(None)
    if rank == size - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    world.sum(torch.zeros(1))
    raise SystemExit("a sum came back although a process is dead")


def lighten(replace: Callable[[object, str, object], None]) -> None:
    """Let the command do what a test can wait for: a narrow network, a short fine-tuning."""
    budget = FineTuning(epochs=2, learning_rate=0.05)
    narrow = models.ModelSpec("MLP 12", models.fully_connected((12,)))
    replace(tuning, "default_budget", lambda *_: budget)
    replace(models, "MODELS", models.MODELS | {"mlp": narrow})


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        main_of_worker(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        lighten(setattr)
        main()
