"""`outcome_of`: the outcome of a call, as a value, without a broker and without a worker."""

from contextlib import closing
from typing import cast

from fq.app.app import App
from fq.calls.actor import Actor, AnyActor
from fq.calls.call import Call
from fq.calls.templates import CallTemplate
from fq.core.message import Message, evolve_message
from fq.core.outcome import Outcome
from fq.errors import DeclarationError
from fq.execution.handler import async_handler, sync_handler
from fq.execution.injection import Injection
from fq.resources.open_scope import OpenScope
from fq.worker.coroutine_runner import CoroutineRunner
from fq.worker.inline_resources import InlineResources


def outcome_of(call: Call[object], *, message_id: str = "test", received_at: int = 0, deliveries: int = 1, retries: int = 0) -> Outcome:
    """
    Run *call*, of one actor, in the stack of that actor, and return the outcome: what a worker would commit. Nothing is sent or stored.

    >>> from fq import App
    >>> app = App("redis://nowhere.example")
    >>> @app.actor
    ... def load(part: str) -> None: ...
    >>> @app.actor
    ... def load_all(parts: str) -> None:
    ...     for part in parts:
    ...         load.call(part).follow()
    >>> outcome = outcome_of(load_all.call("ab"))
    >>> [effect.message.args for effect in outcome.effects]
    [('a',), ('b',)]

    Args:
        message_id, received_at, deliveries: those of the message, which is made at the time 0.

        retries: how many attempts have failed before.

    Raises:
        DeclarationError: *call* is a workflow.
    """
    template = call.steps[0]
    if not (call.is_single and isinstance(template, CallTemplate) and isinstance(template.actor, Actor)):
        raise DeclarationError("found a workflow, expected the call of one actor: a worker makes an outcome of each call in it")
    actor, message = template.actor, _message(template, message_id, received_at, deliveries, retries)
    with closing(CoroutineRunner()) as coroutines:
        return _outcome(actor, message, coroutines)


def _outcome(actor: AnyActor, message: Message, coroutines: CoroutineRunner) -> Outcome:
    registry = cast(App, actor.app).registry
    stack, needs = actor.app.stack_of(actor), registry.needs_of(actor.name)
    with closing(InlineResources(OpenScope(registry.resources), coroutines.run)) as resources:
        resources.open_for(needs)
        injection = Injection(needs, resources.scope) if needs else None
        if not actor.signature.is_async:
            return stack.wrap(sync_handler(actor.fn, actor.signature, injection=injection))(message)
        handle = stack.awrap(async_handler(actor.fn, actor.signature, injection=injection))

        async def run() -> Outcome:
            return await handle(message)

        return coroutines.run(run())


def _message(template: CallTemplate, message_id: str, received_at: int, deliveries: int, retries: int) -> Message:
    message = template.message(message_id, 0)
    message = message.with_options(retries=retries) if retries else message
    return evolve_message(message, received_at=received_at, deliveries=deliveries)
