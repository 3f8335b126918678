"""Every broker: requeueing a dead letter, and the workflow that it is part of."""

from collections.abc import Callable
from itertools import permutations

import pytest
from returns.pipeline import is_successful

from fq import App, Call, Enqueue, Fault, Handle, Message, group
from fq.brokers.records import Bury, ClaimRequest, Commit, EnqueueOp
from fq.core.reserved_options import RETRY_COUNT, UNKNOWN_SINCE
from fq.execution.requeue_plan import restarted
from fq.wire.codec import decode, encode
from tests.brokers.harness import Harness


class Service:
    """An app whose actor `part` fails for the numbers in *broken*; *ran* says what came after it was called with."""

    def __init__(self, harness: Harness) -> None:
        self.app = App(broker=harness.broker())
        self.broker = self.app.broker
        self.broken: set[int] = set()
        self.ran: list[object] = []

        @self.app.actor(max_retries=0)
        def part(n: int, *before: object) -> int:
            if n in self.broken:
                raise ConnectionError(f"{n} is down")
            return n

        @self.app.actor(max_retries=0)
        async def part_async(n: int, *before: object) -> int:
            if n in self.broken:
                raise ConnectionError(f"{n} is down")
            return n

        @self.app.actor(max_retries=0)
        def report(*values: object) -> object:
            self.ran.append(values[-1])
            return values[-1]

        self.part, self.part_async, self.report = part, part_async, report

    def dead(self, actor: str | None = None) -> list[str]:
        return [letter.message_id for letter in self.broker.dead_letters(actor=actor)]

    def fails(self, workflow: Call[object], *broken: int) -> Handle[object]:
        """Send *workflow* while parts of it are broken, which are mended afterwards."""
        self.broken = set(broken)
        handle = workflow.send()
        self.app.run_until_idle()
        assert not is_successful(handle.get(0))
        self.broken = set()
        return handle

    def requeue(self, *message_ids: str) -> int:
        count = self.app.requeue(message_ids)
        self.app.run_until_idle()
        return count


@pytest.fixture
def service(harness: Harness) -> Service:
    return Service(harness)


# A letter starts afresh.


def test_a_requeued_message_has_all_its_retries_again(service: Service) -> None:
    runs: list[int] = []

    @service.app.actor(max_retries=2, min_backoff=0, max_backoff=0)
    def flaky() -> int:
        runs.append(1)
        raise ConnectionError

    handle = flaky.send()
    service.app.run_until_idle()
    assert (len(runs), service.requeue(handle.message_id)) == (3, 1)
    assert len(runs) == 6
    assert service.dead() == [handle.message_id]


def test_a_requeued_message_is_as_young_as_its_requeue(service: Service) -> None:
    @service.app.actor(max_age=600_000)
    def patient() -> int:
        return 1

    service.app.enqueue(Enqueue(Message(message_id="m", actor_name="patient", message_timestamp=1)))
    service.app.run_until_idle()

    assert service.broker.dead_letters()[0].fault.type == "AgeLimitExceeded"
    assert service.requeue("m") == 1
    assert service.dead() == []


def test_what_a_message_has_used_up_is_given_back_and_nothing_else_changes() -> None:
    options = {RETRY_COUNT: 3, UNKNOWN_SINCE: 5, "tenant": "a"}
    message = Message(message_id="m", actor_name="add", args=(1,), options=options, message_timestamp=1, priority=2, extra={"new": 1})
    again = decode(restarted(EnqueueOp("m", "default", "add", 2, 0, encode(message)), 1_000).body)

    assert (again.options, again.message_timestamp) == ({"tenant": "a"}, 1_000)
    assert (again.message_id, again.args, again.priority, again.extra) == ("m", (1,), 2, {"new": 1})


# The group of a letter goes on.


def flat(s: Service) -> Call[object]:
    return group([s.part.call(n) for n in range(3)]) | s.report


def flat_async(s: Service) -> Call[object]:
    return group([s.part_async.call(n) for n in range(3)]) | s.report


def then_a_step(s: Service) -> Call[object]:
    return group([s.part.call(n) for n in range(3)]) | s.report | s.report


def of_groups(s: Service) -> Call[object]:
    return group([group([s.part.call(0), s.part.call(1)]), group([s.part.call(2), s.part.call(3)])]) | s.report


def of_groups_with_steps(s: Service) -> Call[object]:
    return group([group([s.part.call(n), s.part.call(n + 1)]) | s.report for n in (0, 2)]) | s.report


def after_a_group(s: Service) -> Call[object]:
    return group([s.part.call(0), s.part.call(1)]) | group([s.report, s.report]) | s.report


def with_a_callback(s: Service) -> Call[object]:
    return group([s.part.call(0), s.part.call(1)]).on_completion(s.report) | s.report


FLOWS = {
    flat: [[0, 1, 2]],
    flat_async: [[0, 1, 2]],
    then_a_step: [[0, 1, 2]] * 2,
    of_groups: [[[0, 1], [2, 3]]],
    of_groups_with_steps: [[0, 1], [2, 3], [[0, 1], [2, 3]]],
    after_a_group: [[0, 1], [0, 1], [[0, 1], [0, 1]]],
    with_a_callback: [[0, 1], [0, 1]],
}
every_flow = pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)


@every_flow
@pytest.mark.parametrize("broken", [{0}, {1}, {0, 1}], ids=str)
def test_what_comes_after_a_group_runs_once_its_failed_members_have_succeeded(
    service: Service, flow: Callable[[Service], Call[object]], broken: set[int]
) -> None:
    handle = service.fails(flow(service), *broken)
    members = [letter.message_id for letter in service.broker.dead_letters() if letter.actor_name.startswith("part")]

    assert service.requeue(*members) == len(broken)
    assert is_successful(handle.get(0))
    assert sorted(service.ran, key=str) == sorted(FLOWS[flow], key=str)
    assert service.dead() == []


@every_flow
def test_failed_members_may_be_requeued_one_by_one(service: Service, flow: Callable[[Service], Call[object]]) -> None:
    handle = service.fails(flow(service), 0, 1)
    first, second = (letter.message_id for letter in service.broker.dead_letters() if letter.actor_name.startswith("part"))

    assert service.requeue(first) == 1
    assert not is_successful(handle.get(0))
    assert service.requeue(second) == 1
    assert is_successful(handle.get(0))
    assert service.dead() == []


@every_flow
def test_all_letters_of_a_workflow_may_be_requeued_at_once(service: Service, flow: Callable[[Service], Call[object]]) -> None:
    handle = service.fails(flow(service), 0)
    letters = service.dead()

    assert service.requeue(*letters) == len(letters)
    assert is_successful(handle.get(0))
    assert sorted(service.ran, key=str) == sorted(FLOWS[flow], key=str)
    assert service.dead() == []


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_letters_of_a_workflow_may_be_requeued_in_any_order(service: Service, order: tuple[int, ...]) -> None:
    handle = service.fails(flat(service), 0, 1)
    letters = service.dead()
    for at in order:
        service.requeue(letters[at])

    assert handle.get(0).unwrap() == [0, 1, 2]
    assert service.ran == [[0, 1, 2]]
    assert service.dead() == []


def test_a_member_that_fails_again_fails_its_group_again_and_may_be_mended_still(service: Service) -> None:
    handle = service.fails(flat(service), 1)
    (member,) = service.dead("part")
    service.broken = {1}
    service.requeue(member)
    failed = handle.get(0)
    service.broken = set()
    service.requeue(member)

    assert failed.failure().type == "GroupFailed"
    assert handle.get(0).unwrap() == [0, 1, 2]


def test_a_member_that_is_requeued_while_others_run_fails_nobody(service: Service) -> None:
    slow = service.part.call(2).with_options(queue="slow")
    service.broker.pause("slow")
    service.broken = {1}
    handle = (group([service.part.call(0), service.part.call(1), slow]) | service.report).send()
    service.app.run_until_idle()
    service.broken = set()
    service.app.requeue(service.dead())
    service.broker.resume("slow")
    service.app.run_until_idle()

    assert handle.get(0).unwrap() == [0, 1, 2]
    assert service.dead() == []


def test_what_waits_after_a_failed_group_is_taken_back_when_a_member_is_requeued(service: Service) -> None:
    service.broker.pause("later")
    service.broken = {1}
    handle = group([service.part.call(n) for n in range(3)]).then(service.report).with_options(queue="later").send()
    service.app.run_until_idle()
    service.broken = set()

    assert service.broker.status(handle.message_id).state == "ready"
    service.app.requeue(service.dead("part"))
    assert service.broker.status(handle.message_id).state == "unknown"
    service.app.run_until_idle()
    service.broker.resume("later")
    service.app.run_until_idle()
    assert handle.get(0).unwrap() == [0, 1, 2]
    assert service.ran == [[0, 1, 2]]


def test_a_member_stays_dead_while_a_worker_finds_out_that_its_group_has_failed(service: Service) -> None:
    service.broker.pause("later")
    service.broken = {1}
    handle = group([service.part.call(n) for n in range(3)]).then(service.report).with_options(queue="later").send()
    service.app.run_until_idle()
    service.broken = set()
    service.broker.resume("later")
    (held,) = service.broker.turn([], ClaimRequest("w", ("later",), 1)).deliveries
    (member,) = service.dead("part")

    assert service.app.requeue([member]) == 0
    service.broker.turn(
        [Commit(held.message_id, held.queue_name, held.token, Bury(Fault("GroupFailed", "1 failed")))], ClaimRequest("w", ("later",), 0)
    )
    assert service.requeue(member) == 1
    assert handle.get(0).unwrap() == [0, 1, 2]
    assert service.dead() == []


def test_what_has_gone_on_with_a_failure_that_it_collects_does_not_run_again(service: Service) -> None:
    service.broken = {1}
    handle = (group([service.part.call(n) for n in range(2)], on_member_failure="collect") | service.report).send()
    service.app.run_until_idle()
    service.broken = set()
    before = list(service.ran)

    assert service.requeue(*service.dead()) == 1
    assert service.ran == before
    assert is_successful(handle.get(0))


def test_a_member_of_a_cancelled_group_brings_nothing_else_back(service: Service) -> None:
    service.broken = {0}
    service.broker.pause("slow")
    handle = (group([service.part.call(0), service.part.call(1).with_options(queue="slow")]) | service.report).send()
    service.app.run_until_idle()
    handle.cancel()
    service.broker.resume("slow")
    service.app.run_until_idle()
    service.broken = set()

    assert service.requeue(*service.dead()) == 1
    assert handle.get(0).failure().type == "Cancelled"
    assert service.ran == []
    assert service.dead() == []
