"""What every benchmark shares: fair timing, small trained networks, a record of the machine."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunelimit.files import write_json
from prunelimit.lab.store.provenance import describe_run
from prunelimit.records import to_plain

RESULTS = Path(__file__).parent / "results"


def interleaved(
    tasks: Mapping[str, Callable[[], object]], rounds: int, reference: str
) -> dict[str, dict[str, float]]:
    """Time every task once a round, in turn, after one warm-up round.

    A ratio is formed within a round, between neighbours in time, and its median
    taken: what else the machine does then falls on both sides.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    processor: dict[str, list[float]] = {name: [] for name in tasks}
    for round_ in range(rounds + 1):
        for name, task in tasks.items():
            wall, cpu = time.perf_counter(), time.process_time()
            task()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if round_:
                seconds[name].append(time.perf_counter() - wall)
                processor[name].append(time.process_time() - cpu)
    return {
        name: {
            "seconds": statistics.median(seconds[name]),
            "ratio": _ratio(seconds[name], seconds[reference]),
            "cpu_seconds": statistics.median(processor[name]),
            "cpu_ratio": _ratio(processor[name], processor[reference]),
        }
        for name in tasks
    }


def _ratio(values: list[float], reference: list[float]) -> float:
    return statistics.median(a / max(b, 1e-12) for a, b in zip(values, reference, strict=True))


def table(rows: Mapping[str, Mapping[str, float]], columns: list[str]) -> str:
    """Plain columns for a terminal."""
    width = max(len(name) for name in rows) + 2
    lines = [" " * width + "".join(f"{column:>14}" for column in columns)]
    for name, row in rows.items():
        lines.append(
            f"{name:<{width}}" + "".join(f"{row.get(c, float('nan')):>14.4g}" for c in columns)
        )
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """The machine, the versions (of the peers, too), and how busy it was."""
    peers = ("curvlinops-for-pytorch", "hessian-eigenthings")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return to_plain(describe_run(device)) | {
        "peers": {name: _version(name) for name in peers},
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def save(name: str, results: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write results with the machine's description."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    write_json(path, {"machine": machine(), "results": to_plain(results)})
    return path


def clustered(
    features: int, classes: int, examples: int, noise: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Gaussian classes that overlap as much as `noise` says."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, features, generator=generator)
    targets = torch.randint(classes, (examples,), generator=generator)
    inputs = centres[targets] + noise * torch.randn(examples, features, generator=generator)
    return inputs, targets


def trained_network(
    widths: list[int],
    activation: type[nn.Module],
    data: tuple[Tensor, Tensor],
    l1: float,
    epochs: int,
    seed: int,
) -> nn.Sequential:
    """An MLP trained by SGD with momentum on cross-entropy + l1."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(before, after), activation()]
        model = nn.Sequential(*layers[:-1])
    fit(model, data, l1, epochs, seed)
    return model


def fit(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    l1: float,
    epochs: int,
    seed: int,
    learning_rate: float = 0.05,
) -> None:
    """Minimise cross-entropy + l1 by SGD with momentum, in batches of 64."""
    optimiser = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)
    order = np.random.default_rng(seed)
    inputs, targets = data
    for _ in range(epochs):
        for chosen in torch.from_numpy(order.permutation(len(inputs))).split(64):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs[chosen]), targets[chosen])
            loss = loss + l1 * sum(p.abs().sum() for p in model.parameters())
            loss.backward()
            optimiser.step()


def ragged(data: tuple[Tensor, Tensor], seed: int) -> list[tuple[Tensor, Tensor]]:
    """Batches of random lengths."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.choice(np.arange(1, len(data[0])), 4, replace=False)).tolist()
    return list(
        zip(torch.tensor_split(data[0], cuts), torch.tensor_split(data[1], cuts), strict=True)
    )
