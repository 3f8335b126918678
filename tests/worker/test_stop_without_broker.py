"""A worker that stops while its broker is away."""

import pytest

from fq import App
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import Turn
from fq.errors import BrokerUnavailable
from tests.wait_until import wait_until


class Away(MemoryBroker):
    """A broker that can be away."""

    is_away = False
    refused = 0

    def turn(self, commits, request) -> Turn:
        if self.is_away:
            self.refused += 1
            raise BrokerUnavailable("away")
        return super().turn(commits, request)


@pytest.mark.parametrize("worked_before", [False, True])
def test_one_with_nothing_in_hand_does_not_wait_for_the_broker(worked_before: bool) -> None:
    broker = Away()
    app = App(broker=broker)

    @app.actor
    def work() -> int:
        return 1

    worker = app.worker(threads=1, shutdown_timeout=600_000)
    with worker:
        if worked_before:
            assert work.send().get_result(block=True) == 1
        broker.is_away = True
        broker.enqueue([])
        work.send()  # wakes it
        wait_until(lambda: broker.refused > 0)

    assert broker.refused > 0
