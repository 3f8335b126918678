"""``fq worker``."""

import atexit
import logging
import os
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Never, TypeVar

import click
from attrs import frozen

from fq.app.app import App
from fq.class_style.adapter import forks_in
from fq.cli.common import Refused, app_path, load_app, plain_errors
from fq.cli.pid_file import check_pid_file, pid_file
from fq.errors import BrokerUnavailable
from fq.observe.endpoint import join_parent, metrics_servers
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import take_over
from fq.worker.log_setup import LogFormat, LogSettings
from fq.worker.settings import WorkerSettings
from fq.worker.standard_streams import flush, let_go, occupy
from fq.worker.supervisor.preflight import rehearsing
from fq.worker.supervisor.reload import is_replacing, watcher
from fq.worker.supervisor.sidecars import Helpers
from fq.worker.supervisor.signals import Signals
from fq.worker.supervisor.spawn import fork_child, spawn_child
from fq.worker.supervisor.supervisor import Supervisor

log = logger("fq.worker")

F = TypeVar("F", bound=Callable[..., object])

MEGABYTE = 1024 * 1024

CHILD_MAIN = "fq.cli.child_main"
"""The module that a child with an interpreter of its own runs first."""


def duration(name: str, default: int, help: str, least: int = 0) -> Callable[[F], F]:
    """Return a click option that takes a duration in ms."""
    return click.option(name, type=click.IntRange(least), default=default, show_default=True, metavar="MS", help=help)


@click.command()
@app_path
@click.option("--processes", "-p", type=click.IntRange(1), help="Child processes. Default: one a processor.")
@click.option("--threads", "-t", type=click.IntRange(1), default=8, show_default=True, help="Sync actors at once in a process.")
@click.option("--concurrency", "-c", type=click.IntRange(1), default=1000, show_default=True, help="Async actors at once in a process.")
@click.option("--queues", "-Q", default="", metavar="A,B", help="Claim from these queues only. Default: those of the app and its actors.")
@duration("--heartbeat", 5_000, "How often leases are renewed.", least=50)
@duration("--shutdown-timeout", 600_000, "How long a stop waits for what runs.")
@duration("--boot-timeout", 300_000, "How long a child may take to boot before it is killed and replaced.", least=1_000)
@duration("--hard-limit-grace", 10_000, "How far blocking code may overrun its time limit before its process is killed.")
@click.option("--max-tasks-per-child", type=click.IntRange(1), metavar="N", help="Replace a child that has finished so many messages.")
@click.option("--max-memory-per-child", type=click.IntRange(1), metavar="MB", help="Replace a child that has grown to so many megabytes.")
@click.option("--spawn", is_flag=True, help="Start children as fresh interpreters instead of forks.")
@click.option("--watch", type=click.Path(exists=True, file_okay=False), metavar="DIR", help="Reload when Python files in DIR change.")
@click.option("--pid-file", "pid_path", type=click.Path(path_type=Path), metavar="FILE", help="Keep the supervisor's process id in FILE.")
@click.option("--metrics", metavar="HOST:PORT", help="Serve metrics there. Default: where the app's prometheus layer says, if it has one.")
@click.option("--log-file", type=click.Path(path_type=Path), metavar="FILE", help="Append the log to FILE. Default: standard error.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log.")
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def worker(
    app_path: str,
    processes: int | None,
    max_memory_per_child: int | None,
    queues: str,
    spawn: bool,
    watch: str | None,
    pid_path: Path | None,
    metrics: str | None,
    log_file: Path | None,
    log_format: LogFormat,
    verbose: bool,
    **durations: int,
) -> None:
    """
    Run the messages of APP until told to stop.

    TERM or Ctrl-C stops gracefully: nothing more is claimed, what runs is finished, what has not started is handed back. A second one hands back what
    runs, too. HUP reloads the code, with no message lost or kept waiting; USR1 stops claiming, USR2 goes on.

    Exit codes: 0 stopped, 2 wrong use, 3 the broker cannot be used, 4 the pid file is taken.
    """
    take_over()
    occupy()
    atexit.register(let_go)
    rehearses = rehearsing()
    logs = LogSettings(logging.WARNING if rehearses else logging.DEBUG if verbose else logging.INFO, log_format, log_file)
    try:
        logs.set_up(supervises=True)
    except OSError as error:
        raise Refused(f"{log_file}: the log cannot be written: {error.strerror}") from None
    options = WorkerOptions(app_path, queues, processes, max_memory_per_child, metrics, durations)
    if rehearses:
        rehearse(options, pid_path)
    with Signals(booting=not is_replacing()) as signals, plain_errors(), pid_file(pid_path):
        app, settings, helpers = prepare(options)
        with watcher(watch):
            start = partial(spawn_child, CHILD_MAIN, app_path, settings, logs=logs) if spawn else partial(fork_child, app, settings)
            raise SystemExit(Supervisor(app.broker, settings, start, helpers).run(signals))


@frozen
class WorkerOptions:
    """What was typed, of what decides whether a worker can start."""

    app_path: str
    queues: str
    processes: int | None
    max_memory_per_child: int | None
    metrics: str | None
    durations: dict[str, int]

    def settings(self) -> WorkerSettings:
        """Return what it says about the worker."""
        megabytes = self.max_memory_per_child
        return WorkerSettings(
            queues=[name for name in self.queues.split(",") if name],
            processes=self.processes or os.cpu_count() or 1,
            max_memory_per_child=None if megabytes is None else megabytes * MEGABYTE,
            **self.durations,
        )


def prepare(options: WorkerOptions) -> tuple[App, WorkerSettings, Helpers]:
    """Return all that a supervisor needs; raises whatever a person has to mend first."""
    app, settings = load_app(options.app_path), options.settings()
    check(app, options.app_path, settings)
    queues = ", ".join(settings.queues or app.queues)
    log.info("%s: %d processes, %d actors, queues %s", app.broker, settings.processes, len(app.actors), queues)
    helpers = Helpers([*metrics_servers(app, options.metrics, settings.processes), *forks_in(app.stack)])
    find_broker(app)
    return app, settings, helpers


def rehearse(options: WorkerOptions, pid_path: Path | None) -> Never:
    """Find out whether this program could take the place of its parent, and end with exit code 0 if so."""
    code = 1
    try:
        with plain_errors():
            check_pid_file(pid_path, os.getppid())
            join_parent()
            prepare(options)
        code = 0
    except click.ClickException as error:
        error.show()
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            flush()
        finally:
            os._exit(code)  # what the app has started, threads say, is not waited for


def find_broker(app: App) -> None:
    """Reach the broker once, so that what only a person can mend is said at once. A server that is down is waited for."""
    try:
        app.broker.workers()
    except BrokerUnavailable as error:
        log.error("waiting for the broker: %s", error)


def check(app: App, app_path: str, settings: WorkerSettings) -> None:
    """Raise `Refused` unless *app* has actors; warn of queues that are named and that none of them uses."""
    if not app.actors:
        raise Refused(f"{app_path} has no actors: declare one with @app.actor, or import the modules that do")
    if unknown := sorted(set(settings.queues) - set(app.queues)):
        log.warning(
            "claiming from %s, which no actor of %s is declared with; declared are %s", ", ".join(unknown), app_path, ", ".join(app.queues)
        )
