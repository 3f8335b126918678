"""The memory broker joins the suite."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from fq.brokers import Broker, MemoryBroker
from fq.brokers.clock import ManualClock


class MemoryHarness:
    loses_replies = False
    shards = 1
    slack = 0

    def __init__(self, folder: Path) -> None:
        self._clock = ManualClock()
        self._broker = MemoryBroker(clock=self._clock)

    def broker(self) -> Broker:
        return self._broker

    def advance(self, ms: int) -> None:
        self._clock.advance(ms)

    def lost_replies(self, broker: Broker) -> AbstractContextManager[None]:
        raise NotImplementedError

    def deafness(self, broker: Broker, deaf: bool) -> AbstractContextManager[None]:
        return nullcontext()

    def await_publication(self, worker: str) -> None:
        pass

    def close(self) -> None:
        self._broker.close()


HARNESSES = {"memory": MemoryHarness}
