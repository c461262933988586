"""Models and losses as people have them: the right matrix, or a refusal with its remedy."""

from __future__ import annotations

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from dense_support import dense_ggn, dense_hessian
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, TensorDataset

from prunelimit.errors import PruneLimitError
from prunelimit.network.checks import check_model
from prunelimit.spectrum import CurvatureOperator, GramOperator, Workspace, hessian_spectrum
from prunelimit.spectrum.gate import check_consistency

CLASS_WEIGHTS = torch.tensor([0.2, 3.0, 1.0], dtype=torch.float64)


class Network(nn.Module):
    """Two layers, applied to the last dimension."""

    def __init__(self, last: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Linear(4, 5).double(), nn.Linear(5, 3).double()
        self.last = nn.Identity() if last is None else last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(torch.tanh(self.first(x))))


class Tagger(Network):
    """``(n, tokens, 4)`` to ``(n, 3, tokens)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).mT


class Flat(Network):
    """``(n, tokens, 4)`` to ``(n tokens, 3)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).flatten(0, 1)


def draw(sizes, *shape: int, ignored: tuple[int, ...] = ()):
    generator = torch.Generator().manual_seed(0)
    data = []
    for position, n in enumerate(sizes):
        x = torch.randn(n, *shape, 4, generator=generator, dtype=torch.float64)
        t = torch.randint(3, (n, *shape), generator=generator)
        if ignored:
            t[:, shape[0] - ignored[position] :] = -100
        data.append((x, t))
    return data


def together(model: nn.Module, data):
    return model(torch.cat([x for x, _ in data])), torch.cat([t for _, t in data])


def close(found: torch.Tensor, right: torch.Tensor) -> None:
    assert float(right.norm()) > 1e-3
    torch.testing.assert_close(found, right, rtol=1e-8, atol=1e-11)


# -------------------------------------------------------------- log-probabilities
def kl(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    soft = 0.8 * F.one_hot(targets, 3).double() + 0.2 / 3
    return F.kl_div(outputs, soft, reduction="batchmean")


@pytest.mark.parametrize(
    "loss_fn", [F.nll_loss, nn.NLLLoss(weight=CLASS_WEIGHTS), kl], ids=["nll", "weighted", "kl"]
)
def test_log_probabilities_are_taken_as_logits(loss_fn) -> None:
    data = draw((6, 3, 5))
    operator = CurvatureOperator(Network(nn.LogSoftmax(1)), loss_fn, data)
    plain = Network()
    logits, targets = together(plain, data)
    right = dense_ggn(plain, logits, lambda z: loss_fn(z.log_softmax(1), targets))
    close(operator.dense(), right)
    check_consistency(operator)
    assert any("log-probabilities" in note for note in operator.notes)
    direct = Network(nn.LogSoftmax(1))
    hessian = CurvatureOperator(direct, loss_fn, data, "hessian").dense()
    close(hessian, dense_hessian(direct, lambda: loss_fn(*together(direct, data))))


def test_log_probabilities_of_tokens() -> None:
    data = draw((4, 2), 6)
    operator = CurvatureOperator(Tagger(nn.LogSoftmax(-1)), F.nll_loss, data)
    plain = Tagger()
    logits, targets = together(plain, data)
    close(operator.dense(), dense_ggn(plain, logits, lambda z: F.cross_entropy(z, targets)))


def test_losses_without_curvature_are_refused() -> None:
    data = [(x, F.one_hot(t, 3).double()) for x, t in draw((6, 3))]
    for kind in ("ggn", "hessian"):
        with pytest.raises(PruneLimitError, match="smooth_l1_loss"):
            CurvatureOperator(Network(), F.l1_loss, data, kind)
    labels = draw((6, 3))
    with pytest.raises(PruneLimitError, match="kinks"):
        CurvatureOperator(Network(), F.multi_margin_loss, labels)
    CurvatureOperator(Network(), F.smooth_l1_loss, data)


class OwnLoss(Network):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).square().sum(-1).sqrt().mean()


def test_a_model_that_returns_its_own_loss() -> None:
    data, model = draw((6, 3)), OwnLoss()
    with pytest.raises(PruneLimitError, match=r"linear.*policy='abs'"):
        CurvatureOperator(model, lambda loss, _: loss, data)
    operator = CurvatureOperator(model, lambda loss, _: loss, data, "hessian")
    close(operator.dense(), dense_hessian(model, lambda: together(model, data)[0]))


# ------------------------------------------------------------ weights of batches
def lm(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs[..., :-1], targets[:, 1:])


WEIGHED = {
    "class weights": (Network, nn.CrossEntropyLoss(weight=CLASS_WEIGHTS), draw((6, 3, 5))),
    "ignored": (Tagger, F.cross_entropy, draw((3, 4, 2), 6, ignored=(4, 0, 6))),
    "language model": (Tagger, lm, draw((3, 4), 6, ignored=(4, 1))),
}


@pytest.mark.parametrize("name", WEIGHED)
@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("kind", ["ggn", "hessian"])
def test_the_matrix_is_that_of_the_mean_over_all_terms(name: str, chunk, kind: str) -> None:
    build, loss_fn, data = WEIGHED[name]
    model = build()
    outputs, targets = together(model, data)
    operator = CurvatureOperator(model, loss_fn, data, kind, workspace=Workspace(chunk=chunk))
    assert operator.loss == pytest.approx(float(loss_fn(outputs, targets).detach()), rel=1e-9)
    if kind == "ggn":
        right = dense_ggn(model, outputs, lambda z: loss_fn(z, targets))
    else:
        right = dense_hessian(model, lambda: loss_fn(*together(model, data)))
    close(operator.dense(), right)
    gradient = torch.autograd.grad(loss_fn(outputs, targets), list(operator.parameters.values()))
    close(operator.gradient(), torch.cat([g.reshape(-1) for g in gradient]))


def test_given_weights_define_the_mean() -> None:
    data = draw((6, 3))
    weights = [torch.rand(len(x), dtype=torch.float64) + 0.5 for x, _ in data]
    model, loss_fn = Network(), F.cross_entropy
    per_batch = [(x, t, float(w.sum())) for (x, t), w in zip(data, weights, strict=True)]
    operator = CurvatureOperator(model, loss_fn, per_batch, "hessian", workspace=Workspace(chunk=2))
    shares = torch.stack([w.sum() for w in weights])
    shares = shares / shares.sum()
    right = sum(
        share * dense_hessian(model, lambda x=x, t=t: loss_fn(model(x), t))
        for share, (x, t) in zip(shares, data, strict=True)
    )
    close(operator.dense(), right)


# -------------------------------------------------------------------- Gram form
@pytest.mark.parametrize("build", [Tagger, Flat])
def test_gram_form_of_ragged_and_flattened_outputs(build) -> None:
    short, long = draw((3,), 4), draw((2,), 7)
    data = short + long

    def loss_fn(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs, targets if build is Tagger else targets.flatten())

    operator = CurvatureOperator(build(), loss_fn, data)
    gram = GramOperator(operator)
    assert gram.dim == 3 * (3 * 4 + 2 * 7)
    check_consistency(operator, gram)
    model = Network()
    logits = model(torch.cat([x.flatten(0, 1) for x, _ in data]))
    targets = torch.cat([t.flatten() for _, t in data])
    right = dense_ggn(model, logits, lambda z: F.cross_entropy(z, targets))
    close(operator.dense(), right)
    values = torch.linalg.eigvalsh(gram.dense())[-operator.dim :].numpy()
    np.testing.assert_allclose(values, torch.linalg.eigvalsh(right)[-len(values) :], atol=1e-12)


def test_blocks_of_the_loss_stay_small_for_images_of_labels() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 1)).double()
    x, t = torch.randn(3, 1, 8, 8).double(), torch.randint(3, (3, 8, 8))
    operator = CurvatureOperator(model, F.cross_entropy, [(x, t)])
    assert operator.output_width() == 3  # of 192 outputs
    close(operator.dense(), _by_examples(model, x, t))
    squares = CurvatureOperator(model, F.mse_loss, [(x, torch.zeros(3, 3, 8, 8).double())])
    assert squares.output_width() == 1


def _by_examples(model: nn.Module, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return sum(
        dense_ggn(model, model(x[i : i + 1]), lambda z, i=i: F.cross_entropy(z, t[i : i + 1]))
        for i in range(len(x))
    ) / len(x)


def test_matrices_that_do_not_fit_are_refused_before_they_are_made() -> None:
    with pytest.raises(PruneLimitError, match="GiB"):
        hessian_spectrum(Network(), F.cross_entropy, draw((6, 3)), method="dense", memory=1000)
    with pytest.raises(PruneLimitError, match="GiB"):
        hessian_spectrum(Network(), F.cross_entropy, draw((6, 3)), method="gram", memory=100)


# ------------------------------------------------------ gradients and the gate
class Spare(Network):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(9, 9).double()


class Reentrant(Network):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = checkpoint(lambda z: torch.tanh(self.first(z)), x, use_reentrant=True)
        return self.second(hidden)


class DeepReentrant(Network):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return checkpoint(self.second, torch.tanh(self.first(x)), use_reentrant=True)


class Detached(Network):
    """Half of the path is cut."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.first(x))
        return self.second(0.5 * hidden + 0.5 * hidden.detach())


class Leaving(torch.autograd.Function):
    """tanh whose backward is right and leaves the graph."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        ctx.kept = x.detach()
        return x.tanh()

    @staticmethod
    def backward(ctx, slope: torch.Tensor) -> torch.Tensor:
        return (slope * (1 - ctx.kept.tanh() ** 2)).detach()


class Once(Leaving):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope: torch.Tensor) -> torch.Tensor:
        return slope * (1 - ctx.kept.tanh() ** 2)


def through(function: type[torch.autograd.Function]) -> nn.Module:
    class Through(Network):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(function.apply(self.first(x)))

    return Through()


@pytest.mark.filterwarnings("ignore:.*requires_grad=True.*")
@pytest.mark.parametrize("policy", ["ggn", "abs"])
@pytest.mark.parametrize(
    ("model", "match"),
    [
        (Spare(), r"spare.weight \(81 of 116 weights\).*not used"),
        (Reentrant(), r"no gradient reaches first.weight.*use_reentrant=False"),
        (DeepReentrant(), "reentrant"),
        (Detached(), "gradient is not the derivative"),
        (through(Leaving), "differ"),
        (through(Once), "differentiated twice|differ"),
    ],
    ids=["spare", "reentrant", "deep reentrant", "detached", "leaving", "once"],
)
def test_lost_gradients_are_named(model: nn.Module, match: str, policy: str) -> None:
    with pytest.raises(PruneLimitError, match=match):
        hessian_spectrum(model, F.cross_entropy, draw((6, 3)), policy)


class Single(Network):
    """Works in float32 alone, so that no wider copy can be made."""

    def __init__(self, function: type[torch.autograd.Function], share: float = 1.0) -> None:
        super().__init__()
        self.float()
        self.function, self.share = function, share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x.float())
        kept = hidden * self.share + hidden.detach() * (1 - self.share)
        return self.second(self.function.apply(kept))


class Tanh(Leaving):
    @staticmethod
    def backward(ctx, slope: torch.Tensor) -> torch.Tensor:
        return slope * (1 - ctx.saved_tensors[0].tanh() ** 2)

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.tanh()


class Steeper(Tanh):
    """Its slope is a tenth too large."""

    @staticmethod
    def backward(ctx, slope: torch.Tensor) -> torch.Tensor:
        return 1.1 * Tanh.backward(ctx, slope)


@pytest.mark.parametrize(
    ("model", "policy"),
    [
        (Single(Leaving), "abs"),
        (Single(Steeper), "abs"),
        (Single(Steeper), "ggn"),
        (Single(Tanh, share=0.8), "abs"),
        (Single(Tanh, share=0.8), "ggn"),
    ],
    ids=["leaving abs", "steeper abs", "steeper ggn", "a fifth cut abs", "a fifth cut ggn"],
)
def test_small_faults_show_where_no_wider_copy_can_be_made(model: nn.Module, policy: str) -> None:
    with pytest.raises(PruneLimitError, match="differ"):
        hessian_spectrum(model, F.cross_entropy, draw((6, 3)), policy)


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_what_works_in_its_own_precision_alone_passes(kind: str) -> None:
    model = Single(Tanh)
    data = draw((6, 3))
    operator = CurvatureOperator(model, F.cross_entropy, data, kind, dtype=torch.float64)
    assert "own float32" in operator.notes[0]
    check_consistency(operator)
    plain = copy.deepcopy(model).double()
    plain.forward = lambda x: plain.second(plain.first(x).tanh())  # type: ignore[method-assign]
    outputs, targets = together(plain, data)
    right = (
        dense_hessian(plain, lambda: F.cross_entropy(outputs, targets))
        if kind == "hessian"
        else dense_ggn(plain, outputs, lambda z: F.cross_entropy(z, targets))
    )
    torch.testing.assert_close(operator.dense().double(), right, rtol=1e-4, atol=1e-6)


def test_a_saturated_loss_passes_the_gate() -> None:
    model = Network()
    data = [(x, model(x).argmax(1)) for x, _ in draw((6, 3))]
    for parameter in model.second.parameters():
        parameter.data.mul_(1e4)  # curvature of about exp(-500) at most of the examples
    operator = CurvatureOperator(model, F.cross_entropy, data)
    check_consistency(operator)
    assert float(operator.dense().abs().max()) < 1e-50


def test_a_last_layer_of_zeros_passes_the_gate() -> None:
    model = Network()
    nn.init.zeros_(model.second.weight)
    nn.init.zeros_(model.second.bias)
    data = draw((6, 3))
    outputs, targets = together(model, data)
    right = torch.linalg.eigvalsh(dense_ggn(model, outputs, lambda z: F.cross_entropy(z, targets)))
    found = hessian_spectrum(model, F.cross_entropy, data).eigenvalues
    assert found == pytest.approx(right.clamp_min(0).tolist(), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("method", ["dense", "lanczos"])
@pytest.mark.parametrize("kind", ["relu", "float32 relu", "pool"])
@pytest.mark.parametrize("policy", ["ggn", "abs"])
def test_the_gate_lets_good_models_pass(kind: str, method: str, policy: str) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(4, 30), nn.ReLU(), nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 3)]
    if kind == "pool":
        layers[1] = nn.Sequential(nn.Unflatten(1, (3, 10)), nn.MaxPool1d(2), nn.Flatten())
        layers[2] = nn.Linear(15, 20)
    model = nn.Sequential(*layers)
    data = draw((40, 30))
    if kind == "float32 relu":
        data = [(x.float(), t) for x, t in data]
    else:
        model = model.double()
    hessian_spectrum(model, F.cross_entropy, data, policy, method=method, max_products=3)


# ------------------------------------------------------------------ moving data
class Noisy(Dataset):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int):
        return torch.randn(4, dtype=torch.float64), index % 3


def test_data_that_move() -> None:
    x, t = (torch.cat(part) for part in zip(*draw((6, 6)), strict=True))
    shuffled = DataLoader(TensorDataset(x, t), 4, shuffle=True)
    operators = [CurvatureOperator(Network(), F.cross_entropy, shuffled) for _ in range(2)]
    assert operators[0].loss == operators[1].loss
    assert any("shuffles" in note for note in operators[0].notes)
    close(operators[0].dense(), operators[1].dense())
    with pytest.raises(PruneLimitError, match="list"):
        CurvatureOperator(Network(), F.cross_entropy, DataLoader(Noisy(), 4))


class Restless(Network):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.dropout(x, 0.5, training=True))


def test_noise_that_stays_on() -> None:
    with pytest.raises(PruneLimitError, match=r"stays on in eval mode"):
        CurvatureOperator(Restless(), F.cross_entropy, draw((6, 3)))


# ---------------------------------------------------------------- one sentence
def test_sparse_gradients_are_named() -> None:
    model = nn.Sequential(nn.Embedding(3, 4, sparse=True), nn.Linear(4, 3))
    data = [(torch.arange(6) % 3, torch.arange(6) // 2)]
    for policy in ("ggn", "abs"):
        with pytest.raises(PruneLimitError, match="sparse=False"):
            hessian_spectrum(model, F.cross_entropy, data, policy, parameters="*.weight")


def test_models_without_numbers_get_one_sentence_each() -> None:
    with torch.inference_mode():
        born = nn.Linear(2, 2)
        with pytest.raises(PruneLimitError, match="outside of it"):
            check_model(nn.Linear(2, 2))
    meta = nn.Linear(2, 2, device="meta")
    for model, match in [
        (born, "inference_mode"),
        (meta, "to_empty"),
        (nn.LazyLinear(2), "one batch before"),
        (torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), "TorchScript"),
        (torch.ao.nn.quantized.Linear(2, 2), "quantis"),
        ("network", "torch.nn.Module"),
    ]:
        with pytest.raises(PruneLimitError, match=match):
            check_model(model)


def test_half_precision_is_computed_in_single_and_said() -> None:
    half = copy.deepcopy(Network()).bfloat16()
    data = [(x.bfloat16(), t) for x, t in draw((6, 3))]
    spectrum = hessian_spectrum(half, F.cross_entropy, data, method="lanczos")
    assert any("bfloat16" in note for note in spectrum.notes)
    assert half.first.weight.dtype == torch.bfloat16


def test_a_transformer_s_matrix_comes_from_its_jacobians() -> None:
    """Token by token a weight is used many times: columns would cost a pass of the data each."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 8, dropout=0.0, batch_first=True)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = layer, nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.layer(x).mean(1))

    model = Encoder().double().eval()
    x, t = torch.randn(7, 5, 8).double(), torch.randint(3, (7,))
    operator = CurvatureOperator(model, F.cross_entropy, [(x, t)])
    found = operator.dense()
    assert operator.products < 2  # of 216
    close(found, dense_ggn(model, _twice_differentiable(model, x), lambda z: F.cross_entropy(z, t)))


def _twice_differentiable(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return model(x)


class Remembering(Network):
    """Keeps its hidden activations for the loss."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.hidden = torch.tanh(self.first(x))
        return self.second(self.hidden)


def with_activations(model: Remembering, outputs: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, t) + 0.3 * model.hidden.square().mean()


def test_a_loss_that_reads_activations_past_the_outputs() -> None:
    model, data = Remembering(), draw((6, 3))
    loss_fn = partial(with_activations, model)
    with pytest.raises(PruneLimitError, match="past the outputs.*activations"):
        hessian_spectrum(model, loss_fn, data)
    found = CurvatureOperator(model, loss_fn, data, "hessian").dense()
    outputs, targets = together(model, data)
    close(found, dense_hessian(model, lambda: loss_fn(outputs, targets)))


def test_log_probabilities_under_a_curved_loss_are_outputs_like_others() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(1)).double()
    inputs, targets = torch.randn(40, 4).double(), torch.randn(40, 3).double().log_softmax(1)
    right = dense_ggn(model, model(inputs), lambda z: F.mse_loss(z, targets))
    found = hessian_spectrum(model, F.mse_loss, [(inputs, targets)])
    assert found.trace().value == pytest.approx(float(right.trace()), rel=1e-8)
    assert not any("cross-entropy" in note for note in found.notes)


@pytest.mark.parametrize("more", [0.0, 1e-12, 1e-3])
def test_a_curvature_that_is_next_to_none_does_not_hide_the_last_layers(more: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(1)).double()
    inputs, targets = torch.randn(40, 4).double(), torch.randint(3, (40,))

    def loss(outputs: Tensor, truth: Tensor) -> Tensor:
        return F.nll_loss(outputs, truth) + more * outputs.square().mean()

    found = hessian_spectrum(model, loss, [(inputs, targets)])
    plain = hessian_spectrum(model[0], F.cross_entropy, [(inputs, targets)])
    assert found.trace().value == pytest.approx(plain.trace().value, rel=1e-6 + 10 * more)
    assert any("log-probabilities" in note for note in found.notes)


def mixed(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of labels and of a teacher at another temperature, whose slopes add up to 0."""
    soft = F.kl_div((outputs / 2).log_softmax(1), (targets / 2).softmax(1), reduction="batchmean")
    return 0.5 * F.nll_loss(outputs, targets.argmax(1)) + 2.0 * soft


def ignoring(outputs: Tensor, targets: Tensor) -> Tensor:
    keep = (targets.argmax(1) > 0).to(outputs)
    return (keep * F.nll_loss(outputs, targets.argmax(1), reduction="none")).sum() / keep.sum()


@pytest.mark.parametrize("loss", [mixed, ignoring])
def test_log_probabilities_are_logits_whatever_the_mix_and_the_first_batch(loss) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(1)).double()
    inputs, targets = torch.randn(40, 4).double(), 2 * torch.randn(40, 3).double()
    order = targets.argmax(1).argsort()
    first = int((targets.argmax(1) == 0).sum())
    inputs, targets = inputs[order], targets[order]
    data = [(inputs[:first], targets[:first]), (inputs[first:], targets[first:])]

    def at_logits(outputs: Tensor, truth: Tensor) -> Tensor:
        return loss(outputs.log_softmax(1), truth)

    found = hessian_spectrum(model, loss, data).trace().value
    assert found == pytest.approx(hessian_spectrum(model[0], at_logits, data).trace().value)


def test_log_probabilities_beside_another_output_are_refused() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 3), nn.Linear(4, 1)

        def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
            return self.first(inputs).log_softmax(1), self.second(inputs)

    def loss(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        return F.nll_loss(outputs[0], targets) + outputs[1].square().mean()

    torch.manual_seed(0)
    data = [(torch.randn(20, 4), torch.randint(3, (20,)))]
    with pytest.raises(PruneLimitError, match="output 0 is log-probabilities beside"):
        hessian_spectrum(Two(), loss, data)
    assert hessian_spectrum(Two(), loss, data, policy="abs").trace().value > 0


@pytest.mark.parametrize("hidden", [-1e4, -1e9, -1e30, -math.inf])
def test_outputs_that_are_masked_have_no_say(hidden: float) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()

        def forward(self, inputs: Tensor) -> Tensor:
            return self.layers(inputs).masked_fill(torch.tensor([False, False, True]), hidden)

    model = Masked()
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(30, 4, generator=generator).double()
    targets = torch.randint(2, (30,), generator=generator)
    found = hessian_spectrum(model, F.cross_entropy, [(inputs, targets)]).trace().value
    two = nn.Sequential(*model.layers[:2], nn.Linear(5, 2)).double()
    with torch.no_grad():
        two[2].weight.copy_(model.layers[2].weight[:2])
        two[2].bias.copy_(model.layers[2].bias[:2])
    right = hessian_spectrum(two, F.cross_entropy, [(inputs, targets)]).trace().value
    assert found == pytest.approx(right, rel=1e-9)


def test_a_smooth_loss_is_found_whatever_the_order_of_the_data() -> None:
    def squared_hinge(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.relu(1 - outputs * targets).square().mean()

    layer = nn.Linear(2, 1, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.5]]))
    inputs = torch.linspace(5.0, 0.1, 80).double()[:, None].repeat(1, 2)
    targets = torch.ones(80, 1).double()
    found = hessian_spectrum(layer, squared_hinge, [(inputs, targets)]).trace().value
    bent = 1 - (layer(inputs) * targets).detach() > 0
    right = float((2 * inputs.square().sum(1, keepdim=True) * bent).mean())
    assert 0 < int(bent.sum()) < 20 and found == pytest.approx(right)
