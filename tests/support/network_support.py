"""Small networks as people have them, shared by the tests of masks, choices and batches."""

import copy
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn


class Transformer(nn.Module):
    """Images of 8 x 8 read as eight rows by one encoder layer."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Linear(8, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(images.view(-1, 8, 8))).mean(1))


class Recurrent(nn.Module):
    """The same rows, read one after another."""

    def __init__(self, kind: type[nn.RNNBase] = nn.LSTM, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.cells = kind(8, 6, batch_first=True)
        self.head = nn.Linear(6, 10)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Any = self.cells(images.view(-1, 8, 8))[0]
        return self.head(outputs[:, -1])


class Conv1D(nn.Module):
    """A linear layer whose weight is (inputs, outputs), as in GPT-2 of Hugging Face."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight)


class Mixed(nn.Module):
    """An embedding, a raw matrix, a turned layer and a plain one."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.table = nn.Embedding(17, 8)
        self.raw = nn.Parameter(torch.randn(8, 8) / 8**0.5)
        self.turned = Conv1D(12, 8)
        self.head = nn.Linear(12, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.tanh(self.turned(torch.tanh(self.table(tokens).mean(1) @ self.raw))))


def images(count: int = 12, seed: int = 1) -> Tensor:
    """Random images ``(count, 64)``."""
    return torch.rand(count, 64, generator=torch.Generator().manual_seed(seed))


def trained(
    activation: type[nn.Module], l1: float, seed: int, widths: tuple[int, ...] = (6, 12, 8, 3)
) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """A fully connected network fitted to 230 examples, and its ragged batches.

    Trained once in a process; every call gets a copy.
    """
    return copy.deepcopy(_trained(activation, l1, seed, widths))


@cache
def _trained(
    activation: type[nn.Module], l1: float, seed: int, widths: tuple[int, ...]
) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(230, widths[0], generator=generator)
    targets = (inputs[:, :3] + 0.5 * torch.randn(230, 3, generator=generator)).argmax(1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for a, b in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(a, b), activation()]
        model = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(150):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss = loss + l1 * sum(p.abs().sum() for p in model.parameters())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval(), list(zip(inputs.split(50), targets.split(50), strict=True))


def classifier(seed: int = 0) -> tuple[nn.Module, list]:
    """An untrained network of 81 weights with random data."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 4)).eval()
    return model, [(torch.randn(n, 5), torch.randint(4, (n,))) for n in (30, 30, 7)]
