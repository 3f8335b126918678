"""
`with_run`: a handler that says who ran a message, and when, in the outcomes that `Keep` keeps records of. Shell: it reads the clock.

Handlers of actors without `Keep` are left as they are.
"""

from collections.abc import Callable

from attrs import evolve

from fq.core.message import Message
from fq.core.outcome import Effect, KeepRecord, Outcome, Run
from fq.layers.keep import Keep
from fq.middleware.base import AsyncHandler, Handler
from fq.middleware.stack import Stack
from fq.wire.signature import Signature
from fq.worker.turn_clock import TurnClock


def with_run(handler: Handler, stack: Stack, clock: TurnClock, signature: Signature | None = None) -> Handler:
    """Return *handler* of an actor with *stack*, whose outcomes have the run if a record is kept."""
    if Keep not in stack:
        return handler
    add_run = _run_adder(clock, signature)

    def timed(message: Message) -> Outcome:
        started = clock.now()
        return add_run(handler(message), started)

    return timed


def with_run_async(handler: AsyncHandler, stack: Stack, clock: TurnClock, signature: Signature) -> AsyncHandler:
    """`with_run`, for async actors."""
    if Keep not in stack:
        return handler
    add_run = _run_adder(clock, signature)

    async def timed(message: Message) -> Outcome:
        started = clock.now()
        return add_run(await handler(message), started)

    return timed


def _run_adder(clock: TurnClock, signature: Signature | None) -> Callable[[Outcome, int], Outcome]:
    parameters = () if signature is None else signature.positional_names

    def add_run(outcome: Outcome, started: int) -> Outcome:
        run = Run(clock.worker, started, max(0, clock.now() - started))

        def with_it(effect: Effect) -> Effect:
            return evolve(effect, run=run, parameters=parameters) if isinstance(effect, KeepRecord) else effect

        return Outcome(outcome.result, tuple(map(with_it, outcome.effects))) if outcome.effects else outcome

    return add_run
