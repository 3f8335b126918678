"""`examine`: imports an app, and says what its supervisor has to know of it. Only processes that need the app import this module."""

from collections.abc import Sequence

from fq.app.app import App
from fq.brokers.recipe import recipe_of
from fq.class_style.adapter import forks_in
from fq.cli.app_facts import AppFacts
from fq.cli.common import UsageError, load_app
from fq.errors import BrokerError, BrokerUnavailable, ConfigError
from fq.observe.endpoint import metrics_address
from fq.runtime.logger import logger
from fq.worker.supervisor.reload import is_replacing
from fq.worker.supervisor.sidecars import name_of

log = logger("fq.worker")


def examine(app_path: str, queues: Sequence[str], metrics: str | None) -> AppFacts:
    """
    Return the facts about the app at *app_path*, whose workers are to claim from *queues*, all if there are none, and serve *metrics*.

    Raises:
        UsageError, FqError: what a person has to fix before a worker can start.
    """
    app = load_app(app_path)
    check_app(app, app_path, queues)
    if str(app.broker) == "memory://":
        log.warning(
            "a broker in memory is inside of one process: what other programs send does not arrive here; use one such as sqlite:///jobs.db"
        )
    address = metrics_address(app, metrics)
    check_broker(app)
    forks = tuple(map(name_of, forks_in(app.stack)))
    return AppFacts(str(app.broker), recipe_of(app.broker), len(app.actors), app.queues, address, forks)


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


def check_app(app: App, app_path: str, queues: Sequence[str]) -> None:
    """Raise `UsageError` unless *app* has actors; warn about those of *queues* that no actor uses."""
    if not app.actors:
        raise UsageError(f"{app_path} has no actors: declare one with @app.actor, or import the modules that do")
    if unknown := sorted(set(queues) - set(app.queues)):
        log.warning("claiming from %s, but no actor of %s uses it; queues in use: %s", ", ".join(unknown), app_path, ", ".join(app.queues))
