"""Every broker: a workflow that is cancelled while one of its steps runs. The step cancels it, so that it happens at that moment."""

from collections.abc import Callable

import pytest
from returns.pipeline import is_successful

from fq import App, Call, Handle, group
from tests.brokers.harness import Harness


class Workflows:
    """An app whose actor `cancels` cancels what was sent while it runs; *ran* are the calls of its actors."""

    def __init__(self, harness: Harness) -> None:
        self.app = App(broker=harness.broker())
        self.ran: list[str] = []
        self.sent: Handle[object]

        @self.app.actor(max_retries=0)
        def step(name: object, *values: object) -> str:
            self.ran.append(str(name))
            return str(name)

        @self.app.actor(max_retries=0)
        def cancels(*values: object) -> str:
            self.ran.append("cancels")
            assert self.sent.cancel() is True
            return "cancels"

        @self.app.actor(max_retries=0)
        async def cancels_async(*values: object) -> str:
            self.ran.append("cancels")
            assert self.sent.cancel() is True
            return "cancels"

        self.step, self.cancels, self.cancels_async = step, cancels, cancels_async

    def run(self, workflow: Call[object]) -> str:
        """What the result of *workflow* is in the end: the type of its error, or ``"done"``."""
        self.sent = workflow.send()
        self.app.run_until_idle()
        result = self.sent.get(0)
        return "done" if is_successful(result) else getattr(result.failure(), "type", repr(result.failure()))


@pytest.fixture
def flows(harness: Harness) -> Workflows:
    return Workflows(harness)


def a_pipeline(w: Workflows) -> Call[object]:
    return w.cancels.call() | w.step | w.step


def an_async_pipeline(w: Workflows) -> Call[object]:
    return w.cancels_async.call() | w.step


def a_group(w: Workflows) -> Call[object]:
    return group([w.cancels.call(), w.step.call("member")]) | w.step


def a_group_whose_last_member_cancels(w: Workflows) -> Call[object]:
    return group([w.step.call("member"), w.cancels.call()]) | w.step


def a_collecting_group(w: Workflows) -> Call[object]:
    return group([w.cancels.call(), w.step.call("member")], on_member_failure="collect") | w.step


def a_group_in_a_pipeline(w: Workflows) -> Call[object]:
    return w.cancels.call() | group([w.step, w.step]) | w.step


def a_group_after_a_group(w: Workflows) -> Call[object]:
    return group([w.cancels.call(), w.cancels.call()]) | group([w.step, w.step]) | w.step


def a_group_of_pipelines(w: Workflows) -> Call[object]:
    return group([w.cancels.call() | w.step, w.step.call("member") | w.step]) | w.step


def a_group_of_groups(w: Workflows) -> Call[object]:
    return group([group([w.cancels.call(), w.cancels.call()]) | w.step, group([w.step.call("member")])]) | w.step


WORKFLOWS = [
    *(a_pipeline, an_async_pipeline, a_group, a_group_whose_last_member_cancels, a_collecting_group, a_group_in_a_pipeline),
    *(a_group_after_a_group, a_group_of_pipelines, a_group_of_groups),
]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.__name__)
def test_nothing_starts_after_a_workflow_is_cancelled_and_its_handle_says_so(
    flows: Workflows, workflow: Callable[[Workflows], Call[object]]
) -> None:
    assert flows.run(workflow(flows)) == "Cancelled"
    assert flows.ran[flows.ran.index("cancels") :] == ["cancels"], "nothing starts any more"
    assert flows.app.broker.dead_letters() == ()
    assert sum(queue.ready + queue.delayed + queue.in_flight for queue in flows.app.broker.queues()) == 0
    assert flows.sent.cancel() is False


def test_a_callback_of_a_cancelled_group_that_waits_is_cancelled_too(flows: Workflows) -> None:
    @flows.app.actor(queue="later")
    def told(values: list[object]) -> None:
        flows.ran.append("told")

    flows.app.broker.pause("later")
    flows.sent = group([flows.step.call("member")]).on_completion(told).send()
    flows.app.run_until_idle()

    assert flows.sent.cancel() is True
    flows.app.broker.resume("later")
    flows.app.run_until_idle()
    assert flows.ran == ["member"]


def test_a_pipeline_whose_step_alone_is_cancelled_does_not_go_on(flows: Workflows) -> None:
    app, ran = flows.app, flows.ran

    @app.actor
    def cancels_itself() -> int:
        assert app.broker.cancel(handle.before[0].message_id) is True
        return 1

    handle = (cancels_itself.call() | flows.step).send()
    app.run_until_idle()

    assert handle.get(0).failure().type == "Cancelled"
    assert handle.before[0].get(0).unwrap() == 1
    assert ran == []


def test_the_failure_callbacks_of_a_cancelled_step_run_and_its_success_callbacks_too(flows: Workflows) -> None:
    heard: list[str] = []

    @flows.app.actor
    def succeeded(message: object, value: object) -> None:
        heard.append("success")

    @flows.app.actor
    def failed(message: object, error: dict[str, str]) -> None:
        heard.append(error["type"])

    workflow = flows.cancels.call().with_options(on_success=succeeded) | flows.step

    assert flows.run(workflow.with_options(on_failure=failed)) == "Cancelled"
    assert sorted(heard) == ["Cancelled", "success"]


def test_a_group_goes_on_when_a_member_alone_is_cancelled_and_it_collects(flows: Workflows) -> None:
    handle = (group([flows.step.call("a"), flows.step.call("b")], on_member_failure="collect") | flows.step).send()
    handle.before[0].parts()[1].cancel()
    flows.app.run_until_idle()

    assert is_successful(handle.get(0))
