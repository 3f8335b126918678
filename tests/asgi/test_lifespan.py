"""What begins and ends with a server."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from litestar import Litestar
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fq import App
from fq.asgi import lifespan
from fq.asgi.closing import Closing
from fq.brokers.memory import MemoryBroker
from fq.errors import BrokerError, BrokerUnavailable
from tests.asgi.conftest import declare


class Noted(MemoryBroker):
    """Notes in *steps* what is asked of it."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.error = error

    def workers(self):
        self.steps.append("opened")
        if self.error is not None:
            raise self.error
        return super().workers()

    def close(self) -> None:
        self.steps.append("closed")
        super().close()


@pytest.fixture
def broker() -> Noted:
    return Noted()


@pytest.fixture
def noted(broker: Noted) -> App:
    return declare(App(broker=broker))


def test_the_broker_opens_and_closes_with_the_server(noted: App, broker: Noted) -> None:
    for client in (
        TestClient(FastAPI(lifespan=lifespan(noted))),
        TestClient(Starlette(lifespan=lifespan(noted))),
        LitestarClient(Litestar(lifespan=[lifespan(noted)])),
    ):
        with client:
            assert broker.steps == ["opened"]
        assert broker.steps == ["opened", "closed"]
        broker.steps.clear()


def test_a_lifespan_of_the_site_runs_inside_and_its_state_is_passed_on(noted: App, broker: Noted) -> None:
    @asynccontextmanager
    async def own(site: FastAPI) -> AsyncIterator[dict[str, object]]:
        broker.steps.append(f"begun {site.title}")
        yield {"greeting": "hello"}
        broker.steps.append("ended")

    site = FastAPI(title="site", lifespan=lifespan(noted, own))

    @site.get("/")
    async def greet(request: Request) -> str:
        return request.state.greeting

    with TestClient(site) as client:
        assert client.get("/").json() == "hello"
    assert broker.steps == ["opened", "begun site", "ended", "closed"]


def test_a_lifespan_of_the_site_may_send_until_its_end_and_the_worker_runs_it(app: App) -> None:
    handles = []

    @asynccontextmanager
    async def own(_: object) -> AsyncIterator[None]:
        handles.append(await app.get_actor("add").asend(1, 2))
        yield
        handles.append(await app.get_actor("add").asend(3, 4))
        await handles[1].aget_result(block=True)

    with TestClient(Starlette(lifespan=lifespan(app, own, worker={"threads": 1}))):
        pass

    assert [handle.get_result() for handle in handles] == [3, 7]


def test_a_site_that_does_not_start_stops_the_worker_and_closes_the_broker(noted: App, broker: Noted) -> None:
    @asynccontextmanager
    async def own(_: object) -> AsyncIterator[None]:
        assert [each.name for each in threading.enumerate() if each.name == "fq-dispatcher"]
        raise RuntimeError("no disk")
        yield

    with pytest.raises(RuntimeError, match="no disk"), TestClient(Starlette(lifespan=lifespan(noted, own, worker=True))):
        pass
    assert broker.steps[-1] == "closed"
    assert not [each.name for each in threading.enumerate() if each.name == "fq-dispatcher"]


def test_a_worker_that_stops_finishes_what_runs(noted: App) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @noted.actor
    def work() -> str:
        begun.set()
        assert go_on.wait(60)
        return "finished"

    with TestClient(Starlette(lifespan=lifespan(noted, worker={"threads": 1}))):
        handle = work.send()
        assert begun.wait(60)
        threading.Timer(0.1, go_on.set).start()

    assert handle.get_result() == "finished"


def test_a_worker_that_stops_hands_back_what_takes_too_long(noted: App) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @noted.actor
    def work() -> str:
        begun.set()
        go_on.wait(60)
        return "too late"

    with TestClient(Starlette(lifespan=lifespan(noted, worker={"threads": 1, "shutdown_timeout": 50}))):
        handle = work.send()
        assert begun.wait(60)
    state = handle.status().state
    go_on.set()

    assert state == "ready"


@pytest.mark.parametrize("how", ["a second Ctrl-C", "a cancelled task"])
def test_a_server_that_is_cut_short_waits_for_nothing(noted: App, how: str) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @noted.actor
    def work() -> str:
        begun.set()
        go_on.wait(60)
        return "too late"

    async def serve() -> None:
        async with lifespan(noted, worker={"threads": 1, "shutdown_timeout": 3_600_000})(None):
            work.call().with_id("w").send()
            await asyncio.to_thread(begun.wait, 60)
            if how == "a second Ctrl-C":
                noted.singleton(Closing).forced.give()
            else:
                await asyncio.sleep(60)

    async def cut_short() -> None:
        serving = asyncio.create_task(serve())
        await asyncio.to_thread(begun.wait, 60)
        if how == "a cancelled task":
            serving.cancel()
        await asyncio.wait_for(asyncio.wait((serving,)), 60)

    asyncio.run(cut_short())
    state = noted.broker.status("w").state
    go_on.set()

    assert state == "ready"


def test_two_interrupts_force_the_end_and_a_signal_of_another_kind_does_not(noted: App) -> None:
    before = signal.signal(signal.SIGINT, lambda *_: None), signal.signal(signal.SIGTERM, lambda *_: None)

    async def serve() -> list[bool]:
        forced, seen = noted.singleton(Closing).forced, []
        async with lifespan(noted)(None):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
                signal.raise_signal(number)
                seen.append(forced.is_given)
        return seen

    try:
        seen = asyncio.run(serve())
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])

    assert seen == [False, False, False, True]


def test_without_worker_nothing_runs(noted: App) -> None:
    with TestClient(Starlette(lifespan=lifespan(noted))):
        handle = noted.get_actor("add").send(1, 2)
        assert not [each for each in threading.enumerate() if each.name == "fq-dispatcher"]

    assert handle.status().state == "ready"


def test_a_broker_that_is_away_is_logged_and_the_server_starts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "fq"), TestClient(Starlette(lifespan=lifespan(App(broker=Noted(BrokerUnavailable("no server")))))):
        pass

    assert "the broker cannot be reached, and sends fail until it can: no server" in caplog.text


def test_a_broker_that_a_person_has_to_mend_stops_the_start() -> None:
    with (
        pytest.raises(BrokerError, match="of a later release"),
        TestClient(Starlette(lifespan=lifespan(App(broker=Noted(BrokerError("of a later release")))))),
    ):
        pass


@pytest.fixture
def handler() -> Iterator[list[int]]:
    """What the server's handler of TERM has got."""
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    yield got
    signal.signal(signal.SIGTERM, before)


def test_streams_learn_of_a_signal_and_the_server_gets_it_too(noted: App, handler: list[int]) -> None:
    servers = signal.getsignal(signal.SIGTERM)

    async def serve() -> None:
        async with lifespan(noted)(None):
            closing = noted.singleton(Closing)
            with closing.begun.listening() as closed:
                assert not closing.begun.is_given
                signal.raise_signal(signal.SIGTERM)
                await asyncio.wait_for(closed.wait(), 60)

    asyncio.run(serve())

    assert handler == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is servers


def test_a_second_server_of_the_process_begins_open_and_so_does_what_comes_after_it(noted: App) -> None:
    async def serve() -> bool:
        async with lifespan(noted)(None):
            return noted.singleton(Closing).begun.is_given

    assert [asyncio.run(serve()), asyncio.run(serve())] == [False, False]
    assert not noted.singleton(Closing).begun.is_given
