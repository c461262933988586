"""Many masks in one batched pass against one after another: SGD steps of the study's networks.

Both sides train the same masks, in float64, on as many batches of 32. One after another is the
plain module with autograd and hooks that keep the mask; batched is what
`prunelimit.lab.studies.yardsticks` does. Both are right: ``tests/lab/studies/test_yardsticks.py``.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common import interleaved, table
from prunelimit.lab.studies import yardsticks, zoo
from prunelimit.lab.studies.curves import BATCH, Bench, train
from prunelimit.lab.studies.plan import networks
from prunelimit.network.parameters import unflatten

KINDS = (
    "iris-mlp-tanh-16-16",
    "digits-4x4-mlp-relu-16-16",
    "mlp-layernorm-digits-4x4-mlp-relu",
    "transformer-digits",
    "cnn-batch-digits",
)
"""The first network of the plan whose name contains this."""
MASKS, STEPS = 32, 20


def run(quick: bool = False, rounds: int = 7) -> dict[str, Any]:
    torch.set_num_threads(1)
    rows = {}
    for kind in KINDS[:1] if quick else KINDS:
        network = next(n for name, n in networks().items() if kind in name)
        found = zoo.examples(network.source, network.examples)
        bench = Bench(train(network, found), found)
        removed = torch.linspace(0.3, 0.9, MASKS) * bench.dim
        keep = torch.stack([bench.landscape.keep(bench.order[: int(n)]) for n in removed])
        tasks = {
            "batched": lambda bench=bench, keep=keep: yardsticks.sgd(
                bench.landscape, keep, STEPS, seed=0
            ),
            "one after another": lambda bench=bench, keep=keep: [plain(bench, one) for one in keep],
        }
        timed = interleaved(tasks, 1 if quick else rounds, "batched")["one after another"]
        rows[network.name] = {"weights": bench.dim, "ratio": timed["cpu_ratio"]}
    print(table(rows, ["weights", "ratio"]))
    return {"masks": MASKS, "times the throughput": rows}


def plain(bench: Bench, keep: Tensor) -> nn.Module:
    """The same steps for one mask, as anybody would write them."""
    space = bench.landscape
    model = copy.deepcopy(space.model)
    kept = unflatten(keep.double(), space.shapes)
    start = unflatten(torch.where(keep, space.start, 0.0), space.shapes)
    for name, parameter in model.named_parameters():
        parameter.data.copy_(start[name])
        parameter.register_hook(lambda slope, mask=kept[name]: slope * mask)
    optimiser = torch.optim.SGD(model.parameters(), yardsticks.RATE, yardsticks.MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        batch = torch.arange(step * BATCH, (step + 1) * BATCH) % len(space.inputs)
        optimiser.zero_grad()
        space.loss_fn(model(space.inputs[batch]), space.targets[batch]).backward()
        optimiser.step()
        schedule.step()
    return model
