"""`Pipelines`: the result of a step becomes an argument of the next."""

from collections.abc import Mapping
from typing import ClassVar, cast

from attrs import field, frozen, validators

from fq.call import FIRST
from fq.errors import OptionError
from fq.identity import child_id
from fq.layers.retries import Retries
from fq.message import Key, Message
from fq.middleware import Rule, Step
from fq.outcome import Enqueue, Outcome

PIPE = Key[list[dict[str, object]] | tuple[dict[str, object], ...]]("pipe", (list, tuple), ())  # type: ignore[arg-type]  # isinstance takes a tuple


@frozen
class Pipelines(Step):
    """
    When a step of a pipeline succeeds, the next one is enqueued in the same commit, with the result as its last argument (its first, after `Call.then` with
    arguments). A step that fails for good, or is dropped, ends the pipeline.

    The steps that are still to come travel in the option ``pipe``; each message carries only those after it.

    >>> from fq import Outcome, pipelines
    >>> from fq.testing import message
    >>> handle = pipelines().wrap(lambda message: Outcome.success(3))
    >>> handle(message("add", 1, 2, pipe=[{"actor_name": "double"}])).effects[0].message.args
    (3,)

    Attributes:
        pipe_ignore: leave the result out when the next step is called. Default False; also read from the next step's own options.
    """

    pipe_ignore: bool = field(default=False, validator=validators.instance_of(bool))

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "only a final success goes on to the next step"),)

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Enqueue the next step of a success."""
        steps = PIPE.get(message)
        if not steps or not outcome.succeeded:
            return outcome
        return outcome.also(next_step(message, steps[0], steps[1:], outcome.result.unwrap()))


def next_step(message: Message, step: Mapping[str, object], rest: object, value: object) -> Enqueue:
    """Return the effect that runs *step* after *message*, whose result is *value*; *rest* is what follows."""
    if not isinstance(step, Mapping) or not isinstance(step.get("actor_name"), str):
        raise OptionError(f"pipe of {message.message_id}: found the step {step!r}, expected a mapping with an actor_name")
    options = dict(cast("Mapping[str, object]", step.get("options", {})))
    takes = options.pop("takes", None)
    given = tuple(cast("tuple[object, ...]", step.get("args", ())))
    if options.get("pipe_ignore", False):
        args = given
    else:
        args = (value, *given) if takes == FIRST else (*given, value)
    following = Message(
        message_id=child_id(message.message_id, "pipe"),
        actor_name=cast(str, step["actor_name"]),
        queue_name=cast(str, step.get("queue_name", "default")),
        args=args,
        kwargs=cast("Mapping[str, object]", step.get("kwargs", {})),
        options={**options, "pipe": rest} if rest else options,
        message_timestamp=message.received_at,
        priority=cast(int, step.get("priority", 0)),
    )
    return Enqueue(following, cast(int, step.get("delay", 0)))


def pipelines(*, pipe_ignore: bool = False) -> Pipelines:
    """Return a `Pipelines` layer."""
    return Pipelines(pipe_ignore=pipe_ignore)
