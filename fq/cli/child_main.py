"""The entry point of a worker process that `spawn_child` starts as a new interpreter: it imports the application and runs it."""

import json
from functools import partial

from attrs import evolve

from fq.app.app import App
from fq.cli.common import load_app
from fq.observe.endpoint import join_metrics
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import take_over
from fq.worker.log_setup import LogSettings
from fq.worker.process.control_signals import Orders
from fq.worker.process.main import run_child
from fq.worker.process_hygiene import lead_a_session
from fq.worker.scoreboard import Board
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor.spawn import slots

log = logger("fq.worker")


def main(order: str) -> None:
    """Listen for signals, import the application that *order* names, and run it."""
    take_over()
    lead_a_session()
    orders = Orders()
    orders.listen()
    fields = json.loads(order)
    set_up_logging(LogSettings.from_json(fields["logs"]))
    settings = WorkerSettings(**fields["settings"])
    board = Board(slots(settings), fields["board"])
    run_child(partial(load_child_app, fields["app"]), settings, fields["name"], fields["supervisor"], board, orders)


def set_up_logging(logs: LogSettings) -> None:
    """Set up logging; to standard error if the log file cannot be opened, for example because its folder is gone."""
    try:
        logs.set_up()
    except OSError as error:
        evolve(logs, file=None).set_up()
        log.error("%s: the log cannot be written: %s", logs.file, error.strerror)


def load_child_app(path: str) -> App:
    """Return the app at *path*, with the metrics layer that its supervisor has added."""
    app = load_app(path)
    join_metrics(app)
    return app
