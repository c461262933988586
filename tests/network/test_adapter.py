"""Batches and outputs as people have them give what the plain form gives."""

import copy
from collections import UserDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import prunelimit as pl
from prunelimit import PruneLimitError, pruning
from prunelimit.network.adapter import adapt
from prunelimit.network.packing import Packer
from prunelimit.network.view import ModelView, original
from prunelimit.network.world import Execution
from prunelimit.pruning import apply_masks, magnitude_mask, make_permanent

GENERATOR = torch.Generator().manual_seed(0)
X, Z = torch.randn(24, 3, generator=GENERATOR), torch.randn(24, 2, generator=GENERATOR)
Y = torch.randint(3, (24,), generator=GENERATOR)
Pair = namedtuple("Pair", ["logits", "hidden"])


@dataclass
class Data:
    logits: Tensor
    hidden: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Slotted:
    logits: Tensor
    hidden: Tensor | None = None


FORMS = {
    "tensor": lambda logits, hidden: logits,
    "tuple": lambda logits, hidden: (logits, hidden),
    "tuple with a number": lambda logits, hidden: (logits, hidden.sum(1)),
    "namedtuple": Pair,
    "dict": lambda logits, hidden: {"logits": logits, "hidden": hidden},
    "dataclass": Data,
    "dataclass with slots": Slotted,
    "namespace": lambda logits, hidden: SimpleNamespace(logits=logits, hidden=hidden),
    "nested": lambda logits, hidden: {"out": [hidden, {"logits": logits}]},
}
READ = {
    "tensor": lambda o: o,
    "tuple": lambda o: o[0],
    "tuple with a number": lambda o: o[0],
    "namedtuple": lambda o: o.logits,
    "dict": lambda o: o["logits"],
    "dataclass": lambda o: o.logits,
    "dataclass with slots": lambda o: o.logits,
    "namespace": lambda o: o.logits,
    "nested": lambda o: o["out"][1]["logits"],
}


class Two(nn.Module):
    """Two inputs, and outputs in any form."""

    def __init__(self, form: str = "tensor") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.form = form
        self.a, self.b, self.c = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor, z: Tensor) -> Any:
        hidden = torch.tanh(self.a(x) + self.b(z))
        return FORMS[self.form](self.c(hidden), hidden)


def gauss_newton(model: Two, names: list[str]) -> Tensor:
    """The dense matrix, example by example, with the softmax's own second derivative."""
    plain = copy.deepcopy(model).double()
    plain.form = "tensor"
    values = {name: plain.get_parameter(name).detach() for name in names}
    total = torch.zeros(())
    for x, z in zip(X.double(), Z.double(), strict=True):

        def outputs(v: dict[str, Tensor], x: Tensor = x, z: Tensor = z) -> Tensor:
            return functional_call(plain, v, (x[None], z[None]))[0]

        jacobian = torch.cat([j.flatten(1) for j in jacrev(outputs)(values).values()], 1)
        p = outputs(values).softmax(0)
        total = total + jacobian.T @ (p.diag() - p.outer(p)) @ jacobian / len(X)
    return total


def batches(kind: str, size: int = 8) -> Any:
    parts = list(zip(X.split(size), Z.split(size), Y.split(size), strict=True))
    return {
        "pairs of tuples": [((x, z), y) for x, z, y in parts],
        "pairs of dicts": [({"x": x, "z": z}, y) for x, z, y in parts],
        "flat": [(x, z, y) for x, z, y in parts],
        "dicts": [{"x": x, "z": z, "labels": y} for x, z, y in parts],
        "mapping": [UserDict(x=x, z=z, targets=y) for x, z, y in parts],
        "loader": DataLoader(TensorDataset(X, Z, Y), size),
    }[kind]


KINDS = ["pairs of tuples", "pairs of dicts", "flat", "dicts", "mapping", "loader"]


@pytest.mark.parametrize(
    ("kind", "form"),
    [(kind, "tensor") for kind in KINDS] + [("dicts", form) for form in FORMS],
)
def test_the_matrix_is_the_one_computed_apart(kind: str, form: str) -> None:
    model = Two(form).eval()
    read = READ[form]
    spectrum = pl.hessian_spectrum(
        model, lambda outputs, targets: F.cross_entropy(read(outputs), targets), batches(kind)
    )
    names = ["a.weight", "b.weight", "c.weight"]
    expected = torch.linalg.eigvalsh(gauss_newton(model, names)).flip(0)
    found = torch.tensor(spectrum.eigenvalues).double().sort(descending=True).values
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_every_public_call_takes_them_and_leaves_the_model_alone() -> None:
    model = Two("dict").train()
    model.c.bias.grad = torch.ones(3)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    data = batches("dicts")

    def loss(outputs: Any, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs["logits"], targets)

    shuffled = DataLoader([{"x": X[i], "z": Z[i], "labels": Y[i]} for i in range(24)], 8, True)
    report = pl.predict_limit(model, loss, data, epsilon=0.05, parameters="c.*")
    assert report.dim == 15 and report.counted.names == ("c.weight", "c.bias")  # type: ignore[union-attr]
    curve = pl.sweep(model, loss, shuffled, [0.0, 0.5], parameters="c.*")
    assert curve.kept.tolist() == [15, 7] or curve.kept.tolist() == [15, 8]
    plain = Two().eval()
    by_hand = F.cross_entropy(pl.prune(plain, 0.5, parameters="c.*")(X, Z), Y)
    assert curve.loss[1] == pytest.approx(float(by_hand.detach()), rel=1e-5)
    assert model.training and torch.equal(model.c.bias.grad, torch.ones(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert model.a.weight.grad is None


def test_forward_and_a_loss_of_the_batch() -> None:
    model = Two().eval()
    data = [{"left": x, "right": {"z": z}, "class": y} for (x, z), y in batches("pairs of tuples")]
    report = pl.predict_limit(
        model,
        lambda outputs, batch: F.cross_entropy(outputs, batch["class"]),
        data,
        epsilon=0.05,
        forward=lambda model, batch: model(batch["left"], batch["right"]["z"]),
    )
    expected = pl.predict_limit(model, F.cross_entropy, batches("dicts"), epsilon=0.05)
    assert report.paper.kept == pytest.approx(expected.paper.kept, rel=1e-6)
    assert report.loss.mean == pytest.approx(expected.loss.mean, rel=1e-6)


def test_a_loss_may_take_the_batch_or_its_labels() -> None:
    model = Two().eval()
    losses = (F.cross_entropy, lambda outputs, batch: F.cross_entropy(outputs, batch["labels"]))
    found = [pl.sweep(model, loss, batches("dicts"), [0.5]).loss for loss in losses]
    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize("form", ["tuple", "tuple with a number"])
def test_losses_of_several_outputs_count_all_of_them(form: str) -> None:
    """Cross-entropy and the square of the hidden units, or of their sum: both have a part."""
    model = Two(form).eval()

    def loss(outputs: Any, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs[0], targets) + outputs[1].square().sum() / len(targets)

    names = ["a.weight", "b.weight"]
    spectrum = pl.hessian_spectrum(model, loss, batches("dicts"), parameters=names)
    total = gauss_newton(model, names)
    plain = copy.deepcopy(model).double()
    values = {name: plain.get_parameter(name).detach() for name in names}
    for x, z in zip(X.double(), Z.double(), strict=True):

        def hidden(v: dict[str, Tensor], x: Tensor = x, z: Tensor = z) -> Tensor:
            return functional_call(plain, v, (x[None], z[None]))[1].reshape(-1)

        jacobian = torch.cat([j.flatten(1) for j in jacrev(hidden)(values).values()], 1)
        total = total + 2 * jacobian.T @ jacobian / len(X)
    assert spectrum.trace().value == pytest.approx(total.trace().item(), rel=1e-5)


def test_fine_tuning_takes_them_and_returns_the_users_kind_of_model() -> None:
    data = batches("dicts")
    model = Two("dict")

    def loss(outputs: Any, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs["logits"], targets)

    budget = pruning.FineTuning(epochs=3, learning_rate=0.1)
    masks = magnitude_mask(model, 0.5)
    tuned = pruning.finetune(model, masks, loss, data, data, budget, Execution("cpu"))
    plain = [((x, z), y) for x, z, y in batches("flat")]
    other = pruning.finetune(Two(), masks, F.cross_entropy, plain, plain, budget, Execution("cpu"))
    assert type(tuned.model) is Two and list(tuned.model.state_dict()) == list(model.state_dict())
    assert tuned.losses == pytest.approx(other.losses)
    assert all(bool((tuned.model.get_parameter(n)[~m] == 0).all()) for n, m in masks.items())


def test_the_search_takes_them_and_hands_the_users_loop_the_users_model() -> None:
    def loss(outputs: Any, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs["logits"], targets)

    kinds: list[type] = []

    def loop(masked: nn.Module) -> None:
        kinds.append(type(masked))
        assert set(masked(X, Z)) == {"logits", "hidden"}

    def search(model: nn.Module, loss: Any, data: Any, finetune: Any) -> pl.FoundLimit:
        return pl.find_limit(
            model, loss, data, epsilon=0.05, start=0.5, finetune=finetune, max_tries=3
        )

    model = Two("dict").eval()
    plain = [((x, z), y) for x, z, y in batches("flat")]
    for finetune in (loop, pruning.FineTuning(epochs=2, learning_rate=0.05)):
        found = search(model, loss, batches("dicts"), finetune)
        same = None if finetune is loop else finetune
        expected = search(Two().eval(), F.cross_entropy, plain, same or (lambda masked: None))
        assert type(found.model) is Two
        assert [t.loss for t in found.measurements] == pytest.approx(
            [t.loss for t in expected.measurements]
        )
    assert kinds and all(kind is Two for kind in kinds)


def test_what_is_plain_passes_through() -> None:
    layer, data = nn.Linear(3, 3), [(X, Y)]
    assert adapt(layer, F.cross_entropy, data) == (layer, F.cross_entropy, data)
    again = adapt(*adapt(Two(), F.cross_entropy, batches("dicts")))
    assert isinstance(again.model, ModelView) and not isinstance(again.model.inner, ModelView)


def test_a_third_entry_is_a_weight_where_it_can_be_nothing_else() -> None:
    layer = nn.Linear(3, 3)
    weighted = [(X, Y, 2.0)]
    assert adapt(layer, F.cross_entropy, weighted).loader is weighted
    inside = adapt(Two(), F.cross_entropy, [((X, Z), Y, torch.tensor(2.0))])
    assert float(next(iter(inside.loader))[2]) == 2.0

    class Open(nn.Module):
        def forward(self, x: Tensor | None = None, z: Tensor | None = None) -> Tensor:
            raise AssertionError("never called")

    with pytest.raises(PruneLimitError, match="ambiguous for Open"):
        adapt(Open(), F.cross_entropy, [(X, Z, Y)])


def test_masks_on_a_view_are_masks_on_the_model() -> None:
    model = Two("dict")
    view = adapt(model, lambda o, t: F.cross_entropy(o["logits"], t), batches("dicts")).model
    apply_masks(view, magnitude_mask(view, 0.5))
    assert int((model.a.weight == 0).sum()) > 0
    twin = copy.deepcopy(view)
    make_permanent(twin)
    assert original(view) is model and list(original(twin).state_dict()) == list(Two().state_dict())
    assert "parametrizations" in next(iter(model.state_dict().keys() - Two().state_dict().keys()))


@pytest.mark.parametrize(
    ("data", "loss", "said"),
    [
        ([X], F.cross_entropy, r"not a pair \(inputs, targets\)"),
        ([{"x": X, "z": Z[:5], "labels": Y}], F.cross_entropy, "z 5"),
        ([{"x": X, "z": Z, "labels": Y, "name": [object()]}], F.cross_entropy, "entry name"),
        ([{"x": X, "w": Z, "labels": Y}], F.cross_entropy, "unexpected keyword argument 'w'"),
        ([{"x": X, "z": Z, "labels": Y}], lambda o, t: torch.ones(()), "does not depend"),
    ],
)
def test_other_batches_are_refused_with_the_remedy(data: Any, loss: Any, said: str) -> None:
    with pytest.raises(PruneLimitError, match=said):
        pl.predict_limit(Two().eval(), loss, data, epsilon=0.1)


def test_a_loss_that_the_model_computed_is_refused() -> None:
    class Own(Two):
        def forward(self, x: Tensor, z: Tensor, labels: Tensor | None = None) -> Any:
            logits = super().forward(x, z)
            return {"logits": logits, "loss": F.cross_entropy(logits, labels)}

    def forward(model: nn.Module, batch: Any) -> Any:
        return model(**batch)

    with pytest.raises(PruneLimitError, match="hides its curvature"):
        pl.predict_limit(
            Own().eval(), lambda o, b: o["loss"], batches("dicts"), epsilon=0.1, forward=forward
        )


def test_packing_is_exact_for_every_kind_of_number() -> None:
    packer = Packer()
    tree = {
        "half": torch.randn(4, 3).half(),
        "double": torch.tensor([[1e-300], [float("inf")], [-0.0], [3.0]], dtype=torch.float64),
        "bytes": torch.randint(256, (4, 2, 2), dtype=torch.uint8),
        "long": torch.tensor([2**62, -1, 0, 1]),
        "flags": torch.tensor([True, False, True, True]),
        "complex": torch.randn(4, 2, dtype=torch.complex64),
        "fixed": (None, 3, "word"),
    }
    rows = packer.pack(tree, "batch 0")
    other = packer.pack({"long": torch.zeros(2, 7, dtype=torch.long)}, "batch 1")
    found = packer.unpack(rows[1:3])
    for name, value in tree.items():
        if isinstance(value, Tensor):
            assert found[name].dtype == value.dtype and torch.equal(found[name], value[1:3])
    assert found["fixed"] == (None, 3, "word")
    assert packer.unpack(other)["long"].shape == (2, 7)


class Kept(nn.Module):
    """Outputs with a mask over the examples, and more that a loss may read without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    def forward(self, inputs: Tensor) -> dict[str, Any]:
        found = self.layers(inputs)
        return {
            "found": found,
            "mask": inputs[:, 0] > 0,
            "group": (inputs[:, 1] > 0).long() * 70_000,
            "scale": 2.0,
            "all": found.sum(),
            "size": found[:, 0].abs(),
        }


def of_the_kept(outputs: dict[str, Any], targets: Tensor) -> Tensor:
    keep = outputs["mask"]
    return F.mse_loss(outputs["found"][keep], targets[keep])


def test_a_mask_that_the_loss_reads_without_a_gradient_counts() -> None:
    model, data = Kept(), list(zip(X.split(6), Z.split(6), strict=True))
    keep = X[:, 0] > 0
    report = pl.predict_limit(model, of_the_kept, data, epsilon=0.1)
    apart = pl.predict_limit(model.layers, F.mse_loss, [(X[keep], Z[keep])], epsilon=0.1)
    assert report.loss.mean == pytest.approx(apart.loss.mean, rel=1e-6)
    ours, theirs = (r.spectrum.effective_dimension(0.1).value for r in (report, apart))
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert pl.sweep(model, of_the_kept, data, [0.0]).loss == pytest.approx([apart.loss.mean])


@pytest.mark.parametrize(
    "loss",
    [
        lambda o, t: F.mse_loss(o["found"] * (o["scale"] or 1.0), t),
        lambda o, t: ((o["group"] == 70_000)[:, None] * (o["found"] - t)).square().mean(),
    ],
)
def test_constants_and_whole_numbers_reach_the_loss_as_they_are(loss: Any) -> None:
    model, data = Kept(), list(zip(X.split(6), Z.split(6), strict=True))
    direct = float(torch.stack([loss(model(x), z) for x, z in data]).mean())
    view, packed, loader = adapt(model, loss, data)
    found = torch.stack([packed(view(x), z) for x, z in loader]).mean()
    assert float(found) == pytest.approx(direct, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda o, t: F.mse_loss(o["found"], t) * o["all"].detach(), "all of shape .*by example"),
        (
            lambda o, t: F.mse_loss(o["found"], t) + (o["size"].mean() if t[0, 0] < 0 else 0.0),
            "reads output size, which it did not read of the first batch",
        ),
        (
            lambda o, t: (
                F.mse_loss(o["found"], t) + (F.relu(o["size"]).mean() if t[0, 0] < 0 else 0)
            ),
            "reads output size, which",
        ),
    ],
)
def test_what_cannot_be_handed_to_the_loss_is_refused(loss: Any, said: str) -> None:
    data = list(zip(X.split(6), Z.split(6), strict=True))
    data = sorted(data, key=lambda pair: -float(pair[1][0, 0]))
    assert float(data[0][1][0, 0]) > 0 > float(data[-1][1][0, 0])
    with pytest.raises(PruneLimitError, match=said):
        pl.predict_limit(Kept(), loss, data, epsilon=0.1)


def test_a_constant_that_changes_and_numbers_that_do_not_fit_are_refused() -> None:
    class Counting(Kept):
        calls = 0

        def forward(self, inputs: Tensor) -> dict[str, Any]:
            self.calls += 1
            return super().forward(inputs) | {"scale": float(self.calls), "group": inputs[:, 0] > 9}

    data = list(zip(X.split(6), Z.split(6), strict=True))
    view, _, loader = adapt(Counting().eval(), of_the_kept, data)
    assert len([view(inputs) for inputs, _ in loader]) == 4  # the loss does not read it
    view, _, loader = adapt(
        Counting().eval(), lambda o, t: F.mse_loss(o["found"] * (o["scale"] or 1.0), t), data
    )
    with pytest.raises(PruneLimitError, match="output scale, which changes from batch to batch"):
        [view(inputs) for inputs, _ in loader]

    class Large(Kept):
        def forward(self, inputs: Tensor) -> dict[str, Any]:
            return super().forward(inputs) | {"group": torch.full((len(inputs),), 2**40 + 1)}

    with pytest.raises(PruneLimitError, match="output group holds numbers that do not fit"):
        adapt(Large(), lambda o, t: (o["found"] - t + (o["group"] == 0)[:, None]).mean(), data)


SAME_LOSS = {
    "plain": lambda o, t: F.mse_loss(o["found"], t),
    "logged": lambda o, t: F.mse_loss(o["found"], t) + 0.0 * o["hidden"].detach().sum(),
    "masked": lambda o, t: (o["ones"] * (o["found"] - t).square()).mean(),
    "divided": lambda o, t: (o["found"] - t).square().sum() / o["hidden"].shape[0] / 2,
    "counted": lambda o, t: (o["found"] - t).square().sum() / len(o["hidden"]) / 2,
    "asked": lambda o, t: F.mse_loss(o["found"], t) * isinstance(o["hidden"], Tensor),
    "said": lambda o, t: F.mse_loss(o["found"], t) * (len(f"{o['name']:5s}") == 5),
}


@pytest.mark.parametrize("loss", SAME_LOSS)
def test_what_is_read_without_the_weights_changes_no_report(loss: str) -> None:
    """The same loss in other words: also the number of answers is the same."""

    class Wordy(Kept):
        def forward(self, inputs: Tensor) -> dict[str, Any]:
            hidden = self.layers[1](self.layers[0](inputs))
            ones = torch.ones(len(inputs), 1)
            plain = {"found": self.layers[2](hidden), "hidden": hidden, "ones": ones}
            return plain | {"name": "rows", "count": len(inputs), "cache": object()}

    data = list(zip(X.split(6), Z.split(6), strict=True))
    report = pl.predict_limit(Wordy(), SAME_LOSS[loss], data, epsilon=0.1)
    plain = pl.predict_limit(Kept().layers, F.mse_loss, data, epsilon=0.1)
    assert report.outputs == plain.outputs == 2
    assert report.paper.sparsity == pytest.approx(plain.paper.sparsity, rel=1e-6)
    assert float(report.expected.sparsity) == pytest.approx(float(plain.expected.sparsity))


def test_an_output_that_has_no_rows_is_named_where_the_loss_uses_it() -> None:
    class Caching(Kept):
        def forward(self, inputs: Tensor) -> dict[str, Any]:
            return super().forward(inputs) | {"cache": {1, 2}}

    data = list(zip(X.split(6), Z.split(6), strict=True))
    with pytest.raises(PruneLimitError, match="output cache, a set, which has no rows"):
        pl.predict_limit(
            Caching(), lambda o, t: F.mse_loss(o["found"], t) * len(o["cache"]), data, epsilon=0.1
        )


ROWS = torch.cat([X[:12] * torch.tensor([0.0, 1.0, 1.0]) - 1, X[:12] + torch.tensor([9.0, 0, 0])])


class Forked(nn.Module):
    """An output that is there, or depends on the weights, at some examples only."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.kind = nn.Linear(3, 4), kind

    def forward(self, inputs: Tensor) -> dict[str, Any]:
        found = self.layer(inputs)
        far = inputs[:, 0] > 5
        if self.kind == "none":
            return {"found": found, "more": found[:, 0] if far.any() else None}
        if self.kind == "absent":
            return {"found": found} | ({"more": found[:, 0]} if far.any() else {})
        if self.kind == "longer":
            return {"found": found, "more": [found] * (1 + int(far.any()))}
        more = torch.zeros(len(inputs), dtype=found.dtype)
        if self.kind == "unfixed" and far.any():
            more[far] = found[far, 0]
        return {"found": found, "more": more} | (
            {"far": bool(far.any())} if self.kind == "constant" else {}
        )


def of_forked(outputs: dict[str, Any], targets: Tensor) -> Tensor:
    loss, more = F.cross_entropy(outputs["found"], targets), outputs.get("more")
    if isinstance(more, list):
        return loss + sum(F.cross_entropy(one, targets) for one in more)
    if outputs.get("far", False) == True:  # noqa: E712 - as people write it
        loss = 2 * loss
    return loss if more is None else loss + (more - 1).square().mean()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("none", "more is there in some batches and not in others"),
        ("absent", "more is there in some batches and not in others"),
        ("longer", "more.1 is there in some batches and not in others"),
        ("unfixed", "more depends on the weights at some examples"),
        ("constant", "far, which changes from batch to batch, False to 'True'"),
    ],
)
def test_outputs_that_other_batches_have_otherwise_are_refused(kind: str, said: str) -> None:
    data = [(ROWS[:12], Y[:12]), (ROWS[12:], Y[:12])]
    with pytest.raises(PruneLimitError, match=said):
        pl.predict_limit(Forked(kind), of_forked, data, epsilon=0.1)


def test_a_gradient_that_begins_with_a_later_batch_counts() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 1)

        def forward(self, inputs: Tensor) -> dict[str, Tensor]:
            return {"found": self.first(inputs), "more": self.second(inputs)}

    def loss(outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        found = F.cross_entropy(outputs["found"], targets, reduction="none")
        keep, more = targets > 0, outputs["more"]
        if more.shape[0] > 0 and keep.any():
            found = found + keep * more.squeeze(1).square()
        return found.mean()

    model, order = Two(), Y.argsort()
    data = [(X[order][:6], Y[order][:6]), (X[order][6:], Y[order][6:])]
    assert int(data[0][1].max()) == 0 < int(data[1][1].max())
    traces = [pl.hessian_spectrum(model, loss, rows).trace().value for rows in (data, data[::-1])]
    assert traces[0] == pytest.approx(traces[1], rel=1e-9)


def test_a_loss_that_keeps_what_it_was_given_is_refused() -> None:
    class Keeping:
        calls, kept = 0, None

        def __call__(self, outputs: dict[str, Any], targets: Tensor) -> Tensor:
            self.calls += 1
            if self.calls == 2:
                self.kept = outputs["size"]
            found = F.mse_loss(outputs["found"], targets)
            return found if self.kept is None else found + (outputs["size"] - self.kept).sum()

    data = list(zip(X.split(6), Z.split(6), strict=True))
    with pytest.raises(PruneLimitError, match="from one call to the next"):
        adapt(Kept(), Keeping(), data)


def test_a_model_may_return_less_in_training_than_in_eval_mode() -> None:
    class Caching(Kept):
        def forward(self, inputs: Tensor) -> dict[str, Any]:
            found = {"found": self.layers(inputs), "cache": None if self.training else object()}
            return found if self.training else found | {"size": inputs[:, 0]}

    data = list(zip(X.split(6), Z.split(6), strict=True))
    budget = pl.FineTuning(epochs=1, learning_rate=1e-3)
    asked = {"epsilon": 0.2, "start": 0.3, "finetune": budget, "max_tries": 1}

    def loss(outputs: dict[str, Any], targets: Tensor) -> Tensor:
        return F.mse_loss(outputs["found"], targets)

    found = pl.find_limit(Caching().eval(), loss, data, **asked)
    plain = pl.find_limit(Kept().layers, F.mse_loss, data, **asked)
    assert found.tries == plain.tries

    def of_size(outputs: dict[str, Any], targets: Tensor) -> Tensor:
        return loss(outputs, targets) + 0 * outputs["size"].sum()

    with pytest.raises(PruneLimitError, match="in training the outputs have no size"):
        pl.find_limit(Caching().eval(), of_size, data, **asked)
