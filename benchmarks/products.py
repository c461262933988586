"""One product with the full data, and a block of 16, against the peers and the floor.

The floor is made of the matrix multiplications that a product cannot avoid once
the primal pass is kept, timed as such, on the same batches. Peers that are not
installed are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from curvlinops import GGNLinearOperator, HessianLinearOperator
from torch import Tensor, nn

from benchmarks.common import interleaved, table
from prunelimit.lab.models import build
from prunelimit.network.parameters import prunable_parameters
from prunelimit.spectrum import CurvatureOperator, Workspace
from prunelimit.spectrum.memory import available_bytes

LOSS = nn.CrossEntropyLoss()


VOCABULARY = 50


class BERT(nn.Module):
    """Two layers of hidden size 16; small enough that only the number of operations counts.

    With the default intermediate size, 3,072, the layers between are what takes time.
    """

    def __init__(self, classes: int, intermediate: int) -> None:
        super().__init__()
        from transformers import BertConfig, BertForSequenceClassification

        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=intermediate,
            num_labels=classes,
            attn_implementation="eager",  # the others are not twice differentiable for the peers
        )
        self.network = BertForSequenceClassification(config)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits ``(n, classes)`` of ``(n, length)`` tokens."""
        logits: Tensor = self.network(input_ids=tokens).logits
        return logits


def setup(
    name: str, shape: tuple[int, ...], classes: int, examples: int, batch: int
) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """A freshly initialised network in eval mode and random data; only time matters here."""
    berts = {"bert": 64, "bert-wide": 3072}
    model = BERT(classes, berts[name]) if name in berts else build(name, shape, classes, seed=0)
    model.eval()
    for parameter_name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter_name in prunable_parameters(model))
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(examples, *shape, generator=generator)
    if name in berts:
        inputs = torch.randint(VOCABULARY, (examples, *shape), generator=generator)
    targets = torch.randint(classes, (examples,), generator=generator)
    return model, list(zip(inputs.split(batch), targets.split(batch), strict=True))


def peers(
    model: nn.Module, data: list[tuple[Tensor, Tensor]]
) -> dict[str, Callable[[Tensor], Tensor]]:
    """Hessian (and Gauss-Newton) products of other libraries over the prunable weights."""
    names = prunable_parameters(model)
    weights = list(names.values())
    found: dict[str, Callable[[Tensor], Tensor]] = {}
    for label, kind in (
        ("curvlinops", HessianLinearOperator),
        ("curvlinops ggn", GGNLinearOperator),
    ):
        operator = kind(model, LOSS, weights, data, check_deterministic=False)
        found[label] = lambda vector, operator=operator: operator @ vector
    try:
        from hessian_eigenthings import HessianOperator, match_names, supervised_loss

        things = HessianOperator(
            model, data, supervised_loss(LOSS), param_filter=match_names(*names)
        )
        found["hessian-eigenthings"] = things.matvec
    except ImportError as error:
        print(f"hessian-eigenthings is left out: {error}")
    try:
        from pyhessian import hessian as PyHessian

        py = PyHessian(model, LOSS, dataloader=data, cuda=False)
        sizes, shapes = [p.numel() for p in py.params], [p.shape for p in py.params]

        def pyhessian(vector: Tensor) -> Tensor:
            parts = [v.view(s) for v, s in zip(vector.split(sizes), shapes, strict=True)]
            return torch.cat([p.reshape(-1) for p in py.dataloader_hv_product(parts)[1]])

        found["PyHessian"] = pyhessian
    except ImportError as error:
        print(f"PyHessian is left out: {error}")
    return found


def floor(model: nn.Module, examples: int, batch: int) -> Callable[[], None]:
    """The multiplications of a product whose primal pass is kept, for a chain of linear layers.

    Per layer with input a, weight W, output gradient d and direction V: V a, W a'
    (not in the first layer, whose input is fixed), the same two transposed on the
    way back, and the outer products d' a^T and d a'^T (the latter not in the first).
    """
    weights = [m.weight.detach() for m in model.modules() if isinstance(m, nn.Linear)]
    inputs = [torch.randn(batch, w.shape[1]) for w in weights]
    outputs = [torch.randn(batch, w.shape[0]) for w in weights]

    def run() -> None:
        for _ in range(examples // batch):
            for index, (weight, a, d) in enumerate(zip(weights, inputs, outputs, strict=True)):
                a @ weight.T
                d.T @ a
                if index:
                    a @ weight.T
                    d @ weight
                    d @ weight
                    d.T @ a

    return run


def agreement(ours: CurvatureOperator, others: dict[str, Callable[[Tensor], Tensor]]) -> None:
    """All Hessian products must be the same before they are timed."""
    vector = torch.randn(ours.dim, generator=torch.Generator().manual_seed(1))
    reference = ours @ vector
    for label, product in others.items():
        if "ggn" not in label:
            error = float((product(vector) - reference).norm() / reference.norm())
            print(f"  {label:22} differs by {error:.1e}")
            assert error < 1e-3, label


def one_row(
    name: str, shape: tuple[int, ...], classes: int, examples: int, batch: int, rounds: int
) -> dict[str, Any]:
    """Times of one network."""
    model, data = setup(name, shape, classes, examples, batch)
    memory = available_bytes(torch.device("cpu")) // 6  # two operators, and room for the peers
    kept = {
        kind: CurvatureOperator(model, LOSS, data, kind, workspace=Workspace(memory))
        for kind in ("hessian", "ggn")
    }
    others = peers(model, data)
    agreement(kept["hessian"], others)
    vector = torch.randn(kept["hessian"].dim)
    tasks: dict[str, Callable[[], object]] = {
        "ours": lambda: kept["hessian"] @ vector,
        "ours ggn": lambda: kept["ggn"] @ vector,
    }
    tasks |= {label: (lambda product=product: product(vector)) for label, product in others.items()}
    if not name.startswith("bert") and all(not isinstance(m, nn.Conv2d) for m in model.modules()):
        tasks["floor (primal kept)"] = floor(model, examples, batch)
    found = interleaved(tasks, rounds, reference="curvlinops")
    print(table(found, ["seconds", "ratio", "cpu_seconds", "cpu_ratio"]))
    return {"dim": kept["hessian"].dim, "examples": examples, "batch": batch, "times": found}


def block_row(rounds: int, block: int = 16) -> dict[str, Any]:
    """A block of vectors on the MLP."""
    model, data = setup("mlp-300-100", (1, 28, 28), 10, 10_000, 1000)
    ours = CurvatureOperator(model, LOSS, data, "hessian")
    oracle = HessianLinearOperator(
        model, LOSS, list(prunable_parameters(model).values()), data, check_deterministic=False
    )
    vectors = torch.randn(ours.dim, block)
    tasks = {"ours": lambda: ours @ vectors, "curvlinops": lambda: oracle @ vectors}
    found = interleaved(tasks, rounds, reference="curvlinops")
    print(table(found, ["seconds", "ratio", "cpu_seconds", "cpu_ratio"]))
    return {"block": block, "times": found}


def run(quick: bool = False, resnet_examples: int = 512) -> dict[str, Any]:
    """MLP 784-300-100-10, BERT, FC5 and ResNet18 (fewer examples on a slow machine)."""
    rounds = 3 if quick else 7
    rows = {
        "MLP 784-300-100-10": ("mlp-300-100", (1, 28, 28), 10, 10_000, 1000, rounds),
        "BERT, 2 layers of 16": ("bert", (16,), 3, 400, 400, rounds),
    }
    if not quick:
        wide = "BERT, 2 layers of 16, intermediate size 3,072"
        rows[wide] = ("bert-wide", (16,), 3, 400, 400, 3)
        rows["FC5"] = ("fc5", (1, 28, 28), 10, 10_000, 1000, 3)
        batch = min(128, resnet_examples)
        rows["ResNet18"] = ("resnet18", (3, 32, 32), 10, resnet_examples, batch, 2)
    results = {}
    for label, row in rows.items():
        print(f"\n{label}, one product")
        results[label] = one_row(*row)
    if not quick:
        print("\nMLP 784-300-100-10, a block of 16")
        results["MLP 784-300-100-10, block"] = block_row(3)
    return results
