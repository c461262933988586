"""Metrics of answers in every form that a loss takes, against counts by hand."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import prunelimit as pl
from prunelimit.errors import PruneLimitError
from prunelimit.pruning.answers import Answers
from prunelimit.pruning.criterion import metric_drop

INPUTS = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
LABELS = (INPUTS[:, 0] > 0).long() + (INPUTS[:, 1] * INPUTS[:, 2] > 0).long()


def batches(*parts: Tensor) -> list[tuple[Tensor, ...]]:
    return list(zip(*(part.split(20) for part in parts), strict=True))


def network(outputs: int = 3) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, outputs)).eval()


def share_right(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(-1) == targets).double().mean()


def nothing(_: nn.Module) -> None:
    """A fine-tuning after which everything can be counted by hand."""


class Two(nn.Module):
    """Logits and a regression, of one pass."""

    def __init__(self, named: bool) -> None:
        super().__init__()
        self.body, self.named = network(5), named

    def forward(self, x: Tensor) -> object:
        out = self.body(x)
        return {"logits": out[:, :3], "values": out[:, 3:]} if self.named else (out[:, :3], out)


def loss_of_two(outputs: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(outputs[0], targets[0]) + outputs[1].square().mean()


def test_a_metric_takes_outputs_and_targets_in_the_form_of_the_loss() -> None:
    model = Two(named=False)
    data = [(x, (y, x[:, :2])) for x, y in batches(INPUTS, LABELS)]
    answers = Answers(lambda o, t: share_right(o[0], t[0]), model, loss_of_two, data)
    assert answers.value == pytest.approx(float(share_right(model(INPUTS)[0], LABELS)))
    loss = Answers(lambda o, t: -loss_of_two(o, t), model, loss_of_two, data)  # as a refusal says
    assert loss.value == pytest.approx(
        -loss_of_two(model(INPUTS), (LABELS, INPUTS[:, :2])).item(), rel=1e-5
    )
    with pytest.raises(PruneLimitError, match="accuracy' needs outputs"):
        _ = Answers("accuracy", model, loss_of_two, data).value


@pytest.mark.parametrize("metric", ["accuracy", lambda o, t: share_right(o["logits"], t)])
def test_outputs_in_a_dictionary_have_an_accuracy(metric) -> None:
    model = Two(named=True)
    answers = Answers(
        metric, model, lambda o, t: F.cross_entropy(o["logits"], t), batches(INPUTS, LABELS)
    )
    assert answers.value == pytest.approx(float(share_right(model(INPUTS)["logits"], LABELS)))


def test_a_metric_of_the_whole_batch() -> None:
    data = [{"input": x, "labels": y} for x, y in batches(INPUTS, LABELS)]
    model = network()

    def loss(outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(outputs, batch["labels"])

    answers = Answers(
        lambda o, b: share_right(o, b["labels"]), model, loss, data, lambda m, b: m(b["input"])
    )
    assert answers.value == pytest.approx(float(share_right(model(INPUTS), LABELS)))


def test_one_output_names_no_class() -> None:
    model, truth = network(1), (INPUTS[:, 0] > 0).long()

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs.squeeze(1), targets.to(outputs.dtype))

    data = batches(INPUTS, truth)
    assert np.isnan(pl.sweep(model, loss, data, [0.0, 0.5]).accuracy).all()
    with pytest.raises(PruneLimitError, match="one output tells two classes apart: metric=lambda"):
        pl.find_limit(model, loss, data, start=0.5, metric="accuracy", validation=data)
    said = Answers(
        lambda outputs, targets: (
            ((outputs > 0).flatten() == targets.flatten().bool()).float().mean()
        ),
        model,
        loss,
        data,
    )
    right = (model(INPUTS).squeeze(1) > 0) == truth
    assert said.value == pytest.approx(float(right.float().mean()))


def test_ignored_targets_are_no_wrong_answers() -> None:
    model = network()
    some = torch.where(torch.arange(60) % 2 == 0, model(INPUTS).argmax(1), -100)
    some[::4] = (some[::4] + 1) % 3  # half of those that count are wrong
    data = batches(INPUTS, some)
    curve = pl.sweep(model, F.cross_entropy, data, [0.0, 0.5])
    pruned = pl.prune(model, 0.5)(INPUTS)
    counted = some >= 0
    assert curve.accuracy[0] == 0.5
    assert curve.accuracy[1] == pytest.approx(float(share_right(pruned[counted], some[counted])))
    dense = Answers("accuracy", model, F.cross_entropy, data)
    other = Answers("accuracy", pl.prune(model, 0.5), F.cross_entropy, data)
    with pytest.raises(PruneLimitError, match="an accuracy of nothing"):
        nothing_asked = [(x, torch.full_like(y, -100)) for x, y in data]
        _ = Answers("accuracy", model, F.cross_entropy, nothing_asked).value
    assert (dense.value, other.value) == (0.5, pytest.approx(curve.accuracy[1]))
    right = [(m(INPUTS).argmax(1) == some).double().numpy() for m in (model, pl.prune(model, 0.5))]
    rng, drops = np.random.default_rng(0), []
    for _ in range(4000):
        chosen = rng.integers(60, size=60)
        asked = counted.numpy()[chosen].sum()
        drops.append((right[0][chosen].sum() - right[1][chosen].sum()) / asked)
    assert other.stderr_of_drop(dense) == pytest.approx(np.std(drops), rel=0.1)


class Tokens(nn.Module):
    """A class for each token; batches may be of several lengths."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.table, self.head = nn.Embedding(7, 5), nn.Linear(5, 4)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.head(self.table(input_ids))


def loss_of_tokens(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())


def test_tokens_of_ragged_batches_are_counted_one_by_one() -> None:
    drawn = torch.Generator().manual_seed(3)
    data, right, asked = [], 0, 0
    model = Tokens().eval()
    for length in (5, 6):
        tokens = torch.randint(7, (9, length), generator=drawn)
        labels = torch.randint(-1, 4, (9, length), generator=drawn)
        labels[labels < 0] = -100
        data.append({"input_ids": tokens, "labels": labels})
        right += int((model(tokens).argmax(-1) == labels).sum())
        asked += int((labels >= 0).sum())
    assert Answers("accuracy", model, loss_of_tokens, data).value == pytest.approx(right / asked)
    padded = [
        {n: F.pad(t, (0, 1), value=p) for (n, t), p in zip(batch.items(), (0, -100), strict=True)}
        for batch in data
    ]
    assert Answers("accuracy", model, loss_of_tokens, padded).value == pytest.approx(right / asked)
    with pytest.raises(PruneLimitError, match="pad them to one length"):
        _ = Answers(share_right, model, loss_of_tokens, data).value


def test_tokens_that_the_loss_shifts_are_not_compared_at_their_own_place() -> None:
    model, tokens = Tokens().eval(), torch.randint(4, (9, 6), generator=torch.Generator())
    data = [{"input_ids": tokens, "labels": tokens}]

    def next_token(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs[:, :-1].flatten(0, 1), targets[:, 1:].flatten())

    with pytest.raises(PruneLimitError, match="a function .* that shifts as the loss does"):
        _ = Answers("accuracy", model, next_token, data).value
    said = Answers(lambda o, t: share_right(o[:, :-1], t[:, 1:]), model, next_token, data).value
    assert said == pytest.approx(float(share_right(model(tokens)[:, :-1], tokens[:, 1:])))


def test_what_a_metric_raises_is_said_to_be_its_own() -> None:
    with pytest.raises(PruneLimitError, match=r"fails on 60 validation examples: KeyError"):
        _ = Answers(
            lambda o, t: {}["no"], network(), F.cross_entropy, batches(INPUTS, LABELS)
        ).value


def test_a_shuffling_validation_loader_answers_the_same_questions() -> None:
    data = TensorDataset(INPUTS, LABELS)
    model, other = network(), pl.prune(network(), 0.7)
    in_order = metric_drop(model, F.cross_entropy, [], "accuracy", DataLoader(data, 20), 0.1, 0.0)
    shuffled = metric_drop(
        model, F.cross_entropy, [], "accuracy", DataLoader(data, 20, shuffle=True), 0.1, 0.0
    )
    found = []
    for drop in (in_order, shuffled):
        answers = Answers("accuracy", other, F.cross_entropy, drop.validation)
        found.append(answers.stderr_of_drop(drop.answers))
    assert found[0] == found[1] > 0


def test_validation_data_that_change_are_refused() -> None:
    def noisy(batch: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        inputs, targets = (torch.stack(part) for part in zip(*batch, strict=True))
        return inputs + torch.randn(inputs.shape), targets

    loader = DataLoader(TensorDataset(INPUTS, LABELS), 20, collate_fn=noisy)
    with pytest.raises(PruneLimitError, match="a moment later"):
        metric_drop(network(), F.cross_entropy, [], "accuracy", loader, 0.01, 0.0)


def test_a_search_by_a_partial_goes_on(tmp_path) -> None:
    data = batches(INPUTS, LABELS)
    call = functools.partial(
        pl.find_limit,
        network(),
        F.cross_entropy,
        data,
        start=0.3,
        finetune=nothing,
        metric_tolerance=0.2,
        validation=data,
        directory=tmp_path,
    )
    first = call(metric=functools.partial(share_right))
    again = call(metric=functools.partial(share_right))
    assert again.tries == first.tries
