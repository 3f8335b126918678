"""`start_steps`: the messages that start a workflow. `AT_ONCE`: a send that waits for no transaction."""

from typing import Final

from fq.calls.templates import StepTemplate, as_json, first_calls
from fq.core.outcome import Enqueue
from fq.errors import InvalidArguments
from fq.workflows.pipeline import StepInput, start, start_workflow

AT_ONCE: Final = object()
"""It is not None, which may be a connection that was never opened."""


def start_steps(steps: tuple[StepTemplate, ...], message_id: str, now: int, reports_end: bool) -> tuple[Enqueue, ...]:
    """Return what is enqueued to start the pipeline *steps*. See `Call.enqueues`."""
    for call in first_calls(steps):
        if call.missing_arguments_error:
            raise InvalidArguments(call.missing_arguments_error)
    pipeline = as_json((steps[0].timed(now), *steps[1:]))
    return tuple(start_workflow(pipeline, message_id, now) if reports_end else start(pipeline, message_id, StepInput(now)))
