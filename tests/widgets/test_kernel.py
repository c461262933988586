"""A widget in a real kernel: what a front end sends, and what comes back."""

import time

import pytest

from prunelimit import widgets

manager = pytest.importorskip("jupyter_client.manager")


@pytest.fixture
def kernel(tmp_path):
    kernel_manager, client = manager.start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    yield client
    client.stop_channels()
    kernel_manager.shutdown_kernel(now=True)


def messages(client, until, seconds=120):
    """Messages up to the first for which `until` holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        message = client.get_iopub_msg(timeout=seconds)
        yield message
        if until(message):
            return
    raise TimeoutError("the kernel did not answer")


def send(client, comm, data):
    client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": comm, "data": data}))


def test_a_kernel_shows_a_widget_and_follows_the_page(kernel):
    kernel.execute("from prunelimit import widgets\nw = widgets.SublevelSet(dim=64)\nw")
    seen = list(messages(kernel, lambda m: m["msg_type"] == "execute_result"))
    assert not [m for m in seen if m["msg_type"] == "error"]
    opened = [m["content"] for m in seen if m["msg_type"] == "comm_open"]
    comm = next(c["comm_id"] for c in opened if "_esm" in c["data"]["state"])
    assert "application/vnd.jupyter.widget-view+json" in seen[-1]["content"]["data"]
    send(kernel, comm, {"method": "update", "state": {"distance": 2.5}})
    kernel.execute("print(w.distance)")
    printed = list(messages(kernel, lambda m: m["msg_type"] == "stream"))[-1]
    assert printed["content"]["text"].strip() == "2.5"


def test_the_default_example_is_the_committed_result():
    from pathlib import Path

    from prunelimit.results import Result
    from prunelimit.widgets import network

    path = Path(__file__).parents[2] / "book" / "results" / "digits-mlp.json"
    if not path.exists():
        pytest.skip("the committed results are not here")
    made = network.from_result(Result.load(path))
    shipped = {name: value for name, value in network.example().items() if name != "paths"}
    assert shipped == made
    assert widgets.TheLimit().data["name"] == "MLP on digits"
