"""`emit`: a stream of typed values, on every broker. It is in order, it is bounded, and what begins anew is told apart."""

import pickle
import sys
import types

import pytest
from attrs import frozen

from fq import App, InvalidResult, emit
from fq.brokers.operations import message_key
from fq.brokers.records import CONTINUE, ClaimRequest, Commit, Delivery, SetMarkOp
from fq.calls.emitting_handle import EmittingHandle
from fq.runtime.reported import MAX_STREAM_LENGTH
from fq.wire.progress import encode_chunk, stored_chunk
from tests.brokers.harness import Harness


@frozen
class Chunk:
    text: str


@pytest.fixture
def app(harness: Harness) -> App:
    return App(broker=harness.broker())


def test_values_arrive_in_order_as_what_they_are_and_the_result_is_last(app: App) -> None:
    @app.actor(emits=Chunk)
    def spell(word: str) -> int:
        for letter in word:
            emit(Chunk(letter))
        return len(word)

    @app.actor(emits=Chunk)
    async def aspell(word: str) -> int:
        for letter in word:
            emit(Chunk(letter))
        return len(word)

    handles = [spell.send("abc"), aspell.send("de")]
    app.run_until_idle()

    assert [list(handle.watch()) for handle in handles] == [[Chunk("a"), Chunk("b"), Chunk("c"), 3], [Chunk("d"), Chunk("e"), 2]]


def test_a_worker_batches_them_and_none_is_lost(app: App) -> None:
    @app.actor(emits=int)
    def count(n: int) -> str:
        for number in range(n):
            emit(number)
        return "done"

    handle = count.send(500)
    with app.worker(threads=1):
        assert list(handle.watch(timeout=60_000, interval=20)) == [*range(500), "done"]


def test_the_latest_thousand_are_kept(app: App) -> None:
    @app.actor(emits=int)
    def count(n: int) -> None:
        for number in range(n):
            emit(number)

    handle = count.send(MAX_STREAM_LENGTH + 5)
    with app.worker(threads=1):
        assert list(handle.watch(timeout=60_000, interval=20))[-1] == MAX_STREAM_LENGTH + 4
    kept = list(handle.watch(interval=1))

    assert kept == list(range(5, MAX_STREAM_LENGTH + 5))
    assert app.broker.count_marks(message_key("stream", handle.message_id)) == MAX_STREAM_LENGTH


def test_an_attempt_that_begins_anew_is_told(app: App, silent: None) -> None:
    attempts: list[int] = []

    @app.actor(emits=str, min_backoff=0)
    def spell(word: str) -> int:
        attempts.append(1)
        for letter in word:
            emit(letter)
            if len(attempts) == 1 and letter == "b":
                raise ConnectionError
        return len(word)

    handle = spell.send("abc")
    app.run_until_idle()
    seen: list[object] = []
    watched = handle.watch(on_restart=lambda: seen.append("restart"))
    for found in watched:
        seen.append(found)

    assert seen == ["a", "b", "restart", "a", "b", "c", 3]


def claim(app: App) -> Delivery:
    (delivery,) = app.broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
    return delivery


def emitted(delivery: Delivery, number: int, value: object) -> Commit:
    key = message_key("stream", delivery.message_id, f"{delivery.token:020d}", f"{number:012d}")
    body = stored_chunk(encode_chunk(value), delivery.token, number)
    index = message_key("stream", delivery.message_id)
    op = SetMarkOp(key, body, 60_000, index=index, order=delivery.received_at, most=MAX_STREAM_LENGTH)
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, CONTINUE, (op,))


def test_a_redelivery_comes_after_the_delivery_before_and_a_zombie_adds_nothing(app: App) -> None:
    @app.actor(emits=int)
    def count() -> None: ...

    handle = count.send()
    first = claim(app)
    app.broker.turn((emitted(first, 0, 10), emitted(first, 1, 11)), ClaimRequest("w", ("default",), 0))
    app.broker.release("w", {})
    second = claim(app)
    zombie = app.broker.turn((emitted(first, 2, 12),), ClaimRequest("w", ("default",), 0))
    app.broker.turn((emitted(second, 0, 20),), ClaimRequest("w", ("default",), 0))
    seen: list[object] = []
    watched = handle.watch(on_restart=seen.clear)
    for _ in range(3):
        seen.append(next(watched))

    assert zombie.stale == (handle.message_id,)
    assert seen == [20]


@pytest.mark.parametrize(
    ("value", "said"),
    [("x" * 5_000, "5,002 bytes of JSON as the value of the stream"), (1, "expected str, found 1"), (None, "expected str")],
)
def test_what_cannot_be_emitted_is_refused(memory: App, silent: None, value: object, said: str) -> None:
    @memory.actor(emits=str, max_retries=0)
    def work() -> int:
        with pytest.raises(InvalidResult, match=said):
            emit(value)
        return 1

    handle = work.send()
    memory.run_until_idle()

    assert handle.get_result() == 1


def test_an_actor_must_declare_what_it_emits(memory: App) -> None:
    @memory.actor
    def work() -> int:
        with pytest.raises(InvalidResult, match=r"declares no type of its values: write @app.actor\(emits=...\)"):
            emit(1)
        return 1

    handle = work.send()
    memory.run_until_idle()

    assert handle.get_result() == 1


def test_outside_of_an_actor_it_does_nothing(memory: App) -> None:
    @memory.actor(emits=int)
    def count(n: int) -> int:
        emit(n)
        return n

    assert count(3) == 3


def test_all_ways_of_sending_give_a_handle_that_reads_the_stream(memory: App, monkeypatch: pytest.MonkeyPatch) -> None:
    @memory.actor(emits=int)
    def count(n: int) -> int:
        emit(n)
        return -n

    monkeypatch.setitem(sys.modules, "streams_app", types.ModuleType("streams_app"))
    sys.modules["streams_app"].app = memory  # type: ignore[attr-defined]
    sent = count.call(1).delay(5).send()
    handles = [sent, count.call(1).handle(sent.message_id), pickle.loads(pickle.dumps(sent)), *memory.send_many([count.call(2)])]
    memory.run_until_idle()

    assert all(isinstance(handle, EmittingHandle) for handle in handles)
    assert [list(handle.watch()) for handle in handles] == [[1, -1], [1, -1], [1, -1], [2, -2]]
