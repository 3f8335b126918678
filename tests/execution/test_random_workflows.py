"""
Random workflows under random faults, on every broker: each message is committed once, and nothing waits for ever.

A workflow is drawn together with what it must come to. A driver runs it by hand: it claims, runs and commits in batches, and between
any two commands the worker may die, its messages be taken back, and its outcomes turn up late, as a zombie's.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
from attrs import frozen
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from returns.pipeline import is_successful

from fq import App, Call, Fault, Message, SkipMessage, get_current_message, pipeline
from fq.brokers.protocol import Broker
from fq.brokers.records import Ack, Bury, ClaimRequest, Commit, Delivery
from fq.execution.handler import acall_directly, call_directly
from fq.worker.claimed_job import Job
from fq.worker.job import JobRunner
from tests.brokers.harness import Kind, kinds
from tests.every_broker import KINDS as BROKER_KINDS

Json: TypeAlias = object

CENTURY = 100 * 365 * 24 * 60 * 60 * 1000


# Random workflows


@frozen
class Task:
    kind: str


@frozen
class Group:
    members: "tuple[Chain, ...]"
    policy: str = "fail"
    callbacks: int = 0


@frozen
class Chain:
    nodes: "tuple[Task | Group, ...]"


KINDS = ("fine", "fine", "fine", "flaky", "broken", "dropped", "deadly", "expired", "choosy")
tasks = st.builds(Task, st.sampled_from(KINDS))


def chains(nodes: st.SearchStrategy[Task | Group]) -> st.SearchStrategy[Chain]:
    return st.builds(Chain, st.lists(nodes, min_size=1, max_size=3).map(tuple)).filter(lambda chain: not empty_after_group(chain))


def groups(members: st.SearchStrategy[Task | Group]) -> st.SearchStrategy[Task | Group]:
    return st.one_of(
        tasks, st.builds(Group, st.lists(chains(members), max_size=3).map(tuple), st.sampled_from(("fail", "collect")), st.integers(0, 2))
    )


def is_empty(node: Task | Group) -> bool:
    return isinstance(node, Group) and all(is_empty(part) for member in node.members for part in member.nodes)


def empty_after_group(chain: Chain) -> bool:
    return any(isinstance(a, Group) and is_empty(b) for a, b in zip(chain.nodes, chain.nodes[1:], strict=False))


workflows = chains(st.recursive(tasks, groups, max_leaves=8))


# Their expected values


@frozen
class Failed:
    type: str


@frozen
class Model:
    """Computes the value of a workflow, or how it fails, and counts the runs of callbacks in *callback_runs*."""

    callback_runs: Counter[str]

    def chain(self, chain: Chain, path: str, passed: tuple[Json, ...]) -> Json | Failed:
        for at, node in enumerate(chain.nodes):
            value = self.task(node, f"{path}.{at}", passed) if isinstance(node, Task) else self.group(node, f"{path}.{at}", passed)
            if isinstance(value, Failed):
                if isinstance(node, Group):
                    self.unstarted(chain, at + 1, path)
                return value
            passed = (value,)
        return passed[0]

    def unstarted(self, chain: Chain, at: int, path: str) -> None:
        """Count the failed callbacks of groups, from number *at* on, that a failed group was to start: those with no task before them."""
        for number, node in enumerate(chain.nodes[at:], at):
            if isinstance(node, Task):
                return
            for callback in range(node.callbacks):
                self.callback_runs[f"{path}.{number}!{callback}:failed"] += 1
            for position, member in enumerate(node.members):
                self.unstarted(member, 0, f"{path}.{number}[{position}]")

    def task(self, task: Task, label: str, passed: tuple[Json, ...]) -> Json | Failed:
        fates = {"broken": "ValueError", "dropped": "SkipMessage", "deadly": "Poison", "expired": "AgeLimitExceeded"}
        if task.kind in fates:
            return Failed(fates[task.kind])
        return Failed("InvalidArguments") if task.kind == "choosy" and passed else [label, *passed]

    def group(self, group: Group, path: str, passed: tuple[Json, ...]) -> Json | Failed:
        values = [self.chain(member, f"{path}[{at}]", passed) for at, member in enumerate(group.members)]
        failed = group.policy == "fail" and any(isinstance(value, Failed) for value in values)
        for at in range(group.callbacks):
            self.callback_runs[f"{path}!{at}:{'failed' if failed else 'ran'}"] += 1
        return Failed("GroupFailed") if failed else [value.type if isinstance(value, Failed) else value for value in values]


# Actors and workers


class WorkerKilled(KeyboardInterrupt):
    """Kills the worker. In the main thread, it is no failure of the actor."""


def build(broker: Broker) -> App:
    app = App(broker=broker)
    many_deaths = {"max_deliveries": 10_000, "min_backoff": 0}

    @app.actor(**many_deaths)
    def fine(label: str, *passed: object) -> object:
        return [label, *passed]

    @app.actor(**many_deaths)
    def flaky(label: str, *passed: object) -> object:
        message = get_current_message()
        assert message is not None
        if message.options.get("retries", 0) < 1:
            raise ValueError("not yet")
        return [label, *passed]

    @app.actor(max_retries=1, **many_deaths)
    def broken(label: str, *passed: object) -> object:
        raise ValueError("no")

    @app.actor(**many_deaths)
    def dropped(label: str, *passed: object) -> object:
        raise SkipMessage("not today")

    @app.actor(max_deliveries=1)
    def deadly(label: str, *passed: object) -> object:
        raise WorkerKilled

    @app.actor(max_age=0, **many_deaths)
    def expired(label: str, *passed: object) -> object:
        raise AssertionError("it ran")

    @app.actor(**many_deaths)
    def choosy(label: str, passed: int = 0) -> object:
        return [label]

    @app.actor(**many_deaths)
    def note(values: object, label: str) -> str:
        return label

    @app.actor(**many_deaths)
    def end(value: object) -> object:
        return value

    return app


def call(app: App, chain: Chain, path: str) -> Call[object]:
    return pipeline([node_call(app, node, f"{path}.{at}") for at, node in enumerate(chain.nodes)])


def node_call(app: App, node: Task | Group, path: str) -> Call[object]:
    if isinstance(node, Task):
        return app.get_actor(node.kind).call(path)
    members = [call(app, member, f"{path}[{at}]") for at, member in enumerate(node.members)]
    group = app.group(members, on_member_failure=node.policy)  # type: ignore[call-overload]
    for at in range(node.callbacks):
        group = group.on_completion(app.get_actor("note"), f"{path}!{at}")
    return group


class Driver:
    """Mutable: workers that die at the worst moments. *dice* says when."""

    def __init__(self, app: App, dice: Iterator[int]) -> None:
        self.app = app
        self.dice = dice
        self.lives = 0
        self.finals: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.zombies: list[list[Commit]] = []
        self.start_again()

    def start_again(self) -> None:
        self.lives += 1
        self.name = f"w{self.lives}"
        self.runner = JobRunner(self.app.registry, call_directly, acall_directly, 0)
        self.held: list[Delivery] = []
        self.done: list[Commit] = []

    def die(self) -> None:
        """Lose the claimed messages; or, as a zombie, commit their outcomes later."""
        if self.done and next(self.dice) % 2:
            self.zombies.append(self.done)
        self.app.broker.release(self.name, {})
        self.start_again()

    def turn(self, commits: list[Commit], limit: int) -> tuple[Delivery, ...]:
        turn = self.app.broker.turn(commits, ClaimRequest(self.name, ("default",), limit))
        for commit in commits:
            if commit.message_id not in turn.stale and isinstance(commit.disposition, Ack | Bury):
                self.finals[commit.message_id] += 1
        return turn.deliveries

    def run(self) -> None:
        for _ in range(3_000):
            match next(self.dice) % 8:
                case 0:
                    self.die()
                case 1 if self.zombies:
                    self.turn(self.zombies.pop(), 0)  # too late: each of them is stale
                case 2 if self.done:
                    self.turn(self.done, 0)
                    self.done = []
                case 3:
                    if len(self.held) < 3:
                        self.held += self.turn([], 1 + next(self.dice) % 3)
                case _ if self.held:
                    self.step(self.held.pop())
                case _:
                    self.held += self.turn(self.done, 2)
                    self.done = []
                    if not self.held and self.idle():
                        self.bury_zombies()
                        return
        raise AssertionError("it does not come to an end")

    def step(self, delivery: Delivery) -> None:
        job = self.runner.receive(delivery)
        assert isinstance(job, Job)
        assert self.runner.decode(job)
        assert job.actor.handler is not None
        try:
            outcome = job.actor.handler(job.message)
        except WorkerKilled:
            self.die()
            return
        self.watch(job.message, outcome.succeeded, outcome.final)
        self.runner.finish(job, outcome)
        assert job.commit is not None
        self.done.append(job.commit)

    def watch(self, message: Message, succeeded: bool, final: bool) -> None:
        if message.actor_name == "note" and final:
            label = next(str(value) for value in message.args if isinstance(value, str))
            self.notes[f"{label}:{'ran' if succeeded else 'failed'}"] = 1

    def bury_zombies(self) -> None:
        for late in self.zombies:
            self.turn(late, 0)
        assert self.idle(), "what came too late was applied"

    def idle(self) -> bool:
        return all(queue.ready + queue.delayed + queue.in_flight == 0 for queue in self.app.broker.queues())


def dice(seed: list[int]) -> Iterator[int]:
    """Yield the faults that were drawn, then no more faults."""
    yield from seed
    while True:
        yield 7


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def check(broker: Broker, workflow: Chain, seed: list[int]) -> None:
    app = build(broker)
    callback_runs: Counter[str] = Counter()
    expected = Model(callback_runs).chain(workflow, "w", ())
    driver = Driver(app, dice(seed))

    handle = (call(app, workflow, "w") | app.get_actor("end")).send()
    driver.run()
    result = handle.get(0)

    assert all(count == 1 for count in driver.finals.values()), "a message was committed twice"
    if isinstance(expected, Failed):
        fault = result.failure()
        assert isinstance(fault, Fault)
        assert fault.type == expected.type
    else:
        assert is_successful(result), result
        assert simplified(result.unwrap()) == expected
    assert handle.completed
    assert driver.notes == callback_runs


def simplified(value: object) -> object:
    """Return *value* with collected failures by their type, as in the model."""
    if isinstance(value, dict):
        return value["type"]
    return [simplified(item) for item in value] if isinstance(value, list) else value


drawn = given(workflow=workflows, seed=st.lists(st.integers(0, 255), max_size=150))
often = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink))


def run(kind: Kind, workflow: Chain, seed: list[int]) -> None:
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        harness = kind(Path(folder))
        harness.advance(CENTURY)  # so that the broker's clock is ahead of the one that stamps messages: max_age=0 is over at once
        try:
            check(harness.broker(), workflow, seed)
        finally:
            harness.close()


@drawn
@settings(often, max_examples=200)
def test_every_group_completes_once_and_nothing_waits_for_ever(workflow: Chain, seed: list[int]) -> None:
    run(kinds()["memory"], workflow, seed)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in BROKER_KINDS.items() if name != "memory"])
@drawn
@settings(often, max_examples=15)
def test_every_group_completes_once_on_every_broker(kind: Kind, workflow: Chain, seed: list[int]) -> None:
    run(kind, workflow, seed)
