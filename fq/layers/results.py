"""`Results`: stores what an actor returned, or why it failed."""

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

DEFAULT_RESULT_TTL_MS = 600_000
"""How long a result is kept by default, ms: 10 minutes."""


@frozen
class Results(Step):
    """
    Stores the final result of a message in the commit that acknowledges it. `Handle.get` reads it.

    A retry and a dropped message store nothing. An actor whose return annotation is None stores nothing, unless it has ``store_results=True``. When
    a step ends its pipeline early, the reason is stored as the result of the last step, too.

    >>> from fq import Outcome, results
    >>> from fq.testing import message
    >>> results(result_ttl=1000).wrap(lambda message: Outcome.success(3))(message("add", message_id="m1")).effects
    (Store(message_id='m1', result=<Success: 3>, ttl=1000, hold=''),)

    Attributes:
        store_results: is the result stored? Default: True.

        result_ttl: how long the result is kept, ms. In a workflow, this counts from the end of the workflow. Default: 10 minutes.
    """

    store_results: bool = field(default=True, validator=validators.instance_of(bool))
    result_ttl: int = field(default=DEFAULT_RESULT_TTL_MS, converter=to_ms)

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "only the final result is stored, and inside Retries no failure is final"),)

    def idle(self) -> bool:
        return not self.store_results

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Store a final result."""
        if is_successful(outcome.result):
            if not self.store_results:
                return outcome
            hold = workflow_of(message) if message.options else ""
            store = new_store(message.message_id, outcome.result, self.result_ttl, hold)  # type: ignore[arg-type]  # a success has no failure type
            return Outcome(outcome.result, (*outcome.effects, store))
        setback = outcome.result.failure()
        if isinstance(setback, Retry):
            return outcome
        failure = Failure(SkipMessage(setback.reason) if isinstance(setback, Drop) else setback.error)
        own = (message.message_id,) if self.store_results and isinstance(setback, Dead) else ()
        return outcome.also(
            *(Store(message_id, failure, self.result_ttl, workflow_of(message)) for message_id in (*own, *unreachable_result_ids(message)))
        )


def results(*, store_results: bool = True, result_ttl: Duration = DEFAULT_RESULT_TTL_MS) -> Results:
    """Return a `Results` layer. *result_ttl*: ms or timedelta."""
    return Results(store_results=store_results, result_ttl=result_ttl)
