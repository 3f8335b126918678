"""`Pipelines`: the result of a step becomes an argument of the next."""

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
    When a step of a pipeline succeeds, the next one is enqueued in the same commit.

    It gets the result as its last positional argument (its first, after `Call.then` with arguments). A step that fails for good, or is
    dropped, ends the pipeline. The steps still to come travel in the option ``fq.workflows.pipeline``; each message carries only those after it. Where the
    next step is a group, all its members are enqueued, each with the result. What comes after a group gets a list of its results.

    >>> from fq import Outcome, pipelines
    >>> from fq.testing import message
    >>> handle = pipelines().wrap(lambda message: Outcome.success(3))
    >>> handle(message("add", 1, 2).with_options(**{"fq.pipe": [{"actor_name": "double"}]})).effects[0].message.args
    (3,)

    Attributes:
        pipe_ignore: run without the result of the step before. An option of the step that would get it. Default False.
    """

    pipe_ignore: bool = field(default=False, validator=validators.instance_of(bool))

    def idle(self) -> bool:
        return True

    def before(self, message: Message) -> Message | Outcome:
        """Put the results of a group where the actor takes them; or answer for it, where members failed."""
        if GATHERED not in message.options:
            return message
        result = resolve_group_values(message)
        return result.unwrap() if is_successful(result) else Outcome.failure(result.failure())

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Enqueue the next step of a success."""
        if PIPE not in message.options or not outcome.succeeded:
            return outcome
        pipe = pipeline_of(message)
        if not pipe:
            return outcome
        passed = StepInput(message.received_at, (outcome.result.unwrap(),), workflow=workflow_of(message))
        return outcome.also(*start(pipe, child_id(message.message_id, "pipe"), passed, slots_of(message)))


def pipelines(*, pipe_ignore: bool = False) -> Pipelines:
    """Return a `Pipelines` layer."""
    return Pipelines(pipe_ignore=pipe_ignore)
