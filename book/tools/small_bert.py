"""A small BERT, of no family of the study: what `report.expected` says, and what is measured.

Made by::

    python -m book.tools.small_bert --output book/results/small-bert.json

Hugging Face's own classes, untouched: two layers of width 16, sequences of eight tokens with some
padding, and the question which of three groups most of the tokens belong to. Real existence is
what `prunelimit.find_limit` measures with a stated budget, a lower bound on the converged sparsity.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from prunelimit.expected import facts_of
from prunelimit.find import find_limit
from prunelimit.lab.store.provenance import describe_module
from prunelimit.predict import predict_limit
from prunelimit.results.calibrated import SearchedNetwork

EXAMPLES, BATCH, LENGTH, WORDS, GROUPS = 384, 64, 8, 24, 3
EPOCHS, RATE, L1 = 60, 3e-3, 1e-4
STEPS = 1000
"""Full-batch steps of Adam under one mask, the rate falling by a cosine."""
EPSILON, WIDTH = 0.05, 16


def sentences() -> list[dict[str, Tensor]]:
    """Batches as a tokenizer and a collator give them."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, WORDS, (EXAMPLES, LENGTH), generator=generator)
    seen = torch.ones_like(tokens)
    seen[::3, LENGTH - 2 :] = 0
    labels = (one_hot(tokens % GROUPS, GROUPS) * seen[:, :, None]).sum(1).argmax(1)
    parts = (tokens.split(BATCH), seen.split(BATCH), labels.split(BATCH))
    return [
        {"input_ids": t, "attention_mask": m, "labels": y} for t, m, y in zip(*parts, strict=True)
    ]


def classification(outputs: Any, labels: Tensor) -> Tensor:
    """The mean cross entropy of a model's logits."""
    return cross_entropy(outputs.logits, labels)


def trained(data: list[dict[str, Tensor]], epochs: int = EPOCHS) -> nn.Module:
    """The network in eval mode, after AdamW on the cross entropy and an l1 term."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=WIDTH,
        max_position_embeddings=LENGTH,
        num_labels=GROUPS,  # type: ignore[call-arg]
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model: nn.Module = BertForSequenceClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    for _ in range(epochs):
        for index in torch.randperm(len(data)):
            loss = _loss(model, data[index])
            loss = loss + L1 * sum(p.abs().sum() for p in model.parameters() if p.ndim > 1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def _loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    inputs = {name: values for name, values in batch.items() if name != "labels"}
    return classification(model(**inputs), batch["labels"])


class Budget:
    """`STEPS` full-batch steps of Adam on the masked network."""

    def __init__(self, data: list[dict[str, Tensor]], steps: int = STEPS) -> None:
        self.steps = steps
        self.everything = {name: torch.cat([batch[name] for batch in data]) for name in data[0]}

    def __call__(self, masked: nn.Module) -> None:
        """Train it in place."""
        optimizer = torch.optim.Adam(masked.parameters(), RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        for _ in range(self.steps):
            optimizer.zero_grad()
            _loss(masked, self.everything).backward()
            optimizer.step()
            schedule.step()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, predict, search, and write the result."""
    parser = argparse.ArgumentParser(prog="python -m book.tools.small_bert")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args(arguments)
    data = sentences()
    model = trained(data, given.epochs)
    report = predict_limit(model, classification, data, EPSILON, device="cpu")
    budget = Budget(data, given.steps)
    found = find_limit(model, classification, data, report, budget, 0.005, device="cpu")
    SearchedNetwork(
        network="a BERT of two layers",
        facts=facts_of(report),
        policy=report.policy,
        lower=found.lower,
        value=found.sparsity,
        upper=found.upper,
        finetuning=f"{given.steps} full-batch steps of Adam",
        tries=found.tries,
        provenance=describe_module("book.tools.small_bert", arguments),
    ).save(given.output)


if __name__ == "__main__":
    main()
