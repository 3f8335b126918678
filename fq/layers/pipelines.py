"""`Pipelines`: the result of a step becomes an argument of the next step."""

from attrs import field, frozen, validators
from returns.pipeline import is_successful

from fq.core.derived_ids import child_id
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.core.reserved_options import GATHERED, PIPE
from fq.middleware.base import Step
from fq.workflows.group_results import pipeline_of, resolve_group_values, slots_of, workflow_of
from fq.workflows.pipeline import StepInput, start


@frozen
class Pipelines(Step):
    """
    When a step of a pipeline succeeds, the same commit enqueues the next step.

    The next step gets the result as its last positional argument (as its first, after `Call.then` with arguments). If it is a group, each member
    gets the result, and the step after the group gets the list of their results. A step that fails for the last time, or is dropped, ends the
    pipeline. Each message carries the steps after it in the option ``fq.pipe``.

    >>> from fq import Outcome, pipelines
    >>> from fq.testing import message
    >>> handle = pipelines().wrap(lambda message: Outcome.success(3))
    >>> handle(message("add", 1, 2).with_options(**{"fq.pipe": [{"actor_name": "double"}]})).effects[0].message.args
    (3,)

    Attributes:
        pipe_ignore: does the step run without the result of the step before? Default: False.
    """

    pipe_ignore: bool = field(default=False, validator=validators.instance_of(bool))

    def idle(self) -> bool:
        return True

    def before(self, message: Message) -> Message | Outcome:
        """Put the results of a group where the actor takes them. If members failed, fail instead of calling the actor."""
        if GATHERED not in message.options:
            return message
        result = resolve_group_values(message)
        return result.unwrap() if is_successful(result) else Outcome.failure(result.failure())

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Enqueue the next step after a success."""
        if PIPE not in message.options or not outcome.succeeded:
            return outcome
        pipeline = pipeline_of(message)
        if not pipeline:
            return outcome
        given = StepInput(message.received_at, (outcome.result.unwrap(),), workflow=workflow_of(message))
        return outcome.also(*start(pipeline, child_id(message.message_id, "pipe"), given, slots_of(message)))


def pipelines(*, pipe_ignore: bool = False) -> Pipelines:
    """Return a `Pipelines` layer."""
    return Pipelines(pipe_ignore=pipe_ignore)
