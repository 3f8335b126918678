"""Every broker, both colours: what is known of a message while it waits, runs, is dead or has ended, and the pages of all of them."""

import asyncio
from collections.abc import Callable

import pytest

from fq import (
    AgeLimit,
    App,
    Cancelled,
    OptionError,
    RetryAfter,
    SkipMessage,
    keep,
    progress,
)
from fq.brokers.records import ClaimRequest
from fq.core.attempts import FIRST_KEPT, LATEST_KEPT
from fq.layers.keep import Keep
from tests.app.following import both_colours
from tests.app.kept import Kept, failing, found
from tests.brokers.harness import Harness


@both_colours
def test_a_message_that_succeeded_in_the_end_shows_each_error(kept: Kept, colour: str) -> None:
    handle = kept.run(colour, failing(3))
    record = found(handle)

    assert handle.status().state == "done"
    assert (record.state, record.outcome, record.error) == ("finished", "success", None)
    assert (record.args, record.kwargs, record.tags) == ((1,), {}, ("plain",))
    assert [(attempt.number, attempt.error and attempt.error.message) for attempt in handle.attempts()] == [
        (1, "error 1"),
        (2, "error 2"),
        (3, "error 3"),
        (4, None),
    ]
    assert all(attempt.worker and attempt.started >= record.made_at > 0 for attempt in record.attempts)
    assert record.attempts[0].error is not None
    assert "behave" in record.attempts[0].error.traceback
    assert record.ready_at == record.made_at
    assert abs(record.since - record.started_at) < 60_000, "the clock of a test may stand still while an actor runs"


@both_colours
@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [(ValueError("no"), "dead", ""), (SkipMessage("not today"), "dropped", "not today"), (Cancelled("stop"), "cancelled", "")],
    ids=["dead", "dropped", "cancelled"],
)
def test_each_end_has_its_name(kept: Kept, colour: str, error: BaseException, outcome: str, reason: str) -> None:
    def behave() -> None:
        raise error

    record = found(kept.run(colour, behave))

    assert (record.outcome, record.reason, record.state) == (outcome, reason, "finished")


def test_an_expired_message_has_no_attempt(harness: Harness) -> None:
    kept = Kept(harness)
    kept.app.edit_stack(lambda stack: stack.replace(AgeLimit(1_000)))
    handle = kept.actors["sync"].send(1)
    harness.advance(2_000)
    kept.app.run_until_idle()
    record = found(handle)

    assert (record.outcome, record.attempts) == ("expired", ())
    assert record.error is not None
    assert record.error.type == "AgeLimitExceeded"


def test_a_message_that_is_cancelled_while_it_waits_has_no_attempt(kept: Kept) -> None:
    handle = kept.actors["sync"].send(1)
    handle.cancel()
    kept.app.run_until_idle()

    assert (found(handle).outcome, handle.attempts()) == ("cancelled", ())


def test_a_lost_attempt_is_noted_at_the_next_one(kept: Kept) -> None:
    handle = kept.actors["sync"].send(1)
    broker = kept.app.broker
    (delivery,) = broker.turn((), ClaimRequest("killed", ("default",), 1)).deliveries
    broker.release("killed", {})  # as its supervisor does after kill -9
    kept.behave = failing(1)
    kept.app.run_until_idle()

    assert delivery.deliveries == 1
    assert [(attempt.number, attempt.lost, attempt.error is None) for attempt in handle.attempts()] == [
        (1, True, True),
        (2, False, False),
        (3, False, True),
    ]


def test_a_message_that_waits_for_its_next_attempt_shows_the_earlier_ones(kept: Kept) -> None:
    def behave() -> None:
        raise RetryAfter(60_000_000)

    handle = kept.actors["sync"].send(1)
    kept.behave = behave
    broker = kept.app.broker
    with kept.app.worker(threads=1) as worker:
        while not worker.dispatcher.committed:
            broker.wait_result("none", 5)
    record = found(handle)

    assert (record.state, record.outcome, len(record.attempts)) == ("retrying", "", 1)
    assert record.error is not None
    assert [one.message_id for one in kept.app.messages(state="retrying", error="RetryAfter")] == [handle.message_id]


def test_a_message_that_is_retried_often_stays_small(kept: Kept) -> None:
    handle = kept.actors["sync"].call(1).with_options(max_retries=40).send()
    kept.behave = failing(40)
    kept.app.run_until_idle()
    numbers = [attempt.number for attempt in handle.attempts()]

    assert numbers == [*range(1, FIRST_KEPT + 1), *range(42 - LATEST_KEPT, 42)]


def test_arguments_are_left_out_by_name_by_function_or_all(kind: Callable[..., Harness], tmp_path_factory: pytest.TempPathFactory) -> None:
    def arguments(layer: Keep) -> tuple[object, ...]:
        harness = kind(tmp_path_factory.mktemp("store"))
        kept = Kept(harness, layer)
        handle = kept.actors["sync"].send(7, password="x")
        kept.app.run_until_idle()
        record = found(handle)
        harness.close()
        return record.args, dict(record.kwargs), record.left_out

    assert arguments(keep(redact=["password"])) == ((7,), {"password": "[redacted]"}, "")
    assert arguments(keep(redact=["first"])) == (("[redacted]",), {"password": "x"}, "")
    assert arguments(keep(redact=lambda name, value: f"<{name}>")) == (("<first>",), {"password": "<password>"}, "")
    assert arguments(keep(redact=True)) == ((), {}, "redacted")


def test_large_arguments_are_left_out(kept: Kept) -> None:
    handle = kept.actors["sync"].send(1, password="x" * 10_000)
    kept.app.run_until_idle()

    assert (found(handle).args, found(handle).left_out) == ((), "too large")


def test_arguments_are_those_that_were_sent(harness: Harness) -> None:
    app = App(broker=harness.broker())

    @app.actor(keep())
    def change(items: list[int]) -> None:
        items.append(3)

    handle = change.send([1, 2])
    app.run_until_idle()

    assert found(handle).args == ([1, 2],)


def test_a_message_without_a_record_is_done_for_a_while(harness: Harness) -> None:
    kept = Kept(harness, keep(failures="only"))
    handle = kept.run("sync")

    assert (handle.status().state, handle.history(), handle.attempts()) == ("done", None, ())
    assert list(kept.app.messages()) == []

    harness.advance(600_000)

    assert handle.status().state == "unknown"


def test_a_result_that_cannot_be_encoded_is_a_failure_in_the_record(harness: Harness) -> None:
    app = App(broker=harness.broker())

    @app.actor(keep(failures="only"), max_retries=0)
    def odd() -> object:
        return object()

    handle = odd.send()
    app.run_until_idle()
    record = handle.history()

    assert record is not None
    assert (record.outcome, record.error and record.error.type) == ("dead", "InvalidResult")


def test_records_end_with_their_time_and_the_oldest_go_first(harness: Harness) -> None:
    kept = Kept(harness, keep(ttl=600_000, count=3))
    handles = []
    for _ in range(4):
        handles.append(kept.run("sync"))
        harness.advance(10_000)
    shown = [record.message_id for record in kept.app.messages(state="finished")]

    assert shown == [handle.message_id for handle in reversed(handles[1:])]

    harness.advance(600_000)

    assert list(kept.app.messages(state="finished")) == []


def test_the_steps_of_a_workflow_name_what_they_follow(kept: Kept) -> None:
    app = kept.app

    @app.actor
    def number(n: int) -> int:
        return n

    @app.actor
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.actor
    def told(message: object, result: object) -> None: ...

    handle = (number.call(1) | number | app.group([number.call(), number.call()]).then(total).with_options(on_success=told)).send()
    app.run_until_idle()
    records = {record.message_id: record for record in app.messages(state="finished")}
    root = next(record for record in records.values() if not record.parent_id)

    assert handle.get_result() == 2
    assert len(records) == 6
    assert {record.root_id for record in records.values()} == {root.message_id}
    assert sorted(record.actor_name for record in records.values()) == ["number"] * 4 + ["told", "total"]
    by_actor = {record.actor_name: record for record in records.values()}
    assert by_actor["told"].parent_id == by_actor["total"].message_id
    assert by_actor["total"].parent_id not in records, "it follows a group"


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_an_actor_sends_at_once_names_its_message_as_what_follows_does(kept: Kept, colour: str) -> None:
    app = kept.app

    @app.actor
    def leaf(n: int) -> int:
        return n

    @app.actor
    def branch() -> None:
        leaf.send(2)

    def behave() -> None:
        leaf.send(0)
        app.send_many([leaf.call(1), leaf.call(1)])
        leaf.call(0).follow()
        (leaf.call(3) | leaf).send()
        branch.send()

    handle = kept.run(colour, behave)
    records = {record.message_id: record for record in app.messages(state="finished")}
    mine = handle.message_id
    parents = {record.message_id: record.parent_id for record in records.values()}
    by_branch = [records[each] for each, parent in parents.items() if parent and records[parent].actor_name == "branch"]
    after_step = [each for each, parent in parents.items() if parent and records[parent].actor_name == "leaf"]

    assert {record.root_id for record in records.values()} == {mine}
    assert list(parents.values()).count(mine) == 6, "all but itself, what the branch sends, and the second step"
    assert [record.args for record in by_branch] == [(2,)]
    assert len(after_step) == 1


def test_an_async_send_names_the_message_of_its_actor(kept: Kept) -> None:
    @kept.app.actor
    def leaf() -> None: ...

    @kept.app.actor
    async def sender() -> None:
        await leaf.asend()
        await kept.app.asend_many([leaf.call()])

    handle = sender.send()
    outside = leaf.send()
    kept.app.run_until_idle()
    records = list(kept.app.messages(state="finished"))

    assert sorted(record.parent_id for record in records) == ["", "", *[handle.message_id] * 2]
    assert {record.message_id for record in records if not record.parent_id} == {handle.message_id, outside.message_id}


def test_the_members_of_a_group_name_the_group(kept: Kept) -> None:
    app = kept.app

    @app.actor
    def number(n: int) -> int:
        return n

    handle = app.group([number.call(1), number.call(2) | number]).send()
    app.run_until_idle()
    records = list(app.messages(state="finished"))
    members = [record for record in records if record.parent_id == handle.message_id]

    assert (len(records), len(members)) == (3, 2)
    assert {record.root_id for record in records} == {handle.message_id}


def test_a_requeued_message_begins_anew(kept: Kept) -> None:
    handle = kept.run("sync", failing(4))
    first = found(handle)
    kept.app.requeue([handle.message_id])
    waiting = found(handle)
    kept.app.run_until_idle()

    assert (first.outcome, len(first.attempts)) == ("dead", 4)
    assert (waiting.state, waiting.attempts) == ("ready", ())
    assert (found(handle).outcome, len(handle.attempts())) == ("success", 1)


@both_colours
def test_the_last_progress_is_kept(kept: Kept, colour: str) -> None:
    def behave() -> None:
        progress(1, of=3)
        progress(2, of=3, note="nearly")

    record = found(kept.run(colour, behave))

    assert record.progress is not None
    assert str(record.progress) == "2 of 3: nearly"


@pytest.mark.parametrize("tags", ["plain", [""], [3], ["x" * 101], [str(n) for n in range(21)]], ids=str)
def test_bad_tags_are_refused(kept: Kept, tags: object) -> None:
    with pytest.raises(OptionError, match="tags: found"):
        kept.actors["sync"].call(1).with_options(tags=tags)  # type: ignore[arg-type]


def test_async_callers_read_the_same(kept: Kept) -> None:
    handle = kept.run("async", failing(1))

    async def read() -> tuple[object, ...]:
        record = await handle.ahistory()
        page = await kept.app.amessages(state="finished", actor="aact")
        return record, await handle.aattempts(), await kept.app.amessage(handle.message_id), page

    assert asyncio.run(read()) == (
        handle.history(),
        handle.attempts(),
        kept.app.message(handle.message_id),
        kept.app.messages(state="finished", actor="aact"),
    )


def test_a_real_worker_says_who_ran_a_message_and_for_how_long(kept: Kept) -> None:
    handle = kept.actors["sync"].send(1)
    with kept.app.worker(threads=1) as worker:
        name = worker.name
        while handle.status().state != "done":
            kept.app.broker.wait_result("none", 5)
    (attempt,) = handle.attempts()

    assert attempt.worker == name
    assert abs(attempt.started - found(handle).made_at) < 60_000
