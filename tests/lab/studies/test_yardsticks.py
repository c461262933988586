"""Other yardsticks: SGD under many masks against torch's own, and thresholds that must agree."""

import copy

import pytest
import torch

from prunelimit.lab.studies import curves, yardsticks, zoo
from prunelimit.pruning import apply_masks, magnitude_mask, make_permanent
from prunelimit.results.existence import Network

TINY = Network("mlp-tables", "iris", 96, "mlp-tanh", (6,), "adam", 0.01, 60, 1e-3, 0.2)
BATCH_NORM = Network("cnn-batch", "digits", 64, "cnn-batch", (2, 2), "adam", 0.01, 40, 0.0, 0.2)


@pytest.mark.parametrize("network", [TINY, BATCH_NORM], ids=["mlp", "cnn"])
def test_sgd_under_many_masks_is_torch_s_sgd_under_each(network):
    found = zoo.examples(network.source, network.examples)
    bench = curves.Bench(curves.train(network, found), found)
    removed = [round(share * bench.dim) for share in (0.2, 0.5, 0.8)]
    keep = torch.stack([bench.landscape.keep(bench.order[:count]) for count in removed])
    losses = yardsticks.sgd(bench.landscape, keep, steps=20, seed=3)
    for count, loss in zip(removed, losses, strict=True):
        model = copy.deepcopy(bench.model).double()
        apply_masks(model, magnitude_mask(bench.model, count / bench.dim))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
        generator = torch.Generator().manual_seed(3)
        order = torch.empty(0, dtype=torch.int64)
        for _ in range(20):
            if len(order) < 32:
                order = torch.randperm(len(found.inputs), generator=generator)
            batch, order = order[:32], order[32:]
            optimizer.zero_grad()
            outputs = model(found.inputs[batch].double())
            torch.nn.functional.cross_entropy(outputs, found.targets[batch]).backward()
            optimizer.step()
            schedule.step()
        tuned = make_permanent(model).eval()(found.inputs.double())
        theirs = torch.nn.functional.cross_entropy(tuned.detach(), found.targets)
        assert float(loss) == pytest.approx(float(theirs), rel=1e-9)


def test_the_baselines_are_in_their_order():
    found = zoo.examples(TINY.source, TINY.examples)
    bench = curves.Bench(curves.train(TINY, found), found)
    # Thresholds that only a descent stuck at its start would give.
    rows = [{"epsilon": e, "real_existence": _threshold(0.02)} for e in (0.05, 0.2)]
    record = {"loss": bench.loss, "finetuned_loss": 0.5 * bench.loss, "rows": rows}
    yardsticks.add(bench, TINY, record)
    assert record["rows"][1]["real_existence_l1"]["status"] == "bracketed"
    for row in record["rows"]:
        tuned, real = row["real_existence_finetuned_baseline"], row["real_existence"]
        # What reaches the lower level reaches the higher one.
        assert real["lower"] == tuned["lower"] > 0.02 and real["nested"] == 0.02
        assert 0 < row["real_existence_sgd"]["lower"] < row["real_existence_sgd"]["upper"]
    sparse = _threshold(0.99)
    assert yardsticks.at_least(sparse, tuned) is sparse


def _threshold(value):
    return {"lower": value, "value": value, "upper": value, "status": "bracketed", "once": value}
