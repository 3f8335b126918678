"""However many messages there are, a page asks the broker a fixed number of times, and reads a bounded number of messages."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from fq import App
from fq.brokers import SqliteBroker
from fq.brokers.memory import MemoryBroker
from fq.brokers.postgres import PostgresBroker
from fq.brokers.protocol import CALLED_BY_ACTORS
from fq.brokers.records import Bury, ClaimRequest, Commit, EnqueueOp
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.shards import ShardedRedisBroker
from fq.core.fault import Fault
from fq.core.message import Message
from fq.web.pages import overview
from fq.wire.codec import encode
from tests.brokers.harness import Harness
from tests.every_broker import KINDS, PARTLY
from tests.sampling import RUNS_ALL
from tests.web.conftest import Site, claim, fail

READ = {*CALLED_BY_ACTORS, "now", "count_marks", "turn"}

MOST_CALLS, MOST_READ, MOST_COMMANDS = 40, 5_500, 100
"""How often a page may ask the broker, how many messages it may be given, and how many commands it may send to a server."""

MOST_STEPS = 1_500_000
"""How many steps the virtual machine of SQLite may take for a page. A million take about 20 ms."""

STEPS_AT_ONCE = 100


class Counting:
    """Counts what *broker* is asked, and how many messages it gives."""

    def __init__(self, broker) -> None:
        self.broker, self.calls, self.read, self.commands, self.steps = broker, Counter[str](), 0, 0, 0
        if isinstance(broker, RedisBroker):
            self._count_commands(broker)

    def _count_commands(self, broker: RedisBroker) -> None:
        client = broker._namespace.client
        originals = {"call": client.call, "command": client.command}

        def counted(name: str, *args: object, **kwargs: object) -> object:
            self.commands += 1
            return originals[name](*args, **kwargs)

        client.call, client.command = partial(counted, "call"), partial(counted, "command")

    def _count_steps(self, broker: SqliteBroker) -> None:
        def step() -> None:
            self.steps += STEPS_AT_ONCE

        for database in (broker._reader, broker._writer):
            if database._connection is not None:
                database._connection.set_progress_handler(step, STEPS_AT_ONCE)

    def forget(self) -> None:
        """Begin to count."""
        self.calls.clear()
        if isinstance(self.broker, SqliteBroker):
            self._count_steps(self.broker)
        self.read = self.commands = self.steps = 0

    def __str__(self) -> str:
        return str(self.broker)

    def __getattr__(self, name: str):
        found = getattr(self.broker, name)
        if name not in READ:
            return found

        def counted(*args: object, **kwargs: object) -> object:
            self.calls[name] += 1
            answer = found(*args, **kwargs)
            self.read += len(getattr(answer, "entries", ()))
            return answer

        return counted


MILLION = [pytest.param((kind, 1_000_000), id=f"{name}-a million", marks=pytest.mark.chaos) for name, kind in KINDS.items()]


THOUSANDS = [
    pytest.param((kind, 20_000), id=name, marks=pytest.mark.xdist_group(f"many-{name}"))
    for name, kind in KINDS.items()
    if RUNS_ALL or kind not in PARTLY
]
"""One process runs all tests of a kind, so that its messages are sent once."""


@pytest.fixture(scope="module", params=[*THOUSANDS, *MILLION])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, Counting, str]]:
    """20,000 messages, or a million; a tenth of them dead, and a tenth delayed."""
    kind, count = request.param
    harness: Harness = kind(tmp_path_factory.mktemp("many"))
    broker = Counting(harness.broker())
    app = App(broker=broker)

    @app.actor(queue="mail", tags=["billing"])
    def mail(number: int) -> None: ...

    @app.actor
    def single(number: int) -> None: ...

    single.send(0)
    fail(app, error="RareError")
    for first in range(0, count, 20_000):
        broker.enqueue([to_op(first + n, 0) for n in range(16_000)])
        broker.enqueue([to_op(first + n, 3_600_000) for n in range(16_000, 18_000)])
        dead_letters(app, 2_000)
    single.send(1)
    yield app, broker, fail(app)
    harness.close()


def to_op(number: int, delay: int) -> EnqueueOp:
    """Return a message for the queue mail, as its actor sends it."""
    message = Message(message_id=f"m{number}", actor_name="mail", queue_name="mail", args=(number,), options={"tags": ["billing"]})
    return EnqueueOp(message.message_id, "mail", "mail", 0, delay, encode(message))


def dead_letters(app: App, count: int) -> None:
    """Let *count* messages of the queue mail die, in a few turns."""
    fault = Fault("ConnectionError", "refused", "Traceback (most recent call last):\n" + "x" * 500)
    for _ in range(count // 500):
        found = app.broker.turn([], ClaimRequest("host:1:a", ("mail",), 500)).deliveries
        commits = [Commit(each.message_id, "mail", each.token, Bury(fault)) for each in found]
        app.broker.turn(commits, ClaimRequest("host:1:a", ("mail",), 0))


PATHS = [
    *("/", "/queues", "/workers", "/schedules", "/doctor", "/metrics", "/message?id={id}", "/workflow?id={id}", "/edit?id={id}"),
    *(f"/messages?state={state}" for state in ("ready", "running", "delayed", "retrying", "dead", "finished")),
    *("/messages?state=ready&argument=number%3D15999", "/messages?state=dead&tag=none", "/messages?state=dead&error=KeyError"),
    *("/messages?state=delayed&actor=nobody", "/messages?state=ready&argument=nothing"),
]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_asks_a_bounded_number_of_times(many: tuple[App, Counting, str], path: str) -> None:
    app, broker, message_id = many
    broker.forget()
    Site(app).html(path.format(id=message_id))

    assert broker.calls.total() <= MOST_CALLS, dict(broker.calls)
    assert broker.read <= MOST_READ
    assert broker.commands <= MOST_COMMANDS
    assert broker.steps <= MOST_STEPS
    assert broker.calls["dead_letters"] == 0


def test_the_overview_has_every_kind_of_failure_and_leads_to_its_messages(many: tuple[App, Counting, str]) -> None:
    app, broker, _ = many
    failures = Site(app).json("/")["failures"]
    dead = {(group["actor_name"], group["error"]): group["dead"] for group in failures["groups"]}

    if isinstance(broker.broker, RedisBroker | ShardedRedisBroker):  # it looks at the latest
        assert failures["more_dead"]
        assert "there may be other groups" in Site(app).html("/")
        return
    assert (dead["single", "RareError"], dead["single", "ConnectionError"], failures["more_dead"]) == (1, 1, False)
    assert dead["mail", "ConnectionError"] >= 2_000
    (group,) = [group for group in failures["groups"] if group["actor_name"] == "mail"]
    assert group["dead_is_at_least"] == (group["dead"] == 10_000)
    found = Site(app).json("/messages?state=dead&actor=single&error=RareError")
    assert (len(found["messages"]), found["after"], found["total"]) == (1, "", 1)


def test_pages_say_where_there_are_more_messages_than_were_counted(many: tuple[App, Counting, str]) -> None:
    app, broker, _ = many
    site = Site(app)
    (mail,) = [queue for queue in site.json("/queues")["queues"] if queue["queue_name"] == "mail"]

    if isinstance(broker.broker, SqliteBroker | PostgresBroker):
        assert (mail["ready"], "ready" in mail["at_least"]) == (10_000, True)
        assert "10,000+" in site.html("/") and "10,000+" in site.html("/queues") and "10,000+" in site.html("/messages?state=ready")
        assert f"More than {10_000 + mail['delayed']:,} messages wait there" in site.act("purge", "mail").text
    else:
        assert (mail["ready"] > 10_000, mail["at_least"]) == (True, [])
        assert "10,000+" not in site.html("/")


def test_the_number_that_is_confirmed_is_counted_in_a_bounded_number_of_calls(many: tuple[App, Counting, str]) -> None:
    app, broker, _ = many
    broker.forget()
    asked = Site(app).act("discard", all="1", state="ready", queue="mail")

    assert "Discard 10,000 messages?" in asked.text
    assert (broker.calls["browse"], broker.read, broker.commands <= 100) == (10, 10_000, True)


def test_counting_sees_every_call() -> None:
    broker = Counting(MemoryBroker())
    app = App(broker=broker)

    @app.actor
    def work() -> None: ...

    work.send()
    claim(app)
    app.messages(state="running")

    assert (broker.calls["enqueue"], broker.calls["turn"], broker.calls["browse"], broker.read) == (1, 1, 1, 1)


def test_the_overview_shows_a_bounded_number_of_queues_and_of_groups(memory_app: App) -> None:
    @memory_app.actor
    def work() -> None: ...

    count = overview.MOST_SHOWN + 20
    for n in range(count):
        memory_app.send_many(work.call().with_options(queue=f"q{n:03}") for _ in range(3 if n >= 20 else 2))
        fail(memory_app, f"q{n:03}", f"Error{n}")
    site = Site(memory_app)
    shown = site.json("/")

    assert [queue["queue_name"] for queue in shown["queues"]] == [f"q{n:03}" for n in range(20, count)]
    assert (shown["queue_count"], shown["totals"]["dead"]) == (count, count)
    assert (len(shown["failures"]["groups"]), shown["failures"]["group_count"]) == (overview.MOST_SHOWN, count)
    html = site.html("/")
    assert "The 100 largest of 120 groups" in html
    assert "The 100 with the most messages of 120 queues" in html
