"""Workers that share one broker, each taking its turns when the test says so."""

import pytest
from attrs import define, field

from fq import App
from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimRequest, Commit, Delivery, Turn
from fq.core.message import Message
from fq.execution import declared_schedules
from fq.wire.codec import decode
from fq.worker.process.broker_session import BrokerSession
from fq.worker.process.scheduler import Scheduler
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]


@define
class Process:
    """Mutable: a worker process that runs *app*, without its executors."""

    app: App
    name: str
    scheduler: Scheduler = field(init=False)
    session: BrokerSession = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.session = BrokerSession(self.app.broker, self.name, 15_000)
        self.scheduler = Scheduler(self.app.registry, self.session)

    def boot(self) -> "Process":
        """Declare what the app declares, and publish that."""
        self.turn()
        return self

    def turn(self) -> bool:
        """Take a turn that claims nothing, and return whether the next should follow at once."""
        return self.scheduler.after_turn(self.session.turn([], ("default",)))


@define
class Fleet:
    """Mutable: a store, and what works on it."""

    harness: Harness
    broker: Broker
    count: int = 0

    @property
    def now(self) -> int:
        """The time, ms since the epoch."""
        return self.broker.now()

    def app(self) -> App:
        """Return an app with an actor, `poll`, as another process would have it."""
        app = App(broker=self.harness.broker())

        @app.actor
        def poll(text: str = "") -> None: ...

        return app

    def process(self, app: App) -> Process:
        """Return a process that runs *app*."""
        self.count += 1
        return Process(app, f"w{self.count}")

    def every_minute(self, text: str = "v1", name: str = "poll", **options: object) -> App:
        """Return an app that declares a schedule which calls `poll` with *text* each minute."""
        app = self.app()
        app.every(60_000, app.get_actor("poll").call(text), name=name, **options)  # type: ignore[arg-type]
        return app

    def to_next_minute(self) -> int:
        """
        Move the clock to the next whole minute, and return that.

        A server's clock moves a second further: it goes on by itself, and another handle may know it a moment late.
        """
        now = self.now
        minute = now // 60_000 * 60_000 + 60_000
        self.harness.advance(minute - now + (1_000 if self.harness.slack else 0))
        return minute

    def claim(self, limit: int = 1_000) -> list[Message]:
        """Claim what is ready, and return it; it goes on running."""
        return [decode(delivery.body) for delivery in self.deliveries(limit)]

    def commit(self, delivery: Delivery) -> None:
        """Let a message that was claimed be done."""
        done = Commit(delivery.message_id, delivery.queue_name, delivery.token)
        self.broker.turn([done], ClaimRequest("claims", ("default",), 0, 10_000_000))

    def deliveries(self, limit: int = 1_000) -> tuple[Delivery, ...]:
        """Claim what is ready."""
        turn: Turn = self.broker.turn([], ClaimRequest("claims", ("default",), limit, 10_000_000))
        return turn.deliveries


@pytest.fixture
def fleet(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """An empty store. The age of code passes with its clock."""
    broker = harness.broker()
    monkeypatch.setattr(declared_schedules, "steady_clock", lambda: broker.now)
    fleet = Fleet(harness, broker)
    if harness.slack:  # time goes on by itself: no minute may end between two steps of a test
        fleet.to_next_minute()
    return fleet


def texts(messages: list[Message]) -> list[object]:
    """The first arguments of *messages*."""
    return [message.args[0] for message in messages]


def ticks(messages: list[Message]) -> list[object]:
    """The ticks of *messages*."""
    return [message.options["tick"] for message in messages]
