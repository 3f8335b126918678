"""An app that keeps records of messages of both colours, on every broker."""

from collections.abc import Callable

from fq import App, GroupCallbacks, Handle, MessageRecord, default_middleware, keep
from fq.layers.keep import Keep
from tests.brokers.harness import Harness

Behave = Callable[[], object]


KEEP = keep()


class Kept:
    """An app that keeps records, with actors of both colours that behave as they are told."""

    def __init__(self, harness: Harness, layer: Keep = KEEP) -> None:
        self.harness = harness
        self.app = App(broker=harness.broker(), middleware=default_middleware.outside(GroupCallbacks, layer))
        self.behave: Behave = lambda: None

        @self.app.actor(min_backoff=0, max_retries=3, tags=["plain"])
        def act(first: int, *, password: str = "secret") -> None:
            self.behave()

        @self.app.actor(min_backoff=0, max_retries=3, tags=["plain"])
        async def aact(first: int, *, password: str = "secret") -> None:
            self.behave()

        self.actors = {"sync": act, "async": aact}

    def run(self, colour: str, behave: Behave = lambda: None) -> Handle[None]:
        self.behave = behave
        handle = self.actors[colour].send(1)
        self.app.run_until_idle()
        return handle


def failing(times: int) -> Behave:
    """Return what fails *times* times, at once again."""
    seen: list[int] = []

    def behave() -> None:
        seen.append(1)
        if len(seen) <= times:
            raise ValueError(f"error {len(seen)}")

    return behave


def found(handle: Handle[None]) -> MessageRecord:
    record = handle.history()
    assert record is not None
    return record
