"""An outcome that cannot be encoded or reported: the message ends as a dead letter, and is not run again and again."""

from collections.abc import Callable

import pytest

from fq import App, Outcome
from fq.brokers.records import EnqueueOp
from fq.worker import job
from tests.wait_until import wait_until

DEPTHS = range(900, 1_000, 11)


def declare(app: App, colour: str, runs: list[str]) -> str:
    """Declare an actor of this *colour* that notes each run and returns its number."""

    @app.actor(name="sync")
    def count(value: object) -> int:
        runs.append("sync")
        return len(runs)

    @app.actor(name="async")
    async def acount(value: object) -> int:
        runs.append("async")
        return len(runs)

    return colour


def ended(app: App, *message_ids: str) -> Callable[[], bool]:
    return lambda: all(app.broker.status(message_id).state in ("dead", "done") for message_id in message_ids)


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("part", ["with_lost_arrivals", "encode_or_fail", "log_failure"])
def test_an_error_while_an_outcome_is_taken_ends_the_message(app: App, monkeypatch: pytest.MonkeyPatch, colour: str, part: str) -> None:
    def fail(*_: object) -> Outcome:
        raise RecursionError("nested too deeply")

    runs: list[str] = []
    actor = app.get_actor(declare(app, colour, runs))
    monkeypatch.setattr(job, part, fail)
    call = actor.call(1) if part != "log_failure" else actor.call(1).with_options(max_retries=0, max_age=0)
    handle = call.with_options(options={"tenant": "a"}).send()
    with app.worker(threads=1):
        wait_until(ended(app, handle.message_id), what="its end")

    assert runs == ([] if part == "log_failure" else [colour])
    assert app.broker.status(handle.message_id).state == "dead"


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_arguments_that_are_nested_as_deeply_as_can_be_read_end(app: App, colour: str) -> None:
    @app.actor(name="sync", max_retries=0)
    def fail(value: object) -> int:
        raise ValueError("no")

    @app.actor(name="async", max_retries=0)
    async def afail(value: object) -> int:
        raise ValueError("no")

    for depth in DEPTHS:
        body = f'{{"message_id":"m{depth}","actor_name":"{colour}","args":[{"[" * depth + "]" * depth}]}}'
        app.broker.enqueue([EnqueueOp(f"m{depth}", "default", colour, 0, 0, body.encode())])
    with app.worker(threads=1, unknown_actor_grace=0):  # those that are nested too deeply to be converted are not left to others
        wait_until(ended(app, *(f"m{depth}" for depth in DEPTHS)), what="the end of all of them")

    assert {app.broker.status(f"m{depth}").state for depth in DEPTHS} == {"dead"}
