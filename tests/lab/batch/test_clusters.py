"""Workers of each kind: who can reach them, and what happens when they are gone."""

import contextlib
import multiprocessing
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import dask
import psutil
import pytest
from batch_support import TRIVIAL, needs_semaphores, wait_until, write_notebook
from slurm_support import REFUSING, FakeSlurm

from prunelimit import PruneLimitError
from prunelimit.lab import batch
from prunelimit.lab.batch import clusters, driver, security
from prunelimit.lab.batch import slurm as slurm_module

# Workers are processes that start one after the other; on a busy machine each takes long.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "small.ipynb", *TRIVIAL)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("FAKE_SLURM", str(fake.folder))
    monkeypatch.setenv("PATH", f"{fake.folder}{os.pathsep}{os.environ['PATH']}")
    return fake


class Running:
    """A batch in a thread of this process; what it says goes to `said`."""

    def __init__(self, jobs: list[batch.Job], where: batch.Workers, monkeypatch) -> None:
        self.said: list[str] = []
        self.result: object = None
        monkeypatch.setattr(driver.Board, "_say", lambda _, line: self.said.append(line))
        self.thread = threading.Thread(target=self._run, args=(jobs, where))
        self.thread.start()

    def _run(self, jobs: list[batch.Job], where: batch.Workers) -> None:
        try:
            self.result = batch.run_batch(jobs, where, progress=False)
        except Exception as error:
            self.result = error

    def has_said(self, words: str) -> bool:
        return any(words in line for line in self.said)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for `condition`; the batch may not end before."""

        def holds() -> bool:
            assert condition() or self.thread.is_alive(), (self.result, self.said)
            return condition()

        wait_until(holds)

    def finish(self) -> list[str]:
        self.thread.join()
        assert isinstance(self.result, batch.driver.Summary), self.result
        return [row["status"] for row in self.result.rows]


def listeners(folder: Path) -> set[tuple[str, int]]:
    """Address and port of all that the batch in `folder` listens on: ours, and its own processes.

    What Slurm starts is no child of this process; it has the folder in its environment.
    """
    here = psutil.Process()
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process == here or process.environ().get("BATCH_OF_TEST") == str(folder):
                for connection in process.net_connections(kind="inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        found.add((connection.laddr.ip, connection.laddr.port))
    return found


def answer_to_a_stranger(address: str, port: int) -> str:
    """What speaks to whoever has no certificate: "nothing", "HTTP", "Dask", "a kernel"."""
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    for wrap in (lambda plain: plain, stranger.wrap_socket):
        with contextlib.suppress(OSError), socket.create_connection((address, port), 5) as plain:
            plain.settimeout(5)
            with wrap(plain) as talk:
                # Dask speaks first, and a web server when asked.
                talk.sendall(b"GET / HTTP/1.0\r\n\r\n")
                said = talk.recv(100)
            if said.startswith(b"HTTP"):
                return "HTTP"
            if said and said[0] == ZEROMQ:
                return "a kernel"
            if said and said[0] != TLS_ALERT:
                return "Dask"
    return "nothing"


TLS_ALERT = 21
ZEROMQ = 255
"""A Jupyter kernel's pipe for what its children print: it wants a secret with every message."""


def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def test_a_dask_worker_without_tls_answers_a_stranger() -> None:
    """The scan sees what it looks for."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as cluster:
        address, port = cluster.scheduler_address.removeprefix("tcp://").split(":")
        assert answer_to_a_stranger(address, int(port)) == "Dask"


@needs_semaphores
def test_on_one_machine_nothing_listens_beyond_it(tmp_path, notebook, monkeypatch) -> None:
    monkeypatch.setenv("BATCH_OF_TEST", str(tmp_path))
    before, gate = listeners(tmp_path), tmp_path / "gate"
    jobs = batch.plan(tmp_path / "runs", [{"task": "a", "gate": str(gate)}], notebook)
    running = Running(jobs, batch.Workers(1), monkeypatch)
    running.until((jobs[0].directory / "begun").exists)
    found = {place: answer_to_a_stranger(*place) for place in listeners(tmp_path) - before}
    gate.touch()
    assert len(found) >= 2, "the scheduler and the worker listen"
    assert all(is_loopback(address) for address, _ in found), found
    assert "Dask" not in found.values(), "another user of this machine could give orders"
    assert running.finish() == ["done"]


@needs_semaphores
def test_slurm_workers_are_replaced_and_speak_tls(tmp_path, slurm, monkeypatch) -> None:
    root = tmp_path / "my runs"  # a space: paths become words of a shell script
    notebook = write_notebook(tmp_path / "small.ipynb", *TRIVIAL)
    monkeypatch.setenv("BATCH_OF_TEST", str(tmp_path))
    monkeypatch.setattr(slurm_module, "_LOOK_SECONDS", 0.5)
    before, gate = listeners(tmp_path), tmp_path / "gate"
    jobs = batch.plan(root, [{"task": "a", "gate": str(gate)}], notebook)
    arguments = batch.slurm_arguments(["walltime=00:10:00", "queue=gpu"])
    deploy = dask.config.config["distributed"]["deploy"]
    monkeypatch.setitem(deploy, "lost-worker-timeout", "2s")
    running = Running(jobs, batch.Workers(1, slurm=arguments), monkeypatch)
    running.until((jobs[0].directory / "begun").exists)
    assert running.has_said("is there"), running.said
    script = (slurm.folder / "101.sh").read_text()
    assert "#SBATCH -p gpu" in script and "#SBATCH -t 00:10:00" in script
    keys = list(root.glob(".tls-*/key.pem"))
    assert len(keys) == 1 and keys[0].stat().st_mode & 0o077 == 0
    found = {place: answer_to_a_stranger(*place) for place in listeners(tmp_path) - before}
    assert sum(not is_loopback(address) for address, _ in found) >= 2, "scheduler and worker"
    assert "Dask" not in found.values()
    assert all(a == "nothing" or is_loopback(place[0]) for place, a in found.items()), found

    (slurm.folder / "full").touch()
    slurm.end(101)
    running.until(lambda: running.has_said("is gone") and running.has_said("goes on with another"))
    running.until((slurm.folder / "102.pid").exists)
    time.sleep(3)  # dask would cancel whoever bears the dead worker's name
    assert (slurm.folder / "102.pid").exists(), running.said
    (slurm.folder / "full").unlink()
    gate.touch()
    assert running.finish() == ["done"]
    assert list(root.glob(".tls-*")) == []
    wait_until(lambda: not list(slurm.folder.glob("*.pid")))


def test_a_worker_that_dies_while_it_starts_is_one_sentence(
    tmp_path,
    notebook,
    slurm,
    monkeypatch,
) -> None:
    monkeypatch.setattr(slurm_module, "_LOOK_SECONDS", 0.5)
    arguments = batch.slurm_arguments(["python=python3-of-another-machine"])
    jobs = batch.plan(tmp_path / "runs", [{}], notebook)
    with pytest.raises(PruneLimitError, match="3 workers died while they started") as death:
        batch.run_batch(jobs, batch.Workers(1, slurm=arguments), progress=False)
    assert "python3-of-another-machine: command not found" in str(death.value)
    assert "\n" not in str(death.value)
    assert len(slurm.jobs) <= 4


def test_sbatch_that_is_missing_or_refuses_is_one_sentence(
    tmp_path,
    notebook,
    slurm: FakeSlurm,
    monkeypatch,
) -> None:
    where = batch.Workers(1, slurm=batch.slurm_arguments([]))
    jobs = batch.plan(tmp_path / "runs", [{}], notebook)
    slurm.install("sbatch", REFUSING)
    with pytest.raises(PruneLimitError, match="Slurm refuses the job: .*invalid partition"):
        batch.run_batch(jobs, where, progress=False)
    monkeypatch.setenv("PATH", os.path.dirname(shutil.which("bash") or "/bin/bash"))
    if shutil.which("sbatch") is None:
        with pytest.raises(PruneLimitError, match="there is no sbatch here"):
            batch.run_batch(jobs, where, progress=False)


def test_a_local_worker_that_dies_while_it_starts_is_one_sentence(
    tmp_path, notebook, monkeypatch
) -> None:
    def dies(*_: object) -> None:
        try:
            raise RuntimeError("No module named 'torch'\nin two lines")
        except RuntimeError as reason:
            raise RuntimeError("Nanny failed to start.") from reason

    monkeypatch.setattr(clusters, "_local_cluster", dies)
    monkeypatch.setattr(clusters, "require_semaphores", lambda: None)
    jobs = batch.plan(tmp_path / "runs", [{}], notebook)
    with pytest.raises(PruneLimitError, match="a worker died while it started .No module") as death:
        batch.run_batch(jobs, batch.Workers(1), progress=False)
    assert "\n" not in str(death.value)


def test_a_system_without_semaphores_is_one_sentence(tmp_path, notebook, monkeypatch) -> None:
    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(multiprocessing.context.SpawnContext, "Lock", refused)
    jobs = batch.plan(tmp_path / "runs", [{"task": "a"}], notebook)
    with pytest.raises(PruneLimitError, match="mount a /dev/shm that you can write"):
        batch.run_batch(jobs, batch.Workers(1), progress=False)


def test_ctrl_c_stays_what_it_is_under_slurm() -> None:
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from prunelimit.lab import batch; batch.slurm_arguments([]); "
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": "tcp://node1:8786"}, "open to everybody on its network"),
        ({"scheduler": "tcp://10.0.0.1:8786"}, "open to everybody on its network"),
        ({"scheduler": "tls://node1:8786"}, "wants certificates"),
        ({"scheduler": "node1:8786"}, "must look like tls://HOST:PORT"),
        ({"tls": Path("nowhere")}, "'nowhere' has no ca.pem"),
    ],
)
def test_what_would_be_open_is_refused(options, message) -> None:
    with pytest.raises(PruneLimitError, match=message):
        batch.Workers(**options)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_a_scheduler_over_tls_with_the_certificates_of_the_book(tmp_path, notebook) -> None:
    from distributed import LocalCluster

    folder = tmp_path / "tls"
    folder.mkdir()
    page = (Path(__file__).parents[3] / "book" / "batch.md").read_text()
    (command,) = [line for line in page.splitlines() if line.startswith("openssl req")]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True)
    shutil.copy(folder / security.CERTIFICATE, folder / security.CA)
    jobs = batch.plan(tmp_path / "runs", [{"task": "here"}], notebook)
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tls",
        security=security.given_security(folder),
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        where = batch.Workers(scheduler=cluster.scheduler_address, tls=folder)
        summary = batch.run_batch(jobs, where, progress=False)
    assert [row["status"] for row in summary.rows] == ["done"]


def test_who_comes_and_goes_at_a_scheduler_of_ones_own_is_said(monkeypatch) -> None:
    monkeypatch.setattr(clusters, "_LOOK_SECONDS", 0)
    there = {"tls://a:1": 1, "tls://b:1": 1}
    pool = clusters.Untended(SimpleNamespace(nthreads=lambda: there))
    assert pool.tend(2) == []
    del there["tls://a:1"]
    assert pool.tend(2) == ["worker tls://a:1 is gone; another takes its job"]
    assert pool.tend(2) == []
    there["tls://a:2"] = 1
    assert pool.tend(2) == ["worker tls://a:2 is there"]


def test_a_missing_extra_is_named(monkeypatch) -> None:
    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PruneLimitError, match=r"distributed.*pip install 'prunelimit\[batch\]'"):
        clusters.require_extra()


def test_a_job_that_gets_further_may_lose_any_number_of_workers(tmp_path, notebook) -> None:
    job = batch.plan(tmp_path, [{}], notebook)[0]
    job.directory.mkdir()
    deaths = driver.Deaths()
    for epoch in range(10):
        (job.directory / f"epoch-{epoch}").touch()
        (job.directory / "report-unfinished.ipynb").write_text(str(epoch))
        assert deaths.another(job)
    assert deaths.another(job)
    (job.directory / "report-unfinished.ipynb").write_text("more")
    assert not deaths.another(job)
