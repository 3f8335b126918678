"""Pipelines and groups, from the call to the handle: what users see of them. Faults are in ``test_workflows_faults.py``."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from attrs import frozen

from fq import (
    App,
    DeclarationError,
    Enqueue,
    Fault,
    GroupCallbacks,
    InvalidArguments,
    Message,
    Middleware,
    Outcome,
    Pipelines,
    ResultFailure,
    ResultMissing,
    ResultNotStored,
    ResultTimeout,
    SkipMessage,
    StackError,
    Step,
    actor,
    compose,
    default_middleware,
    get_current_message,
    group,
    pipeline,
)
from fq.brokers.records import ClaimRequest
from fq.core.reserved_options import GROUP, WORKFLOW
from fq.execution.handler import acall_directly, call_directly
from fq.execution.outcome_encoding import to_op
from fq.wire.codec import decode
from fq.worker.job import Chains, Job
from tests.brokers.harness import Kind, kinds


@frozen
class Page:
    url: str
    size: int


class Scene:
    """Mutable: an app with some actors, and what ran in which order."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.ran: list[object] = []
        ran = self.ran

        @app.actor
        def add(a: int, b: int) -> int:
            ran.append(("add", a, b))
            return a + b

        @app.actor
        def double(n: int) -> int:
            ran.append(("double", n))
            return 2 * n

        @app.actor
        def total(numbers: list[int]) -> int:
            ran.append(("total", numbers))
            return sum(numbers)

        @app.actor(max_retries=0)
        def fail(n: int = 0) -> int:
            ran.append(("fail", n))
            raise ValueError(f"no {n}")

        @app.actor
        def skip() -> int:
            raise SkipMessage("not today")

        @app.actor
        def same(value: object) -> object:
            ran.append(("same", value))
            return value

        @app.actor
        def note(values: object, text: str) -> None:
            ran.append(("note", values, text))

        @app.actor
        def quiet(n: int) -> None:
            ran.append(("quiet", n))

        @app.actor
        def slow(ms: int) -> int:
            time.sleep(ms / 1_000)
            return ms

        self.add, self.double, self.total, self.fail, self.skip = add, double, total, fail, skip
        self.same, self.note, self.quiet, self.slow = same, note, quiet, slow


@pytest.fixture
def scene() -> Scene:
    return Scene(App("memory://"))


@pytest.fixture(params=kinds().values(), ids=kinds().keys())
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    kind: Kind = request.param
    harness = kind(tmp_path)
    yield Scene(App(broker=harness.broker()))
    harness.close()


# Pipelines.


def test_each_step_gets_the_result_of_the_one_before(scene: Scene) -> None:
    handle = (scene.add.call(1, 2) | scene.double | scene.double).send()

    assert scene.app.run_until_idle() == 3
    assert handle.get_result() == 12
    assert handle.get_results() == [3, 6, 12]


def test_a_call_on_the_right_gets_it_as_its_last_positional_argument(scene: Scene) -> None:
    handle = (scene.double.call(5) | scene.add.call(1) | scene.double).send()  # type: ignore[call-arg]
    scene.app.run_until_idle()

    assert handle.get_result() == 22
    assert scene.ran == [("double", 5), ("add", 1, 10), ("double", 11)]


def test_then_puts_it_first_and_its_own_arguments_after_it(scene: Scene) -> None:
    scene.double.call(5).then(scene.note, "done").send()
    scene.double.call(6).then(scene.note, text="too").send()
    scene.app.run_until_idle()

    assert [each for each in scene.ran if isinstance(each, tuple) and each[0] == "note"] == [("note", 10, "done"), ("note", 12, "too")]


def test_a_pipeline_is_flat_however_it_is_put_together(scene: Scene) -> None:
    flat = scene.add.call(1, 2) | scene.double | scene.double | scene.double
    nested = (scene.add.call(1, 2) | scene.double) | (scene.double.call() | scene.double)  # type: ignore[call-arg]
    listed = pipeline([pipeline([scene.add.call(1, 2), scene.double]), scene.double, scene.double])

    assert len(flat.stages) == len(nested.stages) == len(listed.stages) == 4
    for call in (flat, nested, listed):
        handle = call.send()
        scene.app.run_until_idle()
        assert handle.get_results() == [3, 6, 12, 24]


def test_pipe_ignore_is_of_the_step_that_would_get_the_result(scene: Scene) -> None:
    @scene.app.actor(pipe_ignore=True)
    def deaf(n: int = 7) -> int:
        return n

    by_call = scene.double.call(1) | scene.double.call(10).with_options(pipe_ignore=True) | scene.double
    by_actor = scene.double.call(1) | deaf | scene.double
    overridden = scene.double.call(1) | deaf.call().with_options(pipe_ignore=False)

    assert [run(scene, call) for call in (by_call, by_actor, overridden)] == [40, 14, 2]


def run(scene: Scene, call: object) -> object:
    handle = call.send()  # type: ignore[attr-defined]
    scene.app.run_until_idle()
    return handle.get_result()


def test_values_of_rich_types_arrive_as_the_signatures_say(scene: Scene) -> None:
    @scene.app.actor
    def fetch(url: str) -> Page:
        return Page(url, len(url))

    @scene.app.actor
    def largest(pages: list[Page]) -> Page:
        return max(pages, key=lambda page: page.size)

    assert run(scene, group([fetch.call("a"), fetch.call("abc")]) | largest) == Page("abc", 3)


def test_a_step_that_fails_for_good_ends_the_pipeline_and_its_handle_says_why(scene: Scene) -> None:
    handle = (scene.add.call(1, 2) | scene.fail | scene.double).send()
    scene.app.run_until_idle()

    assert scene.ran == [("add", 1, 2), ("fail", 3)]
    assert handle.completed
    with pytest.raises(ResultFailure, match="ValueError: no 3"):
        handle.get_result()


def test_a_step_that_is_dropped_ends_it_too(scene: Scene) -> None:
    handle = (scene.skip.call() | scene.double).send()
    scene.app.run_until_idle()

    with pytest.raises(ResultFailure, match="SkipMessage: not today"):
        handle.get_result()
    assert scene.ran == []


def test_a_step_that_fails_before_a_group_is_why_each_member_has_no_result(scene: Scene) -> None:
    handle = (scene.fail.call() | group([scene.double, scene.double])).send()
    scene.app.run_until_idle()

    assert handle.completed
    with pytest.raises(ResultFailure, match="ValueError: no 0"):
        handle.get_result()


def test_completed_count_goes_up_step_by_step(scene: Scene) -> None:
    handle = (scene.double.call(1) | scene.quiet | scene.double.call(5).with_options(pipe_ignore=True) | scene.double).send()
    counts = []
    for _ in range(4):
        counts.append((handle.completed_count, handle.completed))
        step(scene.app)

    assert counts == [(0, False), (1, False), (1, False), (3, False)]
    assert (handle.completed_count, handle.completed) == (4, True)


def step(app: App) -> None:
    """Run one message."""
    chains = Chains(app, call_directly, acall_directly, 0)
    (delivery,) = app.broker.turn([], ClaimRequest("stepper", app.queues, 1)).deliveries
    job = chains.receive(delivery)
    assert isinstance(job, Job)
    chains.run(job)
    assert job.commit is not None
    app.broker.turn([job.commit], ClaimRequest("stepper", app.queues, 0))


def test_without_a_worker_nothing_is_completed(scene: Scene) -> None:
    handle = (scene.double.call(1) | scene.double).send()

    assert not handle.completed
    assert handle.completed_count == 0
    with pytest.raises(ResultMissing):
        handle.get_results()


def test_the_timeout_of_get_results_is_for_all_steps_together(scene: Scene) -> None:
    handle = (scene.slow.call(80) | scene.slow | scene.slow).send()
    with scene.app.worker(threads=1):
        with pytest.raises(ResultTimeout):
            handle.get_results(block=True, timeout=130)
        assert handle.get_results(block=True) == [80, 80, 80]


@pytest.mark.parametrize("delay", [10_000, timedelta(seconds=10)])
def test_a_whole_pipeline_may_be_delayed(scene: Scene, delay: int | timedelta) -> None:
    handle = (scene.double.call(1) | scene.double).delay(delay).send()

    assert delayed_until(scene.app, 10_000) == 1
    assert not handle.completed


def test_its_first_step_may_be_delayed(scene: Scene) -> None:
    (scene.double.call(1).delay(10_000) | scene.double).send()

    assert delayed_until(scene.app, 10_000) == 1


def test_a_later_step_may_be_delayed(scene: Scene) -> None:
    (scene.double.call(1) | scene.add.call(1).delay(10_000)).send()  # type: ignore[call-arg]
    step(scene.app)

    assert delayed_until(scene.app, 10_000) == 1


def test_of_the_delays_of_the_whole_and_of_its_first_step_the_longer_one_counts(scene: Scene) -> None:
    (scene.double.call(1).delay(100) | scene.double).delay(10_000).send()
    (scene.double.call(1).delay(10_000) | scene.double).delay(100).send()

    assert delayed_until(scene.app, 10_000) == 2
    assert scene.double.call(1).delay(10_000).delay(100).stages[0].delay == 100  # type: ignore[union-attr]


def delayed_until(app: App, ms: int) -> int:
    """Move the clock there, and return how many messages fell due in the last second before it, and not earlier."""
    count = waiting(app)
    app.broker.advance(ms - 1_000)  # type: ignore[attr-defined]
    assert waiting(app) == count, "due too soon"
    app.broker.advance(1_000)  # type: ignore[attr-defined]
    return count - waiting(app)


def waiting(app: App) -> int:
    return sum(queue.delayed for queue in app.broker.queues())


def test_each_message_of_a_pipeline_carries_only_what_comes_after_it(scene: Scene) -> None:
    sizes = []
    pipeline([scene.same.call(1), *[scene.same] * 49]).send()
    for _ in range(50):
        (delivery,) = scene.app.broker.turn([], ClaimRequest("w", scene.app.queues, 1)).deliveries
        sizes.append(len(delivery.body))
        scene.app.broker.release("w", {})
        step(scene.app)

    each = len('{"actor_name":"same"},')
    assert sizes[-1] < 350
    assert sizes[0] - sizes[-1] == len('"fq.pipe":[],') + 49 * each - 1
    assert [a - b for a, b in pairwise(sizes[:49])] == [each] * 48


# Groups.


def test_a_group_is_all_its_members_at_once_and_its_result_is_theirs_in_order(anywhere: Scene) -> None:
    handle = anywhere.app.group([anywhere.double.call(n) for n in range(5)]).send()

    assert not handle.completed
    assert anywhere.app.run_until_idle() == 5
    assert handle.get_result() == handle.get_results() == [0, 2, 4, 6, 8]
    assert (handle.completed, handle.completed_count) == (True, 5)


def test_what_comes_after_a_group_runs_once_with_the_list_of_results(anywhere: Scene) -> None:
    handle = (anywhere.app.group([anywhere.double.call(n) for n in range(5)]) | anywhere.total | anywhere.double).send()

    assert anywhere.app.run_until_idle() == 7
    assert handle.get_result() == 40
    assert anywhere.ran[-2:] == [("total", [0, 2, 4, 6, 8]), ("double", 20)]


def test_workflows_nest(anywhere: Scene) -> None:
    s = anywhere
    inner = s.app.group([s.double.call(1), s.double.call(2) | s.double]) | s.total
    outer = s.app.group(
        [inner, s.app.group([s.double.call(3), s.double.call(4)]) | s.total, s.double.call(5) | group([s.double, s.double]) | s.total]
    )
    handle = (outer | s.total | group([s.double, s.same]) | s.same).send()
    s.app.run_until_idle()

    assert handle.get_result() == [2 * (10 + 14 + 40), 10 + 14 + 40]


def test_the_members_of_a_group_run_side_by_side(scene: Scene) -> None:
    handle = group([scene.slow.call(100) for _ in range(5)]).send()
    with scene.app.worker(threads=5):
        assert handle.get_result(block=True, timeout=450) == [100] * 5
    assert handle.completed


def test_a_group_of_groups_has_a_list_of_lists(scene: Scene) -> None:
    handle = group([group([scene.quiet.call(1).with_options(store_results=True) for _ in range(2)]) for _ in range(3)]).send()
    scene.app.run_until_idle()

    assert handle.get_result() == [[None, None]] * 3
    assert handle.completed


def test_a_group_of_groups_is_not_completed_before_their_members_are(scene: Scene) -> None:
    handle = group([group([scene.double.call(1)]), group([scene.double.call(2)])]).send()

    assert (handle.completed, handle.completed_count) == (False, 0)


def test_waiting_for_a_group_takes_no_longer_than_it_may(scene: Scene) -> None:
    handle = group([scene.slow.call(300), scene.slow.call(300)]).send()
    with scene.app.worker(threads=2):
        with pytest.raises(ResultTimeout, match="was not completed within 100 ms"):
            handle.wait(timeout=100)
        assert not handle.completed
        handle.wait(timeout=5_000)
        assert handle.completed


def test_completed_count_counts_members_in_whatever_order_they_end(scene: Scene) -> None:
    handle = group([scene.double.call(1).delay(30_000), scene.double.call(2), scene.double.call(3).delay(10_000)]).send()
    counts = [handle.completed_count]
    for ms in (0, 10_000, 20_000):
        scene.app.broker.advance(ms)  # type: ignore[attr-defined]
        step(scene.app)
        counts.append(handle.completed_count)

    assert counts == [0, 1, 2, 3]
    assert handle.get_result() == [2, 4, 6]


def test_a_completion_callback_runs_once_after_all_members(scene: Scene) -> None:
    group([scene.double.call(n) for n in range(5)]).on_completion(scene.note, "done").send()
    scene.app.run_until_idle()

    assert scene.ran[-1] == ("note", [0, 2, 4, 6, 8], "done")
    assert len(scene.ran) == 6


def test_there_may_be_several_besides_what_comes_after_the_group(scene: Scene) -> None:
    members = group([scene.double.call(1), scene.double.call(2)])
    handle = (members.on_completion(scene.note, "one").on_completion(scene.note, text="two") | scene.total).send()
    scene.app.run_until_idle()

    assert scene.ran[2:] == [("note", [2, 4], "one"), ("note", [2, 4], "two"), ("total", [2, 4])]
    assert handle.get_result() == 6


def test_a_group_of_a_pipeline_and_a_call_completes_after_all_three_ran(scene: Scene) -> None:
    group([scene.double.call(1) | scene.double, scene.double.call(3)]).on_completion(scene.note, "done").send()
    scene.app.run_until_idle()

    assert scene.ran[-1] == ("note", [4, 6], "done")
    assert len(scene.ran) == 4


def test_calls_that_are_arguments_of_their_own_make_a_tuple(scene: Scene) -> None:
    @scene.app.actor
    def both(pair: tuple[int, str]) -> tuple[int, str]:
        return pair

    @scene.app.actor
    def word() -> str:
        return "x"

    assert run(scene, group(scene.double.call(1), word.call())) == (2, "x")
    assert run(scene, group(scene.double.call(1), word.call()) | both) == (2, "x")


def test_a_whole_group_may_be_delayed(scene: Scene) -> None:
    group([scene.double.call(1) | scene.double, group([scene.double.call(2)])]).delay(10_000).send()

    assert delayed_until(scene.app, 10_000) == 2


def test_options_of_a_group_are_of_the_last_step_of_each_member(scene: Scene) -> None:
    @scene.app.actor
    def retries() -> object:
        message = get_current_message()
        return message and message.options.get("max_retries")

    many = group([retries.call(), group([retries.call()])]).with_options(max_retries=7)

    assert run(scene, many) == [7, [7]]


def test_a_group_of_nothing_completes_at_once_with_an_empty_list(scene: Scene) -> None:
    nothing = scene.app.group([])
    handle = nothing.send()

    assert (handle.completed, handle.completed_count, handle.get_result()) == (True, 0, [])
    assert run(scene, nothing | scene.total) == 0
    assert run(scene, scene.app.group([nothing, nothing]).then(scene.same)) == [[], []]
    assert run(scene, scene.double.call(1) | nothing | scene.total) == 0
    scene.ran.clear()
    nothing.on_completion(scene.note, "nothing").send()
    scene.app.run_until_idle()
    assert scene.ran == [("note", [], "nothing")]


def test_the_handle_of_a_step_and_then_nothing_waits_for_the_step(scene: Scene) -> None:
    handle = (scene.double.call(1) | scene.app.group([])).send()
    before = handle.completed
    scene.app.run_until_idle()

    assert (before, handle.completed, handle.get_result()) == (False, True, [])


# When members fail.


def test_a_member_that_fails_fails_the_group_and_what_comes_after_it_is_a_dead_letter_that_names_it(anywhere: Scene) -> None:
    s = anywhere
    handle = (s.app.group([s.double.call(1), s.fail.call(2), s.skip.call()]) | s.total | s.double).send()
    s.app.run_until_idle()

    assert ("total", []) not in s.ran
    with pytest.raises(
        ResultFailure, match=r"GroupFailed: 2 of 3 members failed: fail \S+: ValueError: no 2; skip \S+: SkipMessage: not today"
    ):
        handle.get_result()
    assert sorted(letter.actor_name for letter in s.app.broker.dead()) == ["fail", "total"]


def test_its_callbacks_fire(scene: Scene) -> None:
    heard: list[object] = []

    @scene.app.actor
    def mourn(message_data: dict[str, object], error: dict[str, str]) -> None:
        heard.append((message_data["actor_name"], error["type"]))

    (group([scene.fail.call(2)]) | scene.total.call().with_options(on_failure=mourn)).send()  # type: ignore[call-arg]
    scene.app.run_until_idle()

    assert heard == [("total", "GroupFailed")]


def test_failures_are_collected_where_the_group_says_so(anywhere: Scene) -> None:
    s = anywhere

    @s.app.actor
    def sort(results: list[int | Fault]) -> list[object]:
        return [each.type if isinstance(each, Fault) else each for each in results]

    members = [s.double.call(1), s.fail.call(2), s.skip.call(), s.fail.call(3) | s.double]
    handle = (s.app.group(members, on_member_failure="collect") | sort).send()
    s.app.run_until_idle()

    assert handle.get_result() == [2, "ValueError", "SkipMessage", "ValueError"]


def test_the_handle_of_a_collecting_group_has_faults_in_the_place_of_results(scene: Scene) -> None:
    handle = group([scene.double.call(1), scene.fail.call(2)], on_member_failure="collect").send()
    scene.app.run_until_idle()
    good, bad = handle.get_result()

    assert good == 2
    assert isinstance(bad, Fault)
    assert (bad.type, bad.message) == ("ValueError", "no 2")


def test_members_that_expire_kill_their_process_or_do_not_fit_arrive_as_failures(scene: Scene) -> None:
    @scene.app.actor
    def sort(results: list[int | Fault]) -> list[str]:
        return [each.type if isinstance(each, Fault) else "fine" for each in results]

    expired = scene.double.call(1).with_options(max_age=0)
    deadly = scene.double.call(1).with_options(max_deliveries=1)
    misfit = scene.same.call("x") | scene.double
    handle = (group([expired, deadly, misfit], on_member_failure="collect") | sort).send()
    deliveries = scene.app.broker.turn([], ClaimRequest("doomed", scene.app.queues, 3)).deliveries
    scene.app.broker.release("doomed", {})
    scene.app.run_until_idle()

    assert len(deliveries) == 3
    assert handle.get_result() == ["AgeLimitExceeded", "Poison", "InvalidArguments"]


def test_a_member_whose_actor_nobody_knows_arrives_as_a_failure(scene: Scene) -> None:
    other = App(broker=scene.app.broker)

    @other.actor
    def stranger() -> int:
        return 1

    @other.actor
    def sort(results: list[int | Fault]) -> list[str]:
        return [each.type if isinstance(each, Fault) else "fine" for each in results]

    scene.app.actor(name="sort")(sort.fn)
    handle = (other.group([stranger.call(), stranger.call() | stranger.call()], on_member_failure="collect") | sort).send()
    scene.app.run_until_idle()

    assert handle.get_result() == ["ActorNotFound", "ActorNotFound"]


def test_a_member_whose_next_step_cannot_be_sent_arrives_as_a_failure(scene: Scene) -> None:
    class Veto(Middleware):
        def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
            if enqueue.message.args == (4,):
                raise PermissionError("not this one")
            return enqueue

    @scene.app.actor(Veto())
    def picky(n: int) -> int:
        return n

    @scene.app.actor
    def sort(results: list[int | Fault]) -> list[str]:
        return [each.type if isinstance(each, Fault) else "fine" for each in results]

    members = [scene.double.call(1) | picky, scene.double.call(2) | picky]
    whole, last = group(members, on_member_failure="collect"), scene.double.call(2) | picky
    handles = [(whole | sort).send(), last.send()]
    scene.app.run_until_idle()

    assert handles[0].get_result() == ["fine", "PermissionError"]
    with pytest.raises(ResultFailure, match="PermissionError: not this one"):
        handles[1].get_result()


def test_a_member_is_heard_of_even_if_the_outermost_layer_raises(scene: Scene) -> None:
    class Clumsy(Step):
        def after(self, message: Message, outcome: Outcome) -> Outcome:
            raise KeyError("oops")

    @scene.app.actor(stack=lambda stack: compose(Clumsy(), stack))
    def clumsy() -> int:
        return 1

    @scene.app.actor
    def sort(results: list[int | Fault]) -> list[str]:
        return [each.type if isinstance(each, Fault) else "fine" for each in results]

    assert run(scene, group([scene.double.call(1), clumsy.call()], on_member_failure="collect") | sort) == ["fine", "LayerError"]


def test_an_inner_group_that_fails_is_one_failure_of_the_outer_one(scene: Scene) -> None:
    @scene.app.actor
    def sort(results: list[list[int] | Fault]) -> list[object]:
        return [each.type if isinstance(each, Fault) else each for each in results]

    inner = [group([scene.double.call(1), scene.fail.call(2)]), group([scene.double.call(3)])]

    assert run(scene, group(inner, on_member_failure="collect") | sort) == ["GroupFailed", [6]]


# What cannot be.


def test_arguments_are_held_against_the_signature_when_the_workflow_is_put_together(scene: Scene) -> None:
    with pytest.raises(InvalidArguments, match="missing a required argument: 'b'"):
        scene.double.call(1) | scene.add
    with pytest.raises(InvalidArguments, match="expected int, found 'x'"):
        scene.double.call(1).then(scene.add, "x")  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments, match="takes 1 positional argument but 2 were given"):
        scene.double.call(1).then(scene.double, 2)  # type: ignore[arg-type]


def test_missing_arguments_of_what_starts_a_workflow_are_found_when_it_is_sent(scene: Scene) -> None:
    with pytest.raises(InvalidArguments, match="missing a required argument: 'b'"):
        scene.add.call(1).send()  # type: ignore[call-arg]
    with pytest.raises(InvalidArguments, match="missing a required argument: 'b'"):
        group([scene.double.call(1), scene.add.call(1) | scene.double]).send()  # type: ignore[call-arg]
    assert scene.app.broker.queues() == ()


@pytest.mark.parametrize("thing", [3, "double", print, None])
def test_what_is_no_step_is_refused(scene: Scene, thing: object) -> None:
    for attempt in (
        lambda: scene.double.call(1) | thing,  # type: ignore[operator]
        lambda: scene.double.call(1).then(thing),  # type: ignore[arg-type]
        lambda: pipeline([scene.double.call(1), thing]),  # type: ignore[list-item]
        lambda: pipeline([thing]),  # type: ignore[list-item]
        lambda: group([thing]),  # type: ignore[arg-type]
        lambda: group(scene.double.call(1), thing),  # type: ignore[call-overload]
    ):
        with pytest.raises(DeclarationError, match="found "):
            attempt()


def test_a_pipeline_of_nothing_is_refused() -> None:
    with pytest.raises(DeclarationError, match="found a pipeline of no steps, expected at least one"):
        pipeline([])


def test_a_policy_that_there_is_not_is_refused(scene: Scene) -> None:
    with pytest.raises(DeclarationError, match="on_member_failure: found 'ignore', expected 'fail' or 'collect'"):
        group([scene.double.call(1)], on_member_failure="ignore")  # type: ignore[call-overload]


def test_a_group_of_nothing_after_a_group_is_refused(scene: Scene) -> None:
    with pytest.raises(DeclarationError, match="a group of nothing right after a group"):
        group([scene.double.call(1)]) | scene.app.group([])


def test_a_group_of_nothing_that_belongs_to_no_app_cannot_be_sent() -> None:
    with pytest.raises(DeclarationError, match=r"make it with app.group\(\[\]\)"):
        group([]).send()


def test_a_step_that_belongs_to_no_app_or_to_another_is_refused(scene: Scene) -> None:
    other = App("memory://")

    @actor
    def free(n: int) -> int:
        return n

    @other.actor
    def foreign(n: int) -> int:
        return n

    with pytest.raises(DeclarationError, match="free belongs to no app"):
        (scene.double.call(1) | free).send()
    with pytest.raises(DeclarationError, match="foreign belongs to another app"):
        group([scene.double.call(1), foreign.call(1)]).send()
    with pytest.raises(DeclarationError, match="foreign belongs to another app"):
        scene.app.group([foreign.call(1)]).send()
    assert scene.app.broker.queues() == other.broker.queues() == ()


def test_a_stack_without_the_layer_that_goes_on_is_refused() -> None:
    unpiped = Scene(App("memory://", middleware=default_middleware.without(Pipelines)))
    ungrouped = Scene(App("memory://", middleware=default_middleware.without(GroupCallbacks)))

    with pytest.raises(StackError, match="double runs in a stack without Pipelines"):
        (unpiped.double.call(1) | unpiped.double).send()
    with pytest.raises(StackError, match="double runs in a stack without GroupCallbacks"):
        (group([ungrouped.double.call(1)]) | ungrouped.total).send()
    assert run(ungrouped, group([ungrouped.double.call(1)])) == [2]


def test_who_stores_nothing_cannot_be_asked(scene: Scene) -> None:
    last, many = (scene.double.call(1) | scene.quiet).send(), group([scene.quiet.call(1)]).send()
    scene.app.run_until_idle()
    asked = [
        lambda: last.completed,
        lambda: last.completed_count,
        last.wait,
        lambda: many.completed,
        lambda: many.completed_count,
        many.wait,
    ]

    for question in asked:
        with pytest.raises(ResultNotStored, match="quiet stores no results"):
            question()


def test_arguments_for_a_group_are_refused(scene: Scene) -> None:
    with pytest.raises(DeclarationError, match="found arguments for a group, expected them in its members"):
        scene.double.call(1).then(group([scene.double]), 3)  # type: ignore[arg-type]


# Sending.


def test_many_workflows_travel_in_one_round_trip_and_each_has_its_handle(scene: Scene) -> None:
    calls = [group([scene.double.call(n), scene.double.call(n + 1)]) | scene.total for n in range(3)]
    handles = scene.app.send_many(calls)
    scene.app.run_until_idle()

    assert [handle.get_result() for handle in handles] == [2, 6, 10]


def test_async_producers_send_workflows_too(scene: Scene) -> None:
    assert asyncio.run(sent_and_awaited(scene)) == (2, [2, 4])


async def sent_and_awaited(scene: Scene) -> object:
    handle = await (group([scene.double.call(1)]) | scene.total).asend()
    many = await group([scene.double.call(1), scene.double.call(2)]).asend()
    await asyncio.to_thread(scene.app.run_until_idle)  # it has an event loop of its own
    return (await handle.aget()).unwrap(), (await many.aget()).unwrap()


def test_ids_follow_from_the_first_so_that_a_call_sent_twice_is_two_workflows(scene: Scene) -> None:
    call = group([scene.double.call(1)]) | scene.total
    first, second = call.send(), call.send()
    scene.app.run_until_idle()

    assert first.message_id != second.message_id
    assert first.get_result() == second.get_result() == 2


def test_a_member_of_a_group_that_nothing_follows_carries_its_workflow_alone(scene: Scene) -> None:
    group([scene.double.call(1)]).send()
    (delivery,) = scene.app.broker.turn([], ClaimRequest("w", scene.app.queues, 1)).deliveries

    options = decode(delivery.body).options
    assert options == {GROUP: [{"id": options[WORKFLOW], "at": 0, "of": 1}], WORKFLOW: options[WORKFLOW]}


def test_what_follows_a_group_travels_with_one_of_its_members_and_not_with_all(anywhere: Scene) -> None:
    app, large = anywhere.app, "x" * 50_000

    @app.actor
    def told(values: object, text: str) -> int:
        return len(text)

    inner = group([anywhere.double.call(n) for n in range(10)]).then(told, large)
    workflow = group([inner] * 3).on_completion(told, large).then(told, large)
    sizes = [len(to_op(enqueue).body) for enqueue in workflow.enqueues("w", 0)]

    assert len(sizes) == 30
    assert sum(sizes) < (3 + 2) * len(large) + 30 * 500
    handle = workflow.send()
    assert app.run_until_idle() == 30 + 3 + 2
    assert handle.get_result() == len(large)
