"""Messages with a unique key, end to end: who gets which handle, and what runs. On every broker, from sync and async producers."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from attrs import frozen
from returns.result import Success

from fq import App, DeclarationError, Duplicate, Enqueue, Message, Middleware, OptionError, SkipMessage, unique
from fq.core.events import Enqueued, Event
from fq.core.message import ACTOR_DEFAULTS
from fq.core.reserved_options import UNIQUE
from tests.brokers.harness import Harness
from tests.calls.unique_calls import SENDERS, Noted, Sender


@pytest.fixture
def noted(harness: Harness) -> Iterator[Noted]:
    made = Noted(harness)
    yield made
    made.app.broker.close()


@pytest.fixture(params=SENDERS.values(), ids=SENDERS.keys())
def send(request: pytest.FixtureRequest) -> Sender:
    return request.param


def test_one_of_many_sends_with_one_key_runs_and_all_get_its_result(noted: Noted, send: Sender) -> None:
    handles = [send(noted.sync.call(7, reason)) for reason in ("first", "second", "third")]

    assert [handle.is_duplicate for handle in handles] == [False, True, True]
    assert len({handle.message_id for handle in handles}) == 1
    assert noted.run() == [(7, "first")]
    assert [handle.get(0) for handle in handles] == [Success("first")] * 3


def test_other_keys_are_not_held(noted: Noted, send: Sender) -> None:
    assert [send(noted.sync.call(account)).is_duplicate for account in (7, 8, 9)] == [False] * 3
    assert not send(noted.work.call(7)).is_duplicate
    assert len(noted.run()) == 4


def test_the_key_is_free_once_the_message_is_done(noted: Noted, send: Sender) -> None:
    send(noted.sync.call(7))
    noted.run()

    assert not send(noted.sync.call(7)).is_duplicate


@pytest.mark.parametrize(("until", "held"), [("end", True), ("start", False)])
def test_the_key_is_held_while_the_message_runs_unless_it_is_until_the_start(noted: Noted, until: Any, held: bool) -> None:
    seen: list[bool] = []

    def during() -> None:
        if not seen:
            seen.append(noted.work.call(2).unique("k", until=until).send().is_duplicate)

    noted.during = during
    noted.work.call(1).unique("k", until=until).send()

    assert noted.run() == ([1] if held else [1, 2])
    assert seen == [held]


def test_a_retry_keeps_the_key_and_a_dead_letter_frees_it(noted: Noted, send: Sender) -> None:
    noted.fails = 1
    first = send(noted.work.call(1).unique("k"))
    if str(noted.app.broker) != "memory://":  # whose clock jumps over the delay
        noted.run()
        assert send(noted.work.call(2).unique("k")).message_id == first.message_id
        noted.harness.advance(2_000)
    noted.run()
    assert first.get(0) == Success(1)

    noted.fails = 1
    dying = send(noted.work.call(3).unique("k").with_options(max_retries=0))
    noted.run()
    assert dying.status().state == "dead"
    assert not send(noted.work.call(4).unique("k")).is_duplicate


@pytest.mark.parametrize("end", ["cancelled", "discarded", "purged", "expired", "dropped"])
def test_every_other_end_frees_the_key(noted: Noted, end: str) -> None:
    call, app = noted.work.call(1).unique("k"), noted.app
    if end == "expired":
        call = call.with_options(max_age=5)
    first = call.send()
    match end:
        case "cancelled":
            assert first.cancel()
        case "discarded":
            assert app.broker.discard([first.message_id]) == 1
        case "purged":
            assert app.broker.purge("default") == 1
        case "expired":
            noted.harness.advance(50)
        case "dropped":
            noted.during = lambda: (_ for _ in ()).throw(SkipMessage("not today"))  # type: ignore[assignment]
    ran = noted.run()
    noted.during = lambda: None

    assert ran == ([1] if end == "dropped" else [])
    assert not noted.work.call(2).unique("k").send().is_duplicate


def test_a_window_holds_the_key_after_the_end(noted: Noted, send: Sender) -> None:
    call = noted.work.call(1).unique("k", window=timedelta(minutes=10))
    first = send(call)
    noted.run()
    again = send(call)

    assert (again.is_duplicate, again.message_id) == (True, first.message_id)
    assert again.get(0) == Success(1)
    noted.harness.advance(601_000)
    assert not send(call).is_duplicate


def test_a_duplicate_raises_if_it_is_to(noted: Noted, send: Sender) -> None:
    call = noted.work.call(1).unique("k", on_conflict="raise")
    first = send(call)
    with pytest.raises(Duplicate) as caught:
        send(call)

    assert (caught.value.message_id, caught.value.key) == (first.message_id, "k")
    assert str(caught.value) == f"not sent: message {first.message_id} holds the unique key 'k'"
    assert noted.run() == [1]


def test_a_waiting_message_is_replaced_by_the_latest(noted: Noted, send: Sender) -> None:
    handles = [send(noted.work.call(n).unique("k", on_conflict="replace").with_options(priority=n)) for n in range(4)]

    assert [handle.is_duplicate for handle in handles] == [False, True, True, True]
    assert len({handle.message_id for handle in handles}) == 1
    entry = noted.app.broker.peek(handles[0].message_id)
    assert entry is not None
    assert entry.priority == 3
    assert noted.run() == [3]
    assert handles[0].get(0) == Success(3)


def test_one_that_runs_is_not_replaced(noted: Noted) -> None:
    call = noted.work.call(2).unique("k", on_conflict="replace")
    noted.during = lambda: noted.runs.append(call.send().is_duplicate)
    first = noted.work.call(1).unique("k", on_conflict="replace").send()

    assert noted.run() == [1, True]
    assert first.get(0) == Success(1)


def test_a_replacement_puts_the_start_off_and_max_wait_bounds_that(noted: Noted, send: Sender) -> None:
    def call(n: int) -> Any:
        return noted.work.call(n).unique("k", until="start", on_conflict="replace", max_wait=10_000).delay(6_000)

    first = send(call(1))
    began = noted.app.broker.now()
    dues = []
    for n in (2, 3):
        noted.harness.advance(3_000)
        send(call(n))
        dues.append(first.status().due - began)

    assert 9_000 <= dues[0] <= 9_500
    assert 9_900 <= dues[1] <= 10_500


def test_the_latest_runs_after_the_one_that_runs(noted: Noted) -> None:
    sent: list[Any] = []

    def during() -> None:
        if not sent:
            sent.extend(noted.work.call(n).unique("k", on_conflict="after").send() for n in (2, 3, 4))

    noted.during = during
    first = noted.work.call(1).unique("k", on_conflict="after").send()

    assert noted.run() == [1, 4]
    assert [handle.is_duplicate for handle in sent] == [False, True, True]
    assert len({handle.message_id for handle in sent}) == 1
    assert sent[0].message_id != first.message_id
    assert (first.get(0), sent[2].get(0)) == (Success(1), Success(4))


def test_the_latest_replaces_one_that_has_not_begun(noted: Noted, send: Sender) -> None:
    handles = [send(noted.work.call(n).unique("k", on_conflict="after")) for n in (1, 2)]

    assert [handle.is_duplicate for handle in handles] == [False, True]
    assert noted.run() == [2]


def test_an_id_is_remembered_after_the_end(noted: Noted, send: Sender) -> None:
    call = noted.work.call(1).with_id("pay:17", remember=timedelta(hours=1))
    handles = [send(call), send(call)]
    ran = noted.run()
    handles.append(send(call))

    assert ran == [1]
    assert [handle.message_id for handle in handles] == ["pay:17"] * 3
    assert [handle.is_duplicate for handle in handles] == [False, True, True]
    assert [handle.get(0) for handle in handles] == [Success(1)] * 3
    assert noted.run() == []
    noted.harness.advance(3_700_000)
    assert not send(call).is_duplicate


def test_a_dead_letter_with_an_id_is_remembered(noted: Noted) -> None:
    noted.fails = 1
    call = noted.work.call(1).with_id("pay:17").with_options(max_retries=0)
    call.send()
    noted.run()

    assert call.send().is_duplicate
    assert noted.app.requeue(["pay:17"]) == 1
    assert noted.run() == [1]


def test_many_are_answered_one_by_one(noted: Noted, send: Sender) -> None:
    other = send(noted.work.call(0).unique("held"))
    calls = [
        noted.work.call(1),
        noted.sync.call(7, "a"),
        noted.sync.call(7, "b"),
        noted.work.call(2).unique("r", on_conflict="replace"),
        noted.work.call(3).unique("r", on_conflict="replace"),
        noted.work.call(4).unique("held", on_conflict="raise"),
        noted.work.call(5).with_id("five"),
        noted.work.call(6).with_id("five"),
        noted.sync.call(8),
        noted.work.call(7),
    ]
    handles = send.many(noted.app, calls)  # type: ignore[arg-type]

    assert [handle.is_duplicate for handle in handles] == [False, False, True, False, True, True, False, True, False, False]
    assert handles[5].message_id == other.message_id
    assert sorted(map(str, noted.run())) == sorted(map(str, [0, 1, (7, "a"), 3, 5, (8, ""), 7]))
    assert handles[3].get(0) == handles[4].get(0) == Success(3)


def test_batches_keep_their_order_and_their_answers(noted: Noted, send: Sender) -> None:
    calls = [noted.work.call(n).unique(f"{n % 700}") if n % 2 else noted.work.call(n) for n in range(2_500)]
    handles = send.many(noted.app, calls)
    distinct = len({handle.message_id for handle in handles})

    assert [handle.is_duplicate for handle in handles] == [bool(n % 2) and n >= 700 for n in range(2_500)]
    assert distinct == 1_250 + 350 == noted.waiting()


def test_layers_are_told_of_each_message_that_is_new_and_of_no_duplicate(noted: Noted, send: Sender) -> None:
    told: list[object] = []

    @frozen
    class Watcher(Middleware):
        def on_event(self, event: Event) -> None:
            if isinstance(event, Enqueued):
                told.append(event.message.args[0])

    noted.app.edit_stack(lambda stack: stack.add(Watcher()))
    send(noted.work.call(1).unique("k"))
    send(noted.work.call(2).unique("k", on_conflict="replace"))
    send.many(noted.app, [noted.work.call(3).unique("k"), noted.work.call(4).unique("l"), noted.work.call(5)])
    noted.app.enqueue(
        Enqueue(Message(message_id="m", actor_name="work", queue_name=ACTOR_DEFAULTS, args=(6,), options={UNIQUE: {"key": "m"}}))
    )

    assert told == [1, 4, 5, 6]


def test_messages_of_your_own_are_answered_by_their_ids(noted: Noted) -> None:
    app = noted.app

    def own(message_id: str, n: int, **unique: object) -> Enqueue:
        options = {UNIQUE: {"key": "k", **unique}} if unique else {}
        return Enqueue(Message(message_id=message_id, actor_name="work", queue_name=ACTOR_DEFAULTS, args=(n,), options=options))

    (first,) = app.enqueue(own("m1", 1, on_conflict="replace"))
    plain, second = app.enqueue(own("m2", 2), own("m3", 3, on_conflict="replace"))
    with pytest.raises(Duplicate):
        app.enqueue(own("m4", 4, on_conflict="raise"), own("m5", 5))

    assert [first.message.message_id, plain.message.message_id, second.message.message_id] == ["m1", "m2", "m1"]
    assert sorted(noted.run()) == [2, 3, 5]


def test_a_pipeline_whose_first_step_is_unique_is_sent_once(noted: Noted, send: Sender) -> None:
    call = noted.work.call(1).unique("k") | noted.double
    first, second = send(call), send(call)

    assert second.is_duplicate
    assert (second.message_id, second.root_id) == (first.message_id, first.root_id)
    assert noted.run() == [1, 1]
    assert (first.get(0), second.get(0)) == (Success(2), Success(2))


def test_a_replaced_pipeline_ends_as_the_new_one_does(noted: Noted, send: Sender) -> None:
    first = send(noted.work.call(1).unique("k", on_conflict="replace") | noted.double)
    second = send(noted.work.call(5).unique("k", on_conflict="replace") | noted.double)

    assert noted.run() == [5, 5]
    assert (first.get(0), second.get(0)) == (Success(10), Success(10))


def test_a_follow_up_whose_key_is_held_is_left_out(noted: Noted) -> None:
    noted.app.actor(unique(by="one"), name="told")(lambda message, result: noted.runs.append("told"))
    handles = [noted.work.call(1).with_options(on_success="told").send() for _ in range(2)]

    assert noted.run() == [1, 1, "told"], "the second was left out while the first waited, and its sender's commit was applied all the same"
    assert [handle.get(0) for handle in handles] == [Success(1)] * 2


def test_of_what_an_actor_sends_with_its_outcome_a_duplicate_is_left_out(noted: Noted) -> None:
    noted.during = lambda: [noted.sync.call(7, reason).follow() for reason in "ab"] + [noted.double.call(3).with_id("d").follow()]
    handle = noted.work.send(1)

    assert sorted(map(str, noted.run())) == ["(7, 'a')", "1", "3"]
    assert handle.get(0) == Success(1)
    assert noted.double.handle("d").get(0) == Success(6)
    assert noted.double.call(3).with_id("d").send().is_duplicate


def test_the_app_requeues_what_it_can_and_says_what_stays(noted: Noted, caplog: pytest.LogCaptureFixture) -> None:
    noted.fails = 2
    dead = [noted.work.call(n).unique(f"k{n}").with_options(max_retries=0).send() for n in (1, 2)]
    noted.run()
    noted.work.call(3).unique("k1").send()
    count = noted.app.requeue([handle.message_id for handle in dead])

    assert count == 1
    assert f"{dead[0].message_id} stays a dead letter: another message holds its unique key 'k1'" in caplog.text
    assert [handle.status().state for handle in dead] == ["dead", "ready"]
    assert noted.work.call(4).unique("k2").send().message_id == dead[1].message_id, "the requeued one has taken its key anew"


REFUSED = "has a unique key, expected none"


SHAPES: dict[str, Any] = {
    "a step whose actor is unique": lambda noted: noted.work.call(1) | noted.sync.call(),
    "a step that is unique": lambda noted: noted.work.call(1) | noted.double.call().unique("k"),
    "a step with an id": lambda noted: noted.work.call(1) | noted.double.call().with_id("x"),
    "members whose actor is unique": lambda noted: noted.app.group([noted.sync.call(1), noted.sync.call(2)]),
    "a member that is unique": lambda noted: noted.app.group([noted.work.call(1).unique("k")]),
    "the first step of a member": lambda noted: noted.app.group([noted.work.call(1).unique("k") | noted.double]),
    "a callback of a group": lambda noted: noted.app.group([noted.work.call(1)]).on_completion(noted.sync),
    "the second of two": lambda noted: noted.work.call(1).unique("k") | noted.sync.call(),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_a_call_that_must_arrive_may_not_be_unique(noted: Noted, shape: Any) -> None:
    with pytest.raises(DeclarationError, match=REFUSED):
        shape(noted).send()

    assert noted.waiting() == 0


def test_a_call_can_be_sent_without_the_key_of_its_actor(noted: Noted) -> None:
    handle = noted.app.group([noted.sync.call(7, "a").unique(None), noted.sync.call(7, "b").unique(None)]).send()

    assert noted.run() == [(7, "a"), (7, "b")]
    assert handle.get(0) == Success(["a", "b"])
    assert [noted.sync.call(7).unique(None).send().is_duplicate for _ in range(2)] == [False, False]


MISTAKES: dict[str, tuple[Any, type[Exception], str]] = {
    "an empty key": (lambda work: work.call(1).unique(""), OptionError, "not empty"),
    "a long key": (lambda work: work.call(1).unique("k" * 1_025), OptionError, "1,025 bytes"),
    "a key like that of an id": (lambda work: work.call(1).unique("id:5"), OptionError, "does not begin with 'id:'"),
    "max_wait alone": (lambda work: work.call(1).unique("k", max_wait=5), OptionError, "expected 'replace'"),
    "a negative window": (lambda work: work.call(1).unique("k", window=-5), OptionError, "found -5"),
    "an empty id": (lambda work: work.call(1).with_id(""), OptionError, "not empty"),
    "an id that is no text": (lambda work: work.call(1).with_id(5), OptionError, "expected a text"),
    "an id and a key": (lambda work: work.call(1).with_id("a").unique("k"), OptionError, "expected one of them"),
    "a key and an id": (lambda work: work.call(1).unique("k").with_id("a"), OptionError, "expected one of them"),
    "the key of a group": (lambda work: App("memory://").group([work.call(1)]).unique("k"), DeclarationError, "found a group"),
    "the id of a group": (lambda work: App("memory://").group([work.call(1)]).with_id("k"), DeclarationError, "found a group"),
    "an option without the layer": (lambda work: work.call(1).with_options(until="start"), OptionError, "unknown option until"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_before_the_call_is_sent(mistake: str) -> None:
    app = App("memory://")

    @app.actor
    def work(n: int) -> int:
        return n

    make, error, text = MISTAKES[mistake]
    with pytest.raises(error, match=text):
        make(work)
