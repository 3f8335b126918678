"""``fq worker``. Its process, the supervisor, imports nothing of the app, and of fq only what a supervisor needs."""

import atexit
import logging
import os
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Never, TypeVar

import click

from fq.cli.common import UsageError, app_path, plain_errors
from fq.cli.pid_file import check_pid_file, pid_file
from fq.cli.worker_app import WorkerOptions, broker_of, examine, examine_apart, introduce, sidecars_of
from fq.observe.metrics_socket import adopt_parent_socket
from fq.worker.inherited_descriptors import stop_inheritance
from fq.worker.log_setup import LogFormat, LogSettings
from fq.worker.standard_streams import final_flush, flush, reserve_standard_fds
from fq.worker.supervisor.preflight import is_preflight
from fq.worker.supervisor.reload import is_replacing, watcher
from fq.worker.supervisor.signals import Signals
from fq.worker.supervisor.spawn import fork_child, load_for_forks, spawn_child
from fq.worker.supervisor.supervisor import Supervisor

F = TypeVar("F", bound=Callable[..., object])

CHILD_MAIN = "fq.cli.child_main"
"""The module that a child runs first."""


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
@click.option("--preload", is_flag=True, help="Import the app in the supervisor, and share its memory with the children.")
@click.option("--spawn", is_flag=True, help="Start children as new interpreters, not as forks.")
@click.option("--watch", type=click.Path(exists=True, file_okay=False), metavar="DIR", help="Reload when a Python file in DIR changes.")
@click.option("--pid-file", "pid_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the process id to FILE, and lock it.")
@click.option("--metrics", metavar="HOST:PORT", help="Serve metrics at this address. Default: that of the app's prometheus layer.")
@click.option("--log-file", type=click.Path(path_type=Path), metavar="FILE", help="Append the log to FILE. Default: standard error.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format of the log.")
@click.option("--log-tasks", is_flag=True, help="Log each message that succeeds, too.")
@click.option("--verbose", "-v", is_flag=True, help="Log debug messages, too.")
def worker(
    app_path: str,
    processes: int | None,
    max_memory_per_child: int | None,
    queues: str,
    preload: bool,
    spawn: bool,
    watch: str | None,
    pid_path: Path | None,
    metrics: str | None,
    log_file: Path | None,
    log_format: LogFormat,
    log_tasks: bool,
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
    options = WorkerOptions(app_path, queues, processes, max_memory_per_child, metrics, log_tasks, durations)
    if preflight:
        check_start(options, pid_path)
    with Signals(booting=not is_replacing()) as signals, plain_errors(), pid_file(pid_path):
        facts, settings = examine(options) if preload else examine_apart(options), options.settings()
        introduce(facts, settings)
        broker, sidecars = broker_of(facts, app_path), sidecars_of(facts, options, settings.processes)
        if not spawn:
            load_for_forks(CHILD_MAIN)
        with watcher(watch):
            start = (
                partial(spawn_child, CHILD_MAIN, app_path, settings, logs=logs)
                if spawn
                else partial(fork_child, CHILD_MAIN, app_path, settings)
            )
            raise SystemExit(Supervisor(broker, settings, start, sidecars).run(signals))


def check_start(options: WorkerOptions, pid_path: Path | None) -> Never:
    """Check whether this program can replace its parent, and exit with 0 if it can."""
    code = 1
    try:
        with plain_errors():
            check_pid_file(pid_path, os.getppid())
            adopt_parent_socket()
            sidecars_of(examine(options), options, options.settings().processes)
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
