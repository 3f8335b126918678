"""What a supervisor learns about the app of its workers, and makes of that: a broker, and what runs beside the children. It does not import the app."""

import json
import os
import signal
import socket
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

import click
from attrs import frozen

from fq.brokers.protocol import Broker
from fq.cli.app_facts import AppFacts
from fq.cli.common import PlainError, UnusableBroker, UsageError, load_app, plain_errors
from fq.core.counted import counted
from fq.observe.metrics_socket import open_for_workers
from fq.runtime.logger import logger
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor.question import ask_fork
from fq.worker.supervisor.sidecars import Sidecars
from fq.worker.supervisor.signals import HANDLED

log = logger("fq.worker")

MEGABYTE = 1024 * 1024

EXAMINATION, SIDECAR_MAIN = "fq.cli.examination", "fq.cli.sidecar_main"
"""The modules whose functions import the app, in other processes."""


@frozen
class WorkerOptions:
    """Those options of the command that decide whether a worker can start."""

    app_path: str
    queues: str
    processes: int | None
    max_memory_per_child: int | None
    metrics: str | None
    log_tasks: bool
    durations: dict[str, int]

    def settings(self) -> WorkerSettings:
        """Return the settings of the worker."""
        megabytes = self.max_memory_per_child
        return WorkerSettings(
            queues=[name for name in self.queues.split(",") if name],
            processes=self.processes or os.cpu_count() or 1,
            max_memory_per_child=None if megabytes is None else megabytes * MEGABYTE,
            log_tasks=self.log_tasks,
            **self.durations,
        )


REFUSALS = {kind.exit_code: kind for kind in (PlainError, UsageError, UnusableBroker)}
"""The errors that keep a worker from starting, by exit code."""


def examine(options: WorkerOptions) -> AppFacts:
    """Import the app here, and return the facts about it. It raises what `fq.cli.examination.examine` raises."""
    found: AppFacts = import_module(EXAMINATION).examine(options.app_path, options.settings().queues, options.metrics)
    return found


def examine_apart(options: WorkerOptions) -> AppFacts:
    """
    Import the app in a process of its own, and return the facts about it.

    Raises:
        PlainError, SystemExit: what ended that process.
    """
    answer = ask_fork(lambda: _facts_or_refusal(options))
    if not answer.text:
        _end(options.app_path, answer.code)
    fields = json.loads(answer.text)
    if "refusal" in fields:
        message, code = fields["refusal"]
        raise REFUSALS[code](message)
    facts = AppFacts.from_json(answer.text)
    if facts.handlers:
        log.warning("the app has set handlers for %s, which fq worker needs itself: they are not called", ", ".join(facts.handlers))
    return facts


def _facts_or_refusal(options: WorkerOptions) -> str:
    try:
        with plain_errors():
            facts = examine(options)
    except click.ClickException as error:
        return json.dumps({"refusal": [error.message, error.exit_code]})
    return facts.to_json([signal.Signals(number).name for number in HANDLED if _is_set(number)])


def _is_set(number: int) -> bool:
    """Has the app set a handler for the signal? A fork of the supervisor begins without one."""
    return signal.getsignal(number) not in (signal.SIG_DFL, signal.default_int_handler)


def _end(app_path: str, code: int) -> NoReturn:
    """End as the process has that has imported the app, which may have called `sys.exit`, or crashed."""
    if code >= 0:
        raise SystemExit(code)
    raise PlainError(f"{app_path} cannot be imported: the process that imported it was killed by {signal.Signals(-code).name}")


def introduce(facts: AppFacts, settings: WorkerSettings) -> None:
    """Log what the worker runs."""
    processes = counted(settings.processes, "process", "processes")
    queues = ", ".join(settings.queues or facts.queues)
    log.info("%s: %s, %s, queues %s", facts.broker, processes, counted(facts.actors, "actor"), queues)


def broker_of(facts: AppFacts, app_path: str) -> Broker:
    """Return a broker for the supervisor: that of the app, which is imported for it, only if it cannot be made otherwise."""
    return load_app(app_path).broker if facts.recipe is None else facts.recipe.make()


@frozen
class InApp:
    """A sidecar: calls the *function* of `fq.cli.sidecar_main` with *arguments*, in a process that imports the app. The log calls it *name*."""

    name: str
    function: str
    arguments: tuple[object, ...]

    def __call__(self) -> object:
        """Run it."""
        run: Callable[..., object] = getattr(import_module(SIDECAR_MAIN), self.function)
        return run(*self.arguments)


def sidecars_of(facts: AppFacts, options: WorkerOptions, processes: int) -> Sidecars:
    """
    Return what has to run beside *processes* children.

    Raises:
        ConfigError: the address of the metrics is in use, or does not belong to this machine.
    """
    if facts.forks or facts.metrics:
        import_module(SIDECAR_MAIN)  # before the forks: they begin sooner, and share its memory
    forks = [InApp(name, "run_fork", (options.app_path, number)) for number, name in enumerate(facts.forks)]
    if facts.metrics is None:
        return Sidecars(forks)
    listener: socket.socket = open_for_workers(*facts.metrics, processes)
    return Sidecars([InApp("fq.observe.endpoint.serve", "serve_metrics", (options.app_path, options.metrics, listener)), *forks])
