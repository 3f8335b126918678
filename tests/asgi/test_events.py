"""The events of a task: what they say, and when they end."""

import asyncio
import json
import threading
from collections.abc import Callable
from itertools import pairwise

from starlette.testclient import TestClient

from fq import App, emit, progress
from fq.asgi import TaskRoutes
from fq.asgi.closing import Closing
from fq.brokers.memory import MemoryBroker
from fq.errors import BrokerUnavailable
from tests.asgi.conftest import SECRET, Events, declare


class Connection:
    """A connection of a browser, without a server: it *hears* what the app sends, and leaves when it is told to."""

    def __init__(self, tasks: TaskRoutes, link: str, **headers: str) -> None:
        self.tasks, self.text, self.status = tasks, "", 0
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": f"/{link}/events",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        self.left, self.heard = asyncio.Event(), asyncio.Event()

    async def receive(self) -> dict:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"").decode()
        self.heard.set()

    async def run(self) -> None:
        await asyncio.wait_for(self.tasks(self.scope, self.receive, self.send), 60)

    async def hears(self, text: str) -> None:
        while text not in self.text:
            self.heard.clear()
            await asyncio.wait_for(self.heard.wait(), 60)


def read(app: App, handle, **headers: str) -> Events:
    """Return all events of a task that ends."""
    tasks = TaskRoutes(app, secret=SECRET, interval=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Events.of(TestClient(tasks).get(f"/{tasks.link(handle)}/events", headers=names).text)


def test_values_come_in_order_and_the_end_is_last(app: App) -> None:
    with app.worker(threads=1):
        events = read(app, app.get_actor("spell").send("abc"))

    assert events.named("value") == ['"a"', '"b"', '"c"']
    assert [each["event"] for each in events][-1] == "end"
    assert json.loads(events.named("end")[0])["result"] == 3


def test_a_client_goes_on_after_the_value_that_it_has(app: App) -> None:
    handle = app.get_actor("spell").send("abc")
    app.run_until_idle()
    second = next(each["id"] for each in read(app, handle) if each["data"] == '"b"')

    assert read(app, handle, last_event_id=second).named("value") == ['"c"']
    assert read(app, handle, last_event_id="gibberish").named("value") == ['"a"', '"b"', '"c"']


def test_a_client_is_told_that_the_stream_begins_anew(app: App, silent: None) -> None:
    handle = app.get_actor("spell").send("ab", True)
    app.run_until_idle()
    events = read(app, handle)
    names = [each["event"] for each in events]
    of_the_first_run = events[1]["id"]

    assert names == ["value", "value", "restart", "value", "value", "end"]
    assert [each["event"] for each in read(app, handle, last_event_id=of_the_first_run)] == ["restart", "value", "value", "end"]
    assert json.loads(events.named("end")[0])["error"] == {"type": "ValueError"}


def test_a_client_that_has_seen_the_end_is_told_not_to_come_again(memory_app: App) -> None:
    tasks = TaskRoutes(memory_app, secret=SECRET)
    handle = memory_app.get_actor("add").send(1, 2)
    memory_app.run_until_idle()
    client, path = TestClient(tasks), f"/{tasks.link(handle)}/events"
    last = Events.of(client.get(path).text)[-1]["id"]

    assert client.get(path, headers={"last-event-id": last}).status_code == 204


def test_progress_is_told_when_it_changes(memory_app: App) -> None:
    go_on = threading.Event()

    @memory_app.actor
    def work() -> int:
        progress(1, of=2)
        assert go_on.wait(60)
        return 1

    async def scenario() -> Connection:
        tasks = TaskRoutes(memory_app, secret=SECRET, interval=5)
        connection = Connection(tasks, tasks.link(work.send()))
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.run())
            await connection.hears('"waiting"')
            with memory_app.worker(threads=1):
                await connection.hears('"fraction":0.5')
                go_on.set()
                await connection.hears("event: end")
        return connection

    events = Events.of(asyncio.run(scenario()).text)
    told = [json.loads(each) for each in events.named("progress")]

    assert (told[0]["state"], told[-1]["state"]) == ("waiting", "running")
    assert all(one != another for one, another in pairwise(told))
    assert json.loads(events.named("end")[0])["result"] == 1


def follow(app: App, act: Callable[[Connection], None], until: str = "waiting", **settings: object) -> Connection:
    """Open a stream of a task that waits, *act* when *until* was heard, and return when the stream has ended."""

    async def scenario() -> Connection:
        tasks = TaskRoutes(app, **{"secret": SECRET, "interval": 10, **settings})
        connection = Connection(tasks, tasks.link(app.get_actor("add").send(1, 2)))
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.run())
            await connection.hears(until)
            act(connection)
        assert tasks._streams == 0
        return connection

    return asyncio.run(scenario())


def test_a_stream_ends_when_the_client_leaves(app: App) -> None:
    connection = follow(app, lambda connection: connection.left.set())

    assert "event: end" not in connection.text


def test_a_stream_ends_when_the_server_stops(app: App) -> None:
    connection = follow(app, lambda _: app.singleton(Closing).begun.give())

    assert "event: end" not in connection.text


def test_a_stream_ends_after_its_longest_time(memory_app: App) -> None:
    follow(memory_app, lambda _: None, until="retry", max_stream=30)


def test_a_quiet_stream_sends_comments(memory_app: App) -> None:
    follow(memory_app, lambda connection: connection.left.set(), until=": still here\n\n: still here", keep_alive=5)


def test_one_stream_more_than_allowed_ends_at_once_and_comes_again(memory_app: App) -> None:
    tasks = TaskRoutes(memory_app, secret=SECRET, max_streams=0)
    answer = TestClient(tasks).get(f"/{tasks.link(memory_app.get_actor('add').send(1, 2))}/events")

    assert (answer.status_code, answer.text) == (200, "retry: 5000\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_stream_ends_without_an_error_when_the_broker_goes_away(silent: None) -> None:
    class GoesAway(MemoryBroker):
        is_away = False

        def status(self, message_id: str):
            if self.is_away:
                raise BrokerUnavailable("no server")
            return super().status(message_id)

    broker = GoesAway()
    connection = follow(declare(App(broker=broker)), lambda _: setattr(broker, "is_away", True))

    assert "event: end" not in connection.text


def test_a_stream_is_not_held_back_by_proxies(memory_app: App) -> None:
    tasks = TaskRoutes(memory_app, secret=SECRET)
    handle = memory_app.get_actor("add").send(1, 2)
    memory_app.run_until_idle()
    headers = TestClient(tasks).get(f"/{tasks.link(handle)}/events").headers

    assert (headers["x-accel-buffering"], headers["cache-control"]) == ("no", "no-store, no-transform")


def test_numbers_that_browsers_cannot_read_are_null(memory_app: App) -> None:
    @memory_app.actor(emits=float)
    def rates() -> list[float]:
        emit(float("nan"))
        return [1.5, float("inf")]

    handle = rates.send()
    memory_app.run_until_idle()
    events = read(memory_app, handle)

    assert events.named("value") == ["null"]
    assert json.loads(events.named("end")[0])["result"] == [1.5, None]
    assert "Infinity" not in events.named("end")[0]


def test_a_value_of_many_lines_is_one_event(memory_app: App) -> None:
    @memory_app.actor(emits=str)
    def lines() -> None:
        emit("a\n\nb\r\ndata: c")

    handle = lines.send()
    memory_app.run_until_idle()

    assert [json.loads(each) for each in read(memory_app, handle).named("value")] == ["a\n\nb\r\ndata: c"]
