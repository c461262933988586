"""Models of Hugging Face go through every call as they are, without a wrapper class."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F

import prunelimit as pl
from prunelimit.pruning import make_permanent

transformers = pytest.importorskip("transformers")

GENERATOR = torch.Generator().manual_seed(0)
TOKENS = torch.randint(3, 20, (32, 6), generator=GENERATOR)
LABELS = TOKENS[:, 0] % 3
KEEP = torch.ones_like(TOKENS)
KEEP[::3, 4:] = 0  # padding


def bert() -> nn.Module:
    return transformers.BertForSequenceClassification(
        transformers.BertConfig(
            vocab_size=20,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=12,
            max_position_embeddings=16,
            num_labels=3,
        )
    )


def gpt2() -> nn.Module:
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=20,
            n_positions=16,
            n_embd=8,
            n_layer=1,
            n_head=2,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def llama() -> nn.Module:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=20,
            hidden_size=8,
            intermediate_size=12,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=16,
        )
    )


def classification(outputs: Any, labels: Tensor) -> Tensor:
    return F.cross_entropy(outputs.logits, labels)


def next_token(outputs: Any, batch: Any) -> Tensor:
    return F.cross_entropy(outputs.logits[:, :-1].mT, batch["input_ids"][:, 1:])


def classified() -> list[Any]:
    return [
        transformers.BatchEncoding({"input_ids": t, "attention_mask": m, "labels": y})
        for t, m, y in zip(TOKENS.split(8), KEEP.split(8), LABELS.split(8), strict=True)
    ]


def spoken() -> list[Any]:
    return [{"input_ids": tokens} for tokens in TOKENS.split(8)]


Case = tuple[Callable[[], nn.Module], Callable[..., Tensor], Callable[[], list[Any]], Any]
CASES: dict[str, Case] = {
    "bert": (bert, classification, classified, None),
    "gpt2": (gpt2, next_token, spoken, "transformer.h.*.weight"),
    "llama": (llama, next_token, spoken, None),
}


def trained(model: nn.Module, loss: Callable[..., Tensor], data: list[Any]) -> nn.Module:
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(5):
        for batch in data:
            inputs = {key: value for key, value in batch.items() if key != "labels"}
            optimizer.zero_grad()
            loss(model(**inputs), batch.get("labels", batch)).backward()
            optimizer.step()
    return model


@pytest.fixture(params=sorted(CASES), scope="module")
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Any, list[Any], Any]:
    make, loss, data, parameters = CASES[request.param]
    torch.manual_seed(0)
    return trained(make(), loss, data()).eval(), loss, data(), parameters


def test_the_matrix_of_chosen_weights_is_the_one_computed_apart(
    case: tuple[nn.Module, Any, list[Any], Any],
) -> None:
    model, loss, data, _ = case
    chosen = [n for n, p in model.named_parameters() if p.ndim == 2 and p.numel() in (24, 64)][:2]
    spectrum = pl.hessian_spectrum(model, loss, data, parameters=chosen)
    values = {name: model.get_parameter(name).detach() for name in chosen}
    total = torch.zeros(())
    for batch in data:
        for row in range(len(batch["input_ids"])):
            one = {k: v[row : row + 1] for k, v in batch.items() if k != "labels"}

            def logits(v: dict[str, Tensor], one: Any = one) -> Tensor:
                found = functional_call(model, v, (), one).logits[0]
                return found if found.ndim == 1 else found[:-1]

            jacobian = torch.cat([j.flatten(-2) for j in jacrev(logits)(values).values()], -1)
            p = logits(values).softmax(-1)
            middle = torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)
            parts = (jacobian.mT @ middle @ jacobian).reshape(-1, *[jacobian.shape[-1]] * 2)
            total = total + parts.mean(0) / len(TOKENS)
    expected = torch.linalg.eigvalsh(total.double()).flip(0)
    found = torch.tensor(spectrum.eigenvalues).double().sort(descending=True).values
    assert len(found) == len(expected)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6 * float(expected[0]))


def test_predict_sweep_prune_and_save(
    case: tuple[nn.Module, Any, list[Any], Any], tmp_path: Path
) -> None:
    model, loss, data, parameters = case
    report = pl.predict_limit(
        model, loss, data, epsilon=0.05, parameters=parameters, tolerance=0.05, max_products=200
    )
    assert report.paper.lower <= report.paper.sparsity <= report.paper.upper
    pruned = pl.prune(model, 0.5, parameters=parameters)
    curve = pl.sweep(model, loss, data, [0.5], parameters=parameters)
    pruned.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    for name, tensor in pruned.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    inputs = [{k: v for k, v in batch.items() if k != "labels"} for batch in data]
    with torch.no_grad():
        losses = [
            float(loss(again(**rows), batch.get("labels", batch)))
            for rows, batch in zip(inputs, data, strict=True)
        ]
    assert float(curve.loss[0]) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_a_masked_model_is_fine_tuned_and_plain_again(
    case: tuple[nn.Module, Any, list[Any], Any],
) -> None:
    model, loss, data, parameters = case
    masked = pl.prune(model, 0.5, permanent=False, parameters=parameters)
    zeros = pl.prune(model, 0.5, parameters=parameters)
    made = make_permanent(trained(masked.train(), loss, data))
    assert list(made.state_dict()) == list(model.state_dict())
    for name, tensor in zeros.named_parameters():
        if tensor.ndim > 1 and bool((tensor == 0).any()) and "embedding" not in name:
            assert torch.equal(made.get_parameter(name) == 0, tensor == 0)
    assert any(
        not torch.equal(made.get_parameter(name), tensor)
        for name, tensor in zeros.named_parameters()
    )


CHECKPOINTED = ["bert.encoder.layer.0.attention.self.query.weight", "classifier.weight"]


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing(reentrant: bool) -> None:
    torch.manual_seed(0)
    model, data = bert().eval(), classified()
    plain = pl.hessian_spectrum(model, classification, data, parameters=CHECKPOINTED)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    found = pl.hessian_spectrum(model, classification, data, parameters=CHECKPOINTED)
    assert found.eigenvalues == pytest.approx(plain.eigenvalues, rel=1e-9, abs=1e-12)
    assert model.is_gradient_checkpointing
