"""On a server without a pool, a broker hears what other processes announce, and does not look by itself."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from fq.brokers.postgres import PostgresBroker
from fq.brokers.records import ACK, StoreResultOp
from tests.brokers.builders import claim_one, claim_request, enqueue_op, in_thread, outcome
from tests.brokers.postgres.test_lost_connections import end_all
from tests.wait_until import wait_until

NEVER = 3_600_000


@pytest.fixture
def listening(url: str) -> Iterator[PostgresBroker]:
    """A broker that would look by itself only after an hour."""
    broker = PostgresBroker(f"{url}&poll={NEVER}")
    yield broker
    broker.close()


def heard(broker: PostgresBroker) -> None:
    wait_until(lambda: broker._listener.hears(), what="its own echo")


def test_a_wait_ends_when_another_process_sends(listening: PostgresBroker, broker: PostgresBroker) -> None:
    waiting = in_thread(lambda: listening.wait(claim_request("w"), NEVER))
    heard(listening)
    broker.enqueue([enqueue_op("m")])
    waiting.result(600)

    assert claim_one(listening, "w").message_id == "m"


def test_a_result_is_told_when_it_is_there(listening: PostgresBroker, broker: PostgresBroker) -> None:
    broker.enqueue([enqueue_op("m")])
    waiting = in_thread(lambda: listening.wait_result("m", NEVER))
    heard(listening)
    broker.turn([outcome(claim_one(broker), ACK, StoreResultOp("m", b"1", 60_000))], claim_request(limit=0))

    assert waiting.result(600) == b"1"


def test_it_listens_again_after_its_connection_was_lost(
    listening: PostgresBroker, broker: PostgresBroker, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    waiting = in_thread(lambda: listening.wait(claim_request("w"), NEVER))
    heard(listening)
    end_all(admin)
    broker.enqueue([enqueue_op("m")])
    waiting.result(600)

    assert claim_one(listening, "w").message_id == "m"


def test_it_ends_at_once_also_before_it_has_heard_itself(listening: PostgresBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = listening._listener._changes
    asked: list[Callable[..., bool]] = []
    hears_itself = changes._hears_itself

    def deaf(connection, channel, announced, inbox) -> bool:
        asked.append(hears_itself)
        return hears_itself(connection, "another channel", announced, inbox)

    monkeypatch.setattr(changes, "_hears_itself", deaf)
    monkeypatch.setattr("fq.brokers.postgres.change_listener.ECHO_SECONDS", 3_600.0)
    waiting = in_thread(lambda: listening.wait(claim_request("w"), 1))
    waiting.result(600)
    wait_until(lambda: asked, what="the thread")
    thread = changes._thread
    listening.close()

    assert thread is not None
    thread.join(600)
    assert not thread.is_alive()
