"""What could not be started, because the machine had no thread or file left, is started when there are some."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from fq import App
from fq.brokers.limits.policy import Slot
from fq.limits.slot_renewal import SlotRenewal
from fq.worker.executors import event_loop as loop_module
from fq.worker.supervisor.sidecars import Sidecars
from tests.wait_until import wait_until


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Callable[[], None]]:
    """Let threads whose name begins so not start, until what is returned is called."""

    def refuse(name: str) -> Callable[[], None]:
        start, refused = threading.Thread.start, [True]

        def maybe(thread: threading.Thread) -> None:
            if refused and thread.name.startswith(name):
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", maybe)
        return refused.clear

    return refuse


def no_files() -> asyncio.AbstractEventLoop:
    raise OSError(24, "Too many open files")


@pytest.fixture(params=["fq-loop", "fq-loop-watch", "files"])
def mended(
    request: pytest.FixtureRequest, refuse: Callable[[str], Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """The machine is short of something that an event loop needs, until this is called."""
    if request.param != "files":
        yield refuse(request.param)
        return
    usual = loop_module.new_event_loop
    monkeypatch.setattr(loop_module, "new_event_loop", no_files)
    yield lambda: monkeypatch.setattr(loop_module, "new_event_loop", usual)


def test_an_event_loop_that_could_not_be_started_is_started_later(app: App, mended: Callable[[], None]) -> None:
    @app.actor
    async def double(n: int) -> int:
        return 2 * n

    @app.actor
    def triple(n: int) -> int:
        return 3 * n

    with app.worker(threads=1):
        handle = double.send(1)
        assert triple.send(1).get_result(block=True, timeout=30_000) == 3  # the rest goes on
        mended()

        assert handle.get_result(block=True, timeout=30_000) == 2


def test_a_slot_of_a_limit_is_renewed_though_the_thread_could_not_be_started_for_one_before(
    refuse: Callable[[str], Callable[[], None]],
) -> None:
    renewed = []
    leases = SlotRenewal(renewed.append)
    mended = refuse("fq-limits")
    with pytest.raises(RuntimeError, match="new thread"):
        leases.hold(Slot("key", "one", "token", 30))
    mended()
    slot = Slot("key", "other", "token", 30)
    leases.hold(slot)

    wait_until(lambda: renewed, what="the renewal")
    leases.drop(slot)
    assert set(renewed) == {slot}


def test_a_helper_that_could_not_be_forked_does_not_end_the_supervisor(silent: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("os.fork", fail)
    sidecars = Sidecars([print])

    sidecars.start_missing()
    sidecars.stop()
