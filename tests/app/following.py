"""`Rig`: an app whose actors send with their outcomes."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from fq import App, Handle

Behave = Callable[[], object]

both_colours = pytest.mark.parametrize("colour", ["sync", "async"])


def waiting(app: App) -> int:
    return sum(queue.ready + queue.delayed for queue in app.broker.queues())


class Rig:
    """An app on a broker, what its actor `load` ran with, and what its actors of both colours do."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.ran: list[object] = []

        @app.actor
        def load(part: object) -> object:
            self.ran.append(part)
            return part

        self.load = load

    def parent(self, behave: Behave, colour: str, **options: object) -> Handle[object]:
        """Send an actor of this *colour* that does *behave*, once, and return what it returns."""

        def sync_parent() -> object:
            return behave()

        async def async_parent() -> object:
            await asyncio.sleep(0)
            return behave()

        declare = self.app.actor(name="parent", max_retries=1, min_backoff=0, **options)  # type: ignore[call-overload]
        return declare(sync_parent if colour == "sync" else async_parent).send()  # type: ignore[no-any-return]

    def run(self) -> None:
        """Run all that waits now."""
        logging.getLogger("fq").setLevel(logging.CRITICAL)
        try:
            self.app.run_until_idle()
        finally:
            logging.getLogger("fq").setLevel(logging.NOTSET)
