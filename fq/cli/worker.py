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
from fq.cli.common import UsageError, app_path, counted, load_app, plain_errors
from fq.cli.pid_file import check_pid_file, pid_file
from fq.errors import BrokerError, BrokerUnavailable, ConfigError
from fq.observe.endpoint import adopt_parent_socket, metrics_servers
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import stop_inheritance
from fq.worker.log_setup import LogFormat, LogSettings
from fq.worker.settings import WorkerSettings
from fq.worker.standard_streams import final_flush, flush, reserve_standard_fds
from fq.worker.supervisor.preflight import is_preflight
from fq.worker.supervisor.reload import is_replacing, watcher
from fq.worker.supervisor.sidecars import Sidecars
from fq.worker.supervisor.signals import Signals
from fq.worker.supervisor.spawn import fork_child, spawn_child
from fq.worker.supervisor.supervisor import Supervisor

log = logger("fq.worker")

F = TypeVar("F", bound=Callable[..., object])

MEGABYTE = 1024 * 1024

CHILD_MAIN = "fq.cli.child_main"
"""The module that a child with an interpreter of its own runs first."""


def duration_option(name: str, default: int, help: str, least: int = 0) -> Callable[[F], F]:
    """Return a click option that takes a duration in ms."""
    return click.option(name, type=click.IntRange(least), default=default, show_default=True, metavar="MS", help=help)


@click.command()
@app_path
@click.option("--processes", "-p", type=click.IntRange(1), help="Child processes. Default: one per processor.")
@click.option("--threads", "-t", type=click.IntRange(1), default=8, show_default=True, help="Sync actors that run at once in a process.")
@click.option(
    "--concurrency", "-c", type=click.IntRange(1), default=1000, show_default=True, help="Async actors that run at once in a process."
)
@click.option("--queues", "-Q", default="", metavar="A,B", help="Claim from these queues only. Default: all queues of the app.")
@duration_option("--heartbeat", 5_000, "Interval between renewals of leases.", least=50)
@duration_option("--shutdown-timeout", 600_000, "How long a stop waits for running messages.")
@duration_option("--boot-timeout", 300_000, "How long a child may take to start before it is killed and replaced.", least=1_000)
@duration_option("--hard-limit-grace", 10_000, "How far blocking code may exceed its time limit before its process is killed.")
@click.option("--max-tasks-per-child", type=click.IntRange(1), metavar="N", help="Replace a child after this many messages.")
@click.option("--max-memory-per-child", type=click.IntRange(1), metavar="MB", help="Replace a child that uses more memory than this.")
@click.option("--spawn", is_flag=True, help="Start children as new interpreters, not as forks.")
@click.option("--watch", type=click.Path(exists=True, file_okay=False), metavar="DIR", help="Reload when a Python file in DIR changes.")
@click.option("--pid-file", "pid_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the process id to FILE, and lock it.")
@click.option("--metrics", metavar="HOST:PORT", help="Serve metrics at this address. Default: that of the app's prometheus layer.")
@click.option("--log-file", type=click.Path(path_type=Path), metavar="FILE", help="Append the log to FILE. Default: standard error.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format of the log.")
@click.option("--verbose", "-v", is_flag=True, help="Log debug messages, too.")
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
    Run the messages of APP until stopped by a signal.

    TERM or Ctrl-C stops gracefully: the worker claims nothing more, finishes running messages, and hands back those that have not started. A
    second signal hands back the running messages, too. HUP reloads the code; no message is lost or delayed. USR1 stops claiming, USR2 resumes it.

    Exit codes: 0 stopped, 2 wrong usage, 3 the broker cannot be used, 4 the pid file is taken.
    """
    stop_inheritance()
    reserve_standard_fds()
    atexit.register(final_flush)
    preflight = is_preflight()
    logs = LogSettings(logging.WARNING if preflight else logging.DEBUG if verbose else logging.INFO, log_format, log_file)
    try:
        logs.set_up(supervises=True)
    except OSError as error:
        raise UsageError(f"{log_file}: the log cannot be written: {error.strerror}") from None
    options = WorkerOptions(app_path, queues, processes, max_memory_per_child, metrics, durations)
    if preflight:
        check_start(options, pid_path)
    with Signals(booting=not is_replacing()) as signals, plain_errors(), pid_file(pid_path):
        app, settings, sidecars = prepare(options)
        with watcher(watch):
            start = (
                partial(spawn_child, CHILD_MAIN, app_path, settings, logs=logs)
                if spawn
                else partial(fork_child, app.registry, app.broker, settings)
            )
            raise SystemExit(Supervisor(app.broker, settings, start, sidecars).run(signals))


@frozen
class WorkerOptions:
    """Those options of the command that decide whether a worker can start."""

    app_path: str
    queues: str
    processes: int | None
    max_memory_per_child: int | None
    metrics: str | None
    durations: dict[str, int]

    def settings(self) -> WorkerSettings:
        """Return the settings of the worker."""
        megabytes = self.max_memory_per_child
        return WorkerSettings(
            queues=[name for name in self.queues.split(",") if name],
            processes=self.processes or os.cpu_count() or 1,
            max_memory_per_child=None if megabytes is None else megabytes * MEGABYTE,
            **self.durations,
        )


def prepare(options: WorkerOptions) -> tuple[App, WorkerSettings, Sidecars]:
    """Return what a supervisor needs; raises every error that a person has to fix first."""
    app, settings = load_app(options.app_path), options.settings()
    check_app(app, options.app_path, settings)
    queues = ", ".join(settings.queues or app.queues)
    log.info(
        "%s: %s, %s, queues %s", app.broker, counted(settings.processes, "process", "processes"), counted(len(app.actors), "actor"), queues
    )
    sidecars = Sidecars([*metrics_servers(app, options.metrics, settings.processes), *forks_in(app.stack)])
    check_broker(app)
    return app, settings, sidecars


def check_start(options: WorkerOptions, pid_path: Path | None) -> Never:
    """Check whether this program can replace its parent, and exit with 0 if it can."""
    code = 1
    try:
        with plain_errors():
            check_pid_file(pid_path, os.getppid())
            adopt_parent_socket()
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
            os._exit(code)  # do not wait for threads that the app has started


def check_broker(app: App) -> None:
    """
    Ask the broker once, so that an error that a person has to fix ends the command. A server that is down is no such error.

    Neither is any in a program that takes over children, which have used the broker: a folder that is not there just now comes back.
    """
    try:
        app.broker.workers()
    except (BrokerError, ConfigError) as error:
        if not (is_replacing() or isinstance(error, BrokerUnavailable)):
            raise
        log.error("waiting for the broker: %s", error)


def check_app(app: App, app_path: str, settings: WorkerSettings) -> None:
    """Raise `UsageError` unless *app* has actors; warn about named queues that no actor uses."""
    if not app.actors:
        raise UsageError(f"{app_path} has no actors: declare one with @app.actor, or import the modules that do")
    if unknown := sorted(set(settings.queues) - set(app.queues)):
        log.warning("claiming from %s, but no actor of %s uses it; queues in use: %s", ", ".join(unknown), app_path, ", ".join(app.queues))
