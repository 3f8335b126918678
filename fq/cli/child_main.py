"""The entry points of a worker process: `run_fork` of a fork of the supervisor, `main` of a new interpreter. Both import the application and run it."""

import json
from functools import partial
from typing import Never

from attrs import evolve

from fq.app.app import App
from fq.brokers.protocol import Broker
from fq.cli.common import load_app
from fq.execution.registry import Registry
from fq.observe.joining import join_metrics
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import stop_inheritance
from fq.worker.log_setup import LogSettings
from fq.worker.process.control_signals import ControlSignals
from fq.worker.process.main import run_child
from fq.worker.process_hygiene import lead_a_session
from fq.worker.scoreboard import Scoreboard
from fq.worker.settings import WorkerSettings

log = logger("fq.worker")


def main(order: str) -> None:
    """Listen for signals, import the application that *order* names, and run it."""
    stop_inheritance()
    lead_a_session()
    signals = ControlSignals()
    signals.listen()
    fields = json.loads(order)
    set_up_logging(LogSettings.from_json(fields["logs"]))
    settings = WorkerSettings(**fields["settings"])
    scoreboard = Scoreboard.reopen(fields["scoreboard"])
    run_child(partial(load, fields["app"]), settings, fields["name"], fields["supervisor"], scoreboard, signals)


def run_fork(app_path: str, settings: WorkerSettings, name: str, supervisor: int, scoreboard: Scoreboard, signals: ControlSignals) -> Never:
    """Import the application at *app_path*, and run it."""
    run_child(partial(load, app_path), settings, name, supervisor, scoreboard, signals)


def set_up_logging(logs: LogSettings) -> None:
    """Set up logging; to standard error if the log file cannot be opened, for example because its folder is gone."""
    try:
        logs.set_up()
    except OSError as error:
        evolve(logs, file=None).set_up()
        log.error("%s: the log cannot be written: %s", logs.file, error.strerror)


def load(app_path: str) -> tuple[Registry, Broker]:
    """Return what a worker needs of the app at *app_path*, with the metrics layer that ``--metrics`` asks for."""
    app: App = load_app(app_path)
    join_metrics(app)
    return app.registry, app.broker
