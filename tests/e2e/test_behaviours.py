"""Pages of the docs agree with the code; and behaviours of docs/behaviours.md that no other file tests."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from returns.pipeline import is_successful

import fq.layers
from fq import App, Fault, Outbox, default_middleware
from fq.brokers.memory import MemoryBroker
from fq.class_style.hook_names import HOOKS
from fq.observe.collector import Collector
from fq.observe.meter import Meter
from tests.processes import running
from tests.wait_until import wait_until

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page("behaviours")))
    missing = {(file, name) for file, name in named if not re.search(rf"def {name}\(", (ROOT / file).read_text())}

    assert len(named) > 100
    assert missing == set()


def test_the_page_on_class_style_names_every_hook() -> None:
    assert [hook for hook in HOOKS if f"`{hook}`" not in page("class-style")] == []


def test_the_page_on_layers_names_every_layer_and_every_option() -> None:
    options = {name for layer in default_middleware for name in layer.accepted_options()}
    factories = [*fq.layers.__all__, "rate_limit", "concurrency_limit", "prometheus", "hooks"]
    makes = {name for name in factories if name.islower() and name not in ("default_middleware", "get_current_message")}

    assert [name for name in options if f"`{name}" not in page("layers")] == []
    assert [name for name in makes if f"`{name}(" not in page("layers")] == []


def test_the_page_on_metrics_names_every_metric_and_no_other(tmp_path: Path) -> None:
    app = App(broker=MemoryBroker(), outbox=Outbox(f"sqlite:///{tmp_path}/shop.db"))
    app.outbox.create_table()
    families = [family for family in Collector(Meter(), app).collect() if family.name != "fq_broker_up"]
    shown = {f"{family.name}_total" if family.type == "counter" else family.name for family in families} | {"fq_broker_up"}

    assert set(re.findall(r"^\| `(fq_\w+)` \|", page("metrics"), re.MULTILINE)) == shown


MASKS = """
import pathlib, signal, time
from fq import App, Retries, default_middleware, hooks

def note(where):
    with open("masks", "a") as file:
        file.write(f"{where} {sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))}\\n")

def beacon():
    note("fork")
    time.sleep(60)

class Masks:
    forks = (beacon,)
    def after_process_boot(self, broker):
        note("boot")
    def before_ack(self, broker, message):
        note("worker thread")
    def after_ack(self, broker, message):
        note("pump")

app = App("sqlite:///tasks.db", middleware=default_middleware.outside(Retries, hooks(Masks())))

@app.actor
def task() -> None:
    note("actor")

@app.actor
async def atask() -> None:
    note("async actor")

task.send()
atask.send()
"""


def test_no_signal_is_blocked_anywhere_in_a_worker(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(MASKS)
    masks = tmp_path / "masks"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--processes", "1", "--log-file", "log"]
    places = {"fork", "boot", "worker thread", "pump", "actor", "async actor"}
    with running(command, cwd=tmp_path, env=environment, start_new_session=True) as worker:
        wait_until(lambda: masks.exists() and {line.rpartition(" ")[0] for line in masks.read_text().splitlines()} == places)
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(60)

    assert code == 0
    assert {line.rpartition(" ")[2] for line in masks.read_text().splitlines()} == {"[]"}


def fault_of(app: App, fn: object) -> Fault:
    """Return the fault of *fn*, an async function, in a worker."""
    actor = app.actor(max_retries=0)(fn)  # type: ignore[arg-type, var-annotated]
    with app.worker(threads=1):
        result = actor.send().get()
    assert not is_successful(result)
    fault = result.failure()
    assert isinstance(fault, Fault)
    return fault


def test_the_traceback_of_an_async_actor_has_its_frames() -> None:
    async def deeper() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def task() -> int:
        return await deeper()

    fault = fault_of(App(broker=MemoryBroker()), task)

    assert "in task" in fault.traceback
    assert "in deeper" in fault.traceback


def test_a_timeout_error_of_an_async_actor_is_an_ordinary_failure() -> None:
    async def task() -> int:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
        return 1

    assert fault_of(App(broker=MemoryBroker()), task).type == "TimeoutError"
