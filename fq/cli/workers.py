"""``fq workers``: shows workers, and lets them be quiet, claim again, stop, or say where their threads are. ``fq health``: is one alive?"""

import getpass
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import click
from attrs import asdict
from click.shell_completion import CompletionItem

from fq.app.app import App
from fq.app.audit import audit
from fq.app.worker_processes import WorkerProcess, chosen, order, shown_workers, worker_processes
from fq.brokers.protocol import Broker
from fq.cli.common import UsageError, app_path, as_json, load_app, plain_errors, print_json, print_text
from fq.cli.tables import Kind, show
from fq.cli.times import duration
from fq.core.counted import counted
from fq.errors import FqError
from fq.execution.worker_orders import pending, read_stacks
from fq.observe.health import health_of
from fq.runtime.logger import logger

log = logger("fq.cli")

COLUMNS: dict[str, Kind] = {
    "worker": "name",
    "state": "name",
    "fq": "name",
    "memory": "number",
    "up": "number",
    "queues": "text",
    "holds": "name",
    "actor": "name",
    "since": "number",
}

ORDERS: Mapping[str, str] = {"quiet": "quiet_worker", "resume": "resume_worker", "stop": "stop_worker", "stacks": "stacks"}
"""The actions, and what the audit calls them."""

POLL_SECONDS = 0.1


def complete_workers(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the names of workers that begin with *begun*, for the completion of shells."""
    try:
        found = worker_processes(load_app(context.params["app_path"]).broker)
    except (click.ClickException, FqError, KeyError):
        return []
    names = sorted({process.worker for process in found} | {process.name for process in found})
    return [CompletionItem(name) for name in names if name.startswith(begun)]


@click.command()
@app_path
@click.argument("action", type=click.Choice(["list", *ORDERS]), default="list")
@click.argument("names", nargs=-1, metavar="[WORKER]...", shell_complete=complete_workers)
@click.option("--all", "everything", is_flag=True, help="All workers.")
@click.option("--yes", is_flag=True, help="Do not ask before stopping.")
@click.option(
    "--timeout", type=click.FloatRange(0), default=30.0, show_default=True, help="Wait this many seconds for the workers to answer."
)
@as_json
def workers(app_path: str, action: str, names: Sequence[str], everything: bool, yes: bool, timeout: float, as_json: bool) -> None:
    """
    Show the workers of APP and the messages that they hold, or order them to do something.

    list, the default, shows each worker process: its memory, the queues that it claims from, and since when it holds each message. A process whose
    lease has expired is shown until another worker takes its messages back.

    quiet WORKER: claim nothing, and finish what runs. resume WORKER: claim again. stop WORKER: end, as TERM does. stacks WORKER: print where each
    thread and each task is. WORKER is the name of a process, host:pid of the fq worker that it belongs to, or a host, whichever machine you are on.
    quiet, resume and stop are for the whole fq worker. A worker sees an order at its next heartbeat, within seconds.

    Exit code 1 if a worker has not answered within --timeout.
    """
    with plain_errors():
        app = load_app(app_path)
        if action == "list":
            if names or everything:
                raise UsageError(f"found {' '.join(names) or '--all'}, expected none after list")
            _list(app.broker, as_json)
            return
        if bool(names) == everything:
            raise UsageError(f"expected the names of workers, or --all: fq workers {app_path} {action} WORKER")
        processes = [process for process in worker_processes(app.broker) if process.is_alive]
        targets = list(processes) if everything else chosen(processes, names)
        if action == "stop" and targets and not yes:
            click.confirm(f"Stop {shown_workers(targets)}?", abort=True)
        _order(app, action, targets, timeout, as_json)


def _order(app: App, action: str, targets: Sequence[WorkerProcess], timeout: float, as_json: bool) -> None:
    """Order *targets* to do *action*, and wait for their answers."""
    before = read_stacks(app.broker, [process.name for process in targets])
    count = order(app, _who(), ORDERS[action], targets) if targets else 0
    audit(app, log, _who(), ORDERS[action], tuple(process.name for process in targets), count)
    if action == "stacks":
        _show_stacks(app.broker, targets, {name: stacks.order_id for name, stacks in before.items()}, timeout, as_json)
        return
    programs = sorted({process.report.program for process in targets if process.report})
    done = _wait(lambda: not pending(app.broker, programs, ()), timeout)
    if as_json:
        print_json({"action": action, "workers": sorted({process.worker for process in targets}), "answered": done})
    else:
        click.echo(f"{shown_workers(targets)} {_said(action, done)}")
    raise SystemExit(0 if done else 1)


def _said(action: str, done: bool) -> str:
    if not done:
        return "ordered; not all have answered yet"
    return {"quiet": "quiet", "resume": "active", "stop": "stopping"}[action]


def _show_stacks(broker: Broker, targets: Sequence[WorkerProcess], before: Mapping[str, str], timeout: float, as_json: bool) -> None:
    names = [process.name for process in targets]

    def fresh() -> dict[str, str]:
        return {name: stacks.text for name, stacks in read_stacks(broker, names).items() if stacks.order_id != before.get(name)}

    done = _wait(lambda: len(fresh()) == len(names), timeout)
    found = fresh()
    if as_json:
        print_json([{"worker": name, "stacks": found.get(name)} for name in names])
    else:
        for name in names:
            print_text(f"{name}\n\n{found.get(name, 'It has not answered yet.')}\n")
    raise SystemExit(0 if done else 1)


def _wait(is_done: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not is_done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _list(broker: Broker, as_json: bool) -> None:
    shown = [process for process in worker_processes(broker) if process.is_alive or process.stats.in_flight]
    if as_json:
        print_json([_json(broker, process) for process in shown])
    else:
        show(str(broker), COLUMNS, list(_rows(broker, shown)))


def _json(broker: Broker, process: WorkerProcess) -> dict[str, object]:
    held = [asdict(held) for held in broker.claimed_by(process.name)]
    report = None if process.report is None else asdict(process.report)
    return {**asdict(process.stats), "alive": process.is_alive, "held": held, "report": report}


def _rows(broker: Broker, processes: Sequence[WorkerProcess]) -> Iterator[list[str]]:
    """Yield a row for each of *processes*, followed by one for each message that it holds."""
    now = broker.now()
    for process in processes:
        stats, report = process.stats, process.report
        facts = [report.version, f"{report.memory / 1e6:.0f} MB", duration(report.uptime)] if report else ["", "", ""]
        yield [process.name, _state(process), *facts, ", ".join(stats.queues), str(stats.in_flight), "", ""]
        for held in broker.claimed_by(process.name):
            yield ["", "", "", "", "", held.queue_name, held.message_id, held.actor_name, f"{(now - held.since) / 1000:.1f} s"]


def _state(process: WorkerProcess) -> str:
    if not process.is_alive:
        return "lease expired"
    if process.report is None:
        return "alive"
    return "draining" if process.report.is_draining else "quiet" if process.report.is_quiet else "active"


@click.command()
@app_path
@click.option("--any-host", is_flag=True, help="Accept a worker on any host.")
@as_json
def health(app_path: str, any_host: bool, as_json: bool) -> None:
    """
    Check that a worker of APP is alive on this host.

    Meant for the health checks of containers. Exit codes: 0 alive, 1 not alive, 3 the broker cannot be used.
    """
    with plain_errors():
        app = load_app(app_path)
        health = health_of(app, "" if any_host else None)
        if as_json:
            print_json({"alive": health.alive, "healthy": health.is_good})
        else:
            click.echo(f"{counted(health.alive, 'worker process', 'worker processes')} alive")
        raise SystemExit(0 if health.is_good else 1)
