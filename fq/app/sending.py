"""`Sending`: the part of an `App` that its actors, calls and handles use. It sends calls, and makes handles. Mutable shell; the rest is in ``fq.app.app``."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar, overload

from attrs import evolve

from fq.app.bulk_send import BulkSender, asend_in_batches, duplicates_warning, send_in_batches
from fq.app.following import follow, run_to_follow, takes_sends
from fq.app.lookups import Lookups
from fq.app.message_origin import with_root, with_sender
from fq.app.transactional_sending import TransactionalSending
from fq.app.unique_send import is_duplicate, settle
from fq.brokers.records import EnqueueOp, Placement
from fq.calls.call import Call
from fq.calls.group_handle import make_handle
from fq.calls.handle import Handle
from fq.calls.starting import AT_ONCE
from fq.calls.task_handle import ANY_ACTOR, TaskHandle
from fq.calls.workflow import check_workflow
from fq.core.message import evolve_message
from fq.core.outcome import Enqueue
from fq.core.reserved_options import check_message_options
from fq.errors import BrokerError, Duplicate
from fq.execution.outcome_encoding import to_op
from fq.execution.refused_letters import refused_letters
from fq.middleware.send_call import SendCall, send_call
from fq.runtime.actor_run import RUNNING, ActorRun, current_run
from fq.runtime.logger import logger
from fq.wire.signature import Signature

R = TypeVar("R")
log = logger("fq")


class Sending(Lookups, TransactionalSending):
    """Sends with *_broker*, under ids that *_fresh_id* makes of the time, what *registry* knows."""

    _fresh_id: Callable[[int], str]

    def send(self, call: Call[R], *, on: object = AT_ONCE) -> Handle[R]:
        """Send *call*: ``call.send()`` calls this. All messages that start a workflow are enqueued together, or none."""
        if on is not AT_ONCE:
            return self.send_on(call, on)
        run = current_run()
        if run is not None and takes_sends(run, self):
            return follow(self, run, call, self._start)
        if not self.registry.observes_sends:
            return self._send(call, run)
        with send_call() as observed:
            return self._send(call, run, observed)

    def _send(self, call: Call[R], run: ActorRun | None, observed: SendCall | None = None) -> Handle[R]:
        message_id, enqueues = self.build_messages(call, self._broker.now(), run, observed=observed)
        ops = [to_op(enqueue) for enqueue in enqueues]
        try:
            if ops and ops[0].unique is not None:
                (placement,) = self._broker.place(ops)
                return self._settled(call, enqueues[0], ops[0], placement)
            self._broker.enqueue(ops)
        except BrokerError as error:
            self.registry.emit_failed(enqueues, error)
            raise
        return self._finish_send(call, message_id, enqueues)

    async def asend(self, call: Call[R], *, on: object = AT_ONCE) -> Handle[R]:
        """`send`, for async producers: ``call.asend()`` calls this."""
        if on is not AT_ONCE:
            return await self.asend_on(call, on)
        run = current_run()
        if run is not None and takes_sends(run, self):
            return follow(self, run, call, self._start)
        if not self.registry.observes_sends:
            return await self._asend(call, run)
        with send_call() as observed:
            return await self._asend(call, run, observed)

    async def _asend(self, call: Call[R], run: ActorRun | None, observed: SendCall | None = None) -> Handle[R]:
        message_id, enqueues = self.build_messages(call, await self._broker.anow(), run, observed=observed)
        ops = [to_op(enqueue) for enqueue in enqueues]
        try:
            if ops and ops[0].unique is not None:
                (placement,) = await self._broker.aplace(ops)
                settled = partial(self._settled, call, enqueues[0], ops[0], placement)
                return settled() if placement.is_new else await asyncio.to_thread(settled)  # it may have to ask the broker again
            await self._broker.aenqueue(ops)
        except BrokerError as error:
            self.registry.emit_failed(enqueues, error)
            raise
        return self._finish_send(call, message_id, enqueues)

    def follow(self, call: Call[R], *, always: bool = False) -> Handle[R]:
        """Send *call* with the outcome of the actor that runs: ``call.follow()`` calls this."""
        run = run_to_follow()
        return self.send(call) if run is None else follow(self, run, call, self._start, always)

    def send_many(self, calls: Iterable[Call[R]], *, on: object = AT_ONCE) -> list[Handle[R]]:
        """
        Send *calls*, a thousand messages in each round trip, and return their handles in the same order.

        Each batch is enqueued completely or not at all. After an error, the batches before it have been sent. A call whose unique key is held gets a handle
        on the message that holds it, also if it says ``on_conflict="raise"``, and keeps no other one back. For *on* and errors see `Call.send`.
        """
        if on is not AT_ONCE:
            return [call.send(on=on) for call in calls]
        run = current_run()
        if run is not None and takes_sends(run, self):
            return [follow(self, run, call, self._start) for call in calls]
        return send_in_batches(self._broker, calls, self._bulk_sender(run))

    async def asend_many(self, calls: Iterable[Call[R]], *, on: object = AT_ONCE) -> list[Handle[R]]:
        """`send_many`, for async producers."""
        if on is not AT_ONCE:
            return [await call.asend(on=on) for call in calls]
        run = current_run()
        if run is not None and takes_sends(run, self):
            return [follow(self, run, call, self._start) for call in calls]
        return await asend_in_batches(self._broker, calls, self._bulk_sender(run, await self._broker.anow()))

    def enqueue(self, *enqueues: Enqueue) -> tuple[Enqueue, ...]:
        """
        Send messages that you have made yourself, all or none, and return them as the layers have changed them.

        A message is not sent if one with its id waits or runs already; a warning in the log says so. In the place of one whose unique key is held, the
        message with the id of the holder is returned.

        Raises:
            OptionError: a message has an option that is reserved for fq, with a value that fq does not write.
            Duplicate: the unique key of a message is held, and its layer says ``on_conflict="raise"``. The others have been sent.
        """
        for enqueue in enqueues:
            check_message_options(enqueue.message.options)
        if not self.registry.observes_sends:
            return self._enqueue(enqueues)
        with send_call(is_batch=len(enqueues) > 1) as observed:
            return self._enqueue(enqueues, observed)

    def _enqueue(self, enqueues: tuple[Enqueue, ...], observed: SendCall | None = None) -> tuple[Enqueue, ...]:
        sent = tuple(self.registry.apply_send_layers(enqueue, observed) for enqueue in enqueues)
        ops = [to_op(enqueue) for enqueue in sent]
        try:
            if any(op.unique for op in ops):
                return self._enqueue_unique(sent, ops)
            new = self._broker.enqueue(ops)
        except BrokerError as error:
            self.registry.emit_failed(sent, error)
            raise
        if new < len(sent):
            log.warning("%s", duplicates_warning(sent, new))
        for enqueue in sent if new else ():
            self.registry.emit_enqueued(enqueue)
        return sent

    def requeue(self, message_ids: Sequence[str]) -> int:
        """
        Put dead letters back on their queues as if sent now, reopen the groups that failed with them, and return how many there were.

        A dead letter takes its unique key anew. If another message holds it, the letter stays; a warning in the log says so.
        """
        ids = tuple(dict.fromkeys(message_ids))
        count = self._broker.requeue(ids)
        for refused in refused_letters(self._broker, ids) if count < len(ids) else ():
            log.warning("%s", refused)
        return count

    @overload
    def handle(self, message_id: str) -> Handle[object]: ...
    @overload
    def handle(self, message_id: str, returns: type[R]) -> Handle[R]: ...
    def handle(self, message_id: str, returns: object = object) -> Handle[object]:
        """
        Return the handle of a single message that was sent before, perhaps by another process. *returns* is the type of its result; by default it is JSON.

        For the handle of a pipeline or a group, use `Call.handle`: the broker knows the results of their messages, but not which messages belong together.

        >>> from fq import App
        >>> app = App("memory://")
        >>> @app.actor
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> message_id = add.send(1, 2).message_id
        >>> app.run_until_idle()
        1
        >>> app.handle(message_id, returns=int).get()
        <Success: 3>
        """
        return TaskHandle(message_id, ANY_ACTOR, True, Signature.returning(returns), self)

    def handle_of(self, call: Call[R], message_id: str, is_duplicate: bool = False) -> Handle[R]:
        """Return the handle of *call*, which was sent as *message_id*; ``call.handle(message_id)`` calls this."""
        return make_handle(self, self.registry.stores_result, call.steps, message_id, is_duplicate)  # type: ignore[return-value]  # the steps are of a Call[R]

    def _bulk_sender(self, run: ActorRun | None, now: int | None = None) -> BulkSender[Call[R], Handle[R]]:
        registry, prepare = self.registry, partial(self._prepare, run=run, now=now)
        return BulkSender(
            prepare, registry.is_watched, registry.emit_enqueued, registry.emit_failed, self._handle_on_other, registry.observes_sends
        )

    def _prepare(
        self, call: Call[R], observed: SendCall | None, run: ActorRun | None, now: int | None
    ) -> tuple[tuple[Enqueue, ...], Handle[R]]:
        message_id, enqueues = self.build_messages(call, self._broker.now() if now is None else now, run, observed=observed)
        return enqueues, make_handle(self, self.registry.stores_result, call.steps, message_id)  # type: ignore[return-value]  # the steps are of a Call[R]

    def build_messages(
        self, call: Call[R], now: int, run: ActorRun | None, message_id: str = "", observed: SendCall | None = None
    ) -> tuple[str, tuple[Enqueue, ...]]:
        """Return the id of *call*, and the messages that start it; an actor's *run* may send it. *now* is of the broker: a host's clock may be wrong."""
        message_id = message_id or (call.chosen_id if call.steps[0].options else "") or self._fresh_id(now)
        if call.is_single and run is None:  # the hot path
            (enqueue,) = call.enqueues(message_id, now)
            return message_id, (self.registry.apply_send_layers(enqueue, observed),)
        started = self._start(call, message_id, now)
        if run is not None and run.state == RUNNING and run.app in (None, self):
            started = tuple(with_sender(enqueue, run.message, self.registry) for enqueue in started)
        if observed is not None:
            observed.is_batch |= len(started) > 1
        return message_id, tuple(self.registry.apply_send_layers(enqueue, observed) for enqueue in started)

    def _start(self, call: Call[R], message_id: str, now: int) -> tuple[Enqueue, ...]:
        """Return the messages that start *call*, before they pass the layers."""
        if call.is_single:
            return call.enqueues(message_id, now)
        started = call.enqueues(message_id, now, reports_end=check_workflow(call, self))
        return tuple(with_root(enqueue, message_id, self.registry) for enqueue in started)

    def _finish_send(self, call: Call[R], message_id: str, enqueues: tuple[Enqueue, ...]) -> Handle[R]:
        registry = self.registry
        for enqueue in enqueues:
            registry.emit_enqueued(enqueue)
        return make_handle(self, registry.stores_result, call.steps, message_id)  # type: ignore[return-value]  # the steps are of a Call[R]

    # Messages with a unique key.

    def _settled(self, call: Call[R], enqueue: Enqueue, op: EnqueueOp, placement: Placement) -> Handle[R]:
        """Return the handle of *call*, whose message is *op*: on its own message, or on that which stands for it, as *placement* says."""

        def with_id(holder_id: str) -> EnqueueOp:
            _, (replacing,) = self.build_messages(call, enqueue.message.message_timestamp, current_run(), holder_id)
            return to_op(replacing)

        settled = settle(self._broker, enqueue.message, op, placement, with_id)
        if settled.is_new:
            self.registry.emit_enqueued(enqueue)
        return self.handle_of(call, settled.message_id, is_duplicate(op, settled))

    def _handle_on_other(self, call: Call[R], enqueue: Enqueue, op: EnqueueOp, placement: Placement) -> Handle[R] | None:
        """Return the handle of *call* if another message stands for its own, *op*."""
        try:
            handle = self._settled(call, enqueue, op, placement)
        except Duplicate as error:
            return self.handle_of(call, error.message_id, is_duplicate=True)
        return handle if handle.is_duplicate else None

    def _enqueue_unique(self, sent: tuple[Enqueue, ...], ops: Sequence[EnqueueOp]) -> tuple[Enqueue, ...]:
        """`enqueue` for messages of which some have a unique key."""
        returned, duplicate = list[Enqueue](), None
        for enqueue, op, placement in zip(sent, ops, self._broker.place(ops), strict=True):
            try:
                placed = settle(self._broker, enqueue.message, op, placement, lambda holder, sent=enqueue: to_op(_with_id(sent, holder)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            except Duplicate as error:
                duplicate = duplicate or error
                continue
            if placed.is_new:
                self.registry.emit_enqueued(enqueue)
            elif op.unique is None:
                log.warning("%s", duplicates_warning((enqueue,), 0))
            returned.append(enqueue if placed.message_id == op.message_id else _with_id(enqueue, placed.message_id))
        if duplicate is not None:
            raise duplicate
        return tuple(returned)


def _with_id(enqueue: Enqueue, message_id: str) -> Enqueue:
    return evolve(enqueue, message=evolve_message(enqueue.message, message_id=message_id))
