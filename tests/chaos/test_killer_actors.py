"""The message that kills or blocks a process is blamed for it, and no other: also outside of the actor's own call, and in tasks that an actor started."""

from collections.abc import Iterator

import pytest
from returns.result import Success

from fq import App, Fault
from tests.chaos import killer_actors
from tests.chaos.harness import Rig
from tests.sampling import sample

HURRIED = ("--processes", "1", "--heartbeat", "1000", "--hard-limit-grace", "500")


@pytest.fixture
def app(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    app = App(rig.url)
    for actor in killer_actors.app.actors.values():
        monkeypatch.setattr(actor.owner, "app", None)
    app.include(*killer_actors.app.actors.values())
    yield app
    app.broker.close()


def end_of(app: App, rig: Rig, actor: str, *arguments: object) -> str:
    """Run *actor* beside innocents, which must come to no harm, and return the type of its failure."""
    with rig.worker(*HURRIED, app="tests.chaos.killer_actors:app"):
        innocents = app.send_many(killer_actors.ticks.call(2.0) for _ in range(5))
        result = app.get_actor(actor).call(*arguments).send().get(60_000)
        assert [handle.get(60_000) for handle in innocents] == [Success(2.0)] * 5
    fault = result.failure()
    assert isinstance(fault, Fault)
    return fault.type


@pytest.mark.parametrize("actor", sample(["takes", "atakes"], 2))
def test_arguments_that_kill_the_process_as_they_are_read_are_poison(app: App, rig: Rig, actor: str) -> None:
    assert end_of(app, rig, actor, killer_actors.Trap("exit")) == "Poison"
    assert rig.runs("read")["exit"] == 2


@pytest.mark.parametrize("actor", sample(["takes", "atakes"], 2))
def test_arguments_that_block_the_thread_as_they_are_read_overrun_the_time_limit(app: App, rig: Rig, actor: str) -> None:
    assert end_of(app, rig, actor, killer_actors.Trap("block")) == "TimeLimitExceeded"
    assert rig.runs("read")["block"] == 1


def test_a_task_of_an_async_actor_that_kills_the_process_is_the_actors_fault(app: App, rig: Rig) -> None:
    assert end_of(app, rig, "dies_in_a_task") == "Poison"
    assert rig.runs("acts")["0"] == 2


@pytest.mark.parametrize("actor", sample(["blocks_in_a_task", "will_not_be_cancelled"], 2))
def test_an_async_actor_that_no_cancellation_ends_is_ended_with_its_process(app: App, rig: Rig, actor: str) -> None:
    assert end_of(app, rig, actor) == "TimeLimitExceeded"
