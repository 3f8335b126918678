"""The one address for the metrics of all processes of ``fq worker``, scraped from real workers under load."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from fq import App, ConfigError, compose, default_middleware, prometheus
from fq.brokers.memory import MemoryBroker
from fq.observe.endpoint import metrics_address
from fq.observe.meter import unshare
from fq.observe.metrics_socket import SOCKET_VARIABLE, address_of, listen
from tests.processes import kill, running
from tests.wait_until import wait_until

TASKS = """
import os, time
from fq import App, compose, default_middleware, prometheus

app = App("sqlite:///tasks.db"{middleware})

@app.actor
def add(a: int, b: int) -> int:
    return a + b

@app.actor(max_retries=1, min_backoff=1)
async def fails() -> None:
    raise ValueError("no")

@app.actor(queue="deadly")
def dies(n: int) -> None:
    try:
        os.mkdir(f"died-{{n}}")
    except FileExistsError:
        return
    os.kill(os.getpid(), 9)

@app.actor
def waits() -> None:
    time.sleep(60)
"""


class Worker:
    """``fq worker`` in *folder*, with the metrics on a port that is free."""

    def __init__(self, folder: Path, *flags: str, middleware: str = "", more: str = "") -> None:
        self.folder = folder
        (folder / "tasks.py").write_text(TASKS.format(middleware=middleware) + more)
        self.log = folder / "worker.log"
        command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--heartbeat", "500", "--log-file", str(self.log), *flags]
        path = os.pathsep.join([str(Path(__file__).parent.parent.parent), str(folder)])
        environment = {**os.environ, "PYTHONPATH": path}
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)

    def send(self, code: str) -> None:
        """Run *code* where tasks can be imported from."""
        path = os.pathsep.join([str(Path(__file__).parent.parent.parent), str(self.folder)])
        subprocess.run(
            [sys.executable, "-c", f"from tasks import *\n{code}"], cwd=self.folder, env={**os.environ, "PYTHONPATH": path}, check=True
        )

    @property
    def address(self) -> str:
        wait_until(lambda: self.log.exists() and "serving metrics at" in self.log.read_text())
        return re.findall(r"http://\S+", self.log.read_text())[-1]

    def scrape(self) -> dict[tuple[str, str], float]:
        """Return the samples by name and actor (or queue)."""
        samples = self.samples()
        return {(s.name, s.labels.get("actor_name", s.labels.get("queue_name", ""))): s.value for s in samples if "le" not in s.labels}

    def samples(self) -> list[Sample]:
        """Return what is served, as prometheus_client itself reads it."""
        with urllib.request.urlopen(self.address, timeout=60) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return [sample for family in families for sample in family.samples]

    def sees(self, name: str, label: str, value: float) -> bool:
        return self.scrape().get((name, label)) == value

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(*flags: str, middleware: str = "") -> Worker:
        workers.append(Worker(tmp_path, *flags, middleware=middleware))
        return workers[-1]

    yield start
    for worker in workers:
        with worker.process:  # its pipe is closed, too
            try:
                worker.stop()
            finally:
                kill(worker.process)


FOUR = ("--processes", "4", "--metrics", "127.0.0.1:0")


def test_four_processes_under_load_count_what_was_sent(start: Callable[..., Worker]) -> None:
    worker = start(*FOUR)
    wait_until(lambda: worker.sees("fq_workers_total", "", 4))
    worker.send("app.send_many(add.call(n, 1) for n in range(4000)); app.send_many(fails.call() for _ in range(30))")
    wait_until(lambda: worker.sees("fq_messages_total", "add", 4000) and worker.sees("fq_message_rejects_total", "fails", 30))
    seen = worker.scrape()
    worker.stop()

    assert seen["fq_message_errors_total", "add"] == 0
    assert seen["fq_message_duration_seconds_count", "add"] == 4000
    assert seen["fq_message_duration_milliseconds_count", "add"] == 4000
    assert seen["fq_messages_total", "fails"] == seen["fq_message_errors_total", "fails"] == 60
    assert seen["fq_message_retries_total", "fails"] == 30
    assert seen["fq_messages_inprogress", "add"] == 0
    assert seen["fq_stale_commits_total", "add"] == seen["fq_lease_losses_total", "add"] == 0
    assert seen["fq_dead_messages", "default"] == 30
    assert seen["fq_broker_up", ""] == 1
    assert worker.process.returncode == 0


def test_a_child_that_is_killed_leaves_its_counts_and_nothing_in_progress(start: Callable[..., Worker]) -> None:
    worker = start("--processes", "2", "--metrics", "127.0.0.1:0")
    worker.send("app.send_many(add.call(n, 1) for n in range(50)); app.send_many(dies.call(n) for n in range(3))")
    wait_until(lambda: worker.sees("fq_messages_total", "dies", 3))
    wait_until(lambda: worker.sees("fq_workers_total", "", 2))
    seen = worker.scrape()

    assert seen["fq_messages_total", "add"] == 50
    assert seen["fq_messages_inprogress", "dies"] == 0
    assert seen["fq_lease_losses_total", "dies"] >= 3


def test_what_runs_is_in_progress(start: Callable[..., Worker]) -> None:
    worker = start("--processes", "2", "--metrics", "127.0.0.1:0", "--shutdown-timeout", "100")
    worker.send("waits.send(); waits.send()")

    wait_until(lambda: worker.sees("fq_messages_inprogress", "waits", 2))


def test_the_layer_says_where_to_serve_when_nothing_else_does(start: Callable[..., Worker]) -> None:
    worker = start("--processes", "1", middleware=", middleware=compose(prometheus(http_port=0), default_middleware)")
    worker.send("add.send(1, 2)")

    wait_until(lambda: worker.sees("fq_messages_total", "add", 1))


def test_children_in_fresh_interpreters_count_too(start: Callable[..., Worker]) -> None:
    worker = start("--processes", "2", "--metrics", "127.0.0.1:0", "--spawn")
    wait_until(lambda: worker.sees("fq_workers_total", "", 2))
    worker.send("app.send_many(add.call(n, 1) for n in range(100))")

    wait_until(lambda: worker.sees("fq_messages_total", "add", 100))


def test_a_reload_goes_on_counting_at_the_same_address(start: Callable[..., Worker]) -> None:
    worker = start("--processes", "2", "--metrics", "127.0.0.1:0")
    worker.send("add.send(1, 2)")
    wait_until(lambda: worker.sees("fq_messages_total", "add", 1))
    address = worker.address
    os.kill(worker.process.pid, signal.SIGHUP)
    wait_until(lambda: worker.log.read_text().count("serving metrics at") == 2)
    worker.send("add.send(1, 2)")

    wait_until(lambda: worker.sees("fq_messages_total", "add", 2))
    assert worker.address == address
    wait_until(lambda: worker.sees("fq_workers_total", "", 2))


def test_the_process_that_serves_is_replaced_when_it_dies_and_goes_with_the_worker(start: Callable[..., Worker]) -> None:
    worker = start("--processes", "1", "--metrics", "127.0.0.1:0")
    wait_until(lambda: worker.sees("fq_workers_total", "", 1))
    children = psutil.Process(worker.process.pid).children()
    server = next(child for child in children if listens(child))
    server.kill()
    server.wait(60)

    wait_until(lambda: worker.sees("fq_workers_total", "", 1))
    everybody = [psutil.Process(worker.process.pid), *psutil.Process(worker.process.pid).children(recursive=True)]
    worker.process.kill()
    wait_until(lambda: not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in everybody[1:]))


def listens(process: psutil.Process) -> bool:
    """Has it but one thread for its own work? The children that run actors have many."""
    return process.num_threads() <= 3


def test_a_port_in_use_is_one_clear_error(start: Callable[..., Worker]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = start("--processes", "1", "--metrics", f"127.0.0.1:{port}")
        _, said = worker.process.communicate(timeout=60)

    assert worker.process.returncode == 2
    assert said == (
        f"Error: metrics cannot be served at 127.0.0.1:{port}: address already in use; choose another address with --metrics HOST:PORT\n"
    )


def test_an_address_that_is_none_is_one_clear_error(start: Callable[..., Worker]) -> None:
    worker = start("--metrics", "here")
    _, said = worker.process.communicate(timeout=60)

    assert worker.process.returncode == 2
    assert said == "Error: found the address 'here', expected HOST:PORT, such as 127.0.0.1:9191\n"


@pytest.mark.parametrize("text", ["", "host", "host:", "host:port", "1.2.3.4:70000", "host:-1", "host:²"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        address_of(text)


def test_what_is_an_address() -> None:
    assert address_of("9191") == ("127.0.0.1", 9191)
    assert address_of("example.com:80") == ("example.com", 80)


@pytest.fixture
def no_traces() -> Iterator[None]:
    yield
    os.environ.pop(SOCKET_VARIABLE, None)
    unshare()


def test_without_the_layer_and_the_flag_nothing_is_served() -> None:
    assert metrics_address(App(broker=MemoryBroker()), None) is None


def test_the_flag_has_precedence_over_the_layer_and_adds_one_outermost() -> None:
    with_layer = App(broker=MemoryBroker(), middleware=compose(default_middleware, prometheus(http_port=1)))
    without = App(broker=MemoryBroker())
    for app in (with_layer, without):
        assert metrics_address(app, "127.0.0.1:0") == ("127.0.0.1", 0)

    assert with_layer.stack.layers[-1] == prometheus(http_port=0)
    assert without.stack.layers[0] == prometheus(http_port=0)


def test_a_program_that_was_reloaded_keeps_its_socket(no_traces: None) -> None:
    first = listen("127.0.0.1", 0)
    port = first.getsockname()[1]
    descriptor = first.detach()  # what an exec leaves: the descriptor, and the environment
    second = listen("127.0.0.1", 0)
    assert second.fileno() == descriptor

    second.detach()
    with listen("localhost", 0) as elsewhere:  # the address has changed
        assert elsewhere.getsockname()[1] != port


def test_fq_metrics_serves_the_queues_while_no_worker_runs(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS.format(middleware=""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent.parent), str(tmp_path)])}
    subprocess.run([sys.executable, "-c", "import tasks; tasks.add.send(1, 2)"], cwd=tmp_path, env=environment, check=True)
    command = [sys.executable, "-m", "fq", "metrics", "tasks:app", "--listen", "127.0.0.1:0"]
    with running(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[-1]
        with urllib.request.urlopen(address, timeout=60) as answer:
            served = answer.read().decode()
        with urllib.request.urlopen(address.replace("/metrics", "/livez"), timeout=60) as answer:
            is_alive = answer.status
        process.terminate()
        code = process.wait(60)

    assert 'fq_ready_messages{queue_name="default"} 1.0' in served
    assert (is_alive, code) == (200, 0)
