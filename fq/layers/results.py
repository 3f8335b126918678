"""`Results`: what an actor returned, or why it failed for good, can be read back."""

from typing import ClassVar

from attrs import field, frozen, validators
from returns.pipeline import is_successful
from returns.result import Failure

from fq.core.duration import Duration, to_ms
from fq.core.message import Message
from fq.core.outcome import Dead, Drop, Outcome, Retry, Store, new_store
from fq.errors import SkipMessage
from fq.layers.retries import Retries
from fq.middleware.base import Rule, Step
from fq.workflows.group_results import unreachable_result_ids, workflow_of


@frozen
class Results(Step):
    """
    The final result of a message is stored in the same commit that acknowledges it.

    A retry and a message that was dropped store nothing. An actor whose return annotation is None stores nothing unless told to.
    Why a step ended its pipeline early is stored as the result of the last one, too.

    >>> from fq import Outcome, results
    >>> from fq.testing import message
    >>> results(result_ttl=1000).wrap(lambda message: Outcome.success(3))(message("add", message_id="m1")).effects
    (Store(message_id='m1', result=<Success: 3>, ttl=1000, hold=''),)

    Attributes:
        store_results: default True.

        result_ttl: how long results are kept, ms; those of a workflow from its end on. Default 10 minutes.
    """

    store_results: bool = field(default=True, validator=validators.instance_of(bool))
    result_ttl: int = field(default=600_000, converter=to_ms)

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "only the final result is stored, and inside Retries no failure is final"),)

    def idle(self) -> bool:
        return not self.store_results

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Add the effect that stores a final result."""
        if is_successful(outcome.result):
            if not self.store_results:
                return outcome
            hold = workflow_of(message) if message.options else ""
            store = new_store(message.message_id, outcome.result, self.result_ttl, hold)  # type: ignore[arg-type]  # of a success, whose failure type says nothing
            return Outcome(outcome.result, (*outcome.effects, store))
        setback = outcome.result.failure()
        if isinstance(setback, Retry):
            return outcome
        failure = Failure(SkipMessage(setback.reason) if isinstance(setback, Drop) else setback.error)
        own = (message.message_id,) if self.store_results and isinstance(setback, Dead) else ()
        return outcome.also(
            *(Store(message_id, failure, self.result_ttl, workflow_of(message)) for message_id in (*own, *unreachable_result_ids(message)))
        )


def results(*, store_results: bool = True, result_ttl: Duration = 600_000) -> Results:
    """Return a `Results` layer; *result_ttl* in ms or as timedelta."""
    return Results(store_results=store_results, result_ttl=result_ttl)
