"""`Job`: a claimed message, from its delivery to its commit. Mutable. ``fq.worker.job`` takes it there."""

from contextvars import Context

from attrs import define

from fq.brokers.records import Bury, Commit, Delivery
from fq.core.fault import Fault
from fq.core.message import Message
from fq.core.outcome import Enqueue, Outcome
from fq.errors import DecodeError
from fq.middleware.send_call import SendCall
from fq.runtime.actor_run import ActorRun
from fq.runtime.logger import logger
from fq.wire.codec import decode
from fq.worker.compiled_actor import CompiledActor

log = logger("fq.worker")


@define(eq=False)
class Job(ActorRun):
    """
    Mutable: a claimed message, and the run of its actor.

    Attributes:
        commit: there once it has run.

        started, took: when it began to run, by `time.monotonic`, and how long it ran, seconds.

        contexts: copies of the context in which its actor ran; only where its handlers make them.

        send_call: what layers see of the messages that it sends; only where they observe sends.

        outcome, sent: what is to be told to layers, and which messages it sends; only where layers handle events.
    """

    delivery: Delivery
    actor: CompiledActor
    commit: Commit | None = None
    started: float = 0.0
    took: float = 0.0
    contexts: list[Context] | None = None
    outcome: Outcome | None = None
    sent: tuple[Enqueue, ...] = ()
    send_call: SendCall | None = None

    @property
    def claim(self) -> tuple[str, int]:
        """What is its own alone: the id of its message may be claimed again while it runs, by its worker, too."""
        return self.delivery.message_id, self.delivery.token

    @property
    def app(self) -> object | None:
        """See `ActorRun.app`."""
        return self.actor.app

    @property
    def worker(self) -> str:
        """See `ActorRun.worker`."""
        return "" if self.actor.clock is None else self.actor.clock.worker

    def on_report(self) -> None:
        """See `ActorRun.on_report`."""
        if self.actor.on_report is not None:
            self.actor.on_report(self)


def delivery_facts(delivery: Delivery) -> dict[str, dict[str, object]]:
    """Return the fields of a record about *delivery*, in the form of ``extra``."""
    return {"fq": {"message_id": delivery.message_id, "actor": delivery.actor_name, "queue": delivery.queue_name}}


def decode_delivery(delivery: Delivery) -> Message | Commit:
    """Return the message of *delivery*; or, if it cannot be read, the commit that makes it a dead letter."""
    try:
        message = decode(delivery.body, delivery.received_at, delivery.deliveries, delivery.interrupted)
        if message.actor_name != delivery.actor_name:
            raise DecodeError(f"found a message for {message.actor_name}, expected one for {delivery.actor_name}, as it was sent")
        if message.message_id != delivery.message_id:
            raise DecodeError(f"found the message {message.message_id}, expected {delivery.message_id}, as it was sent")
    except DecodeError as error:
        text = "%s in queue %s cannot be read and is now a dead letter: %s"
        log.error(text, delivery.message_id, delivery.queue_name, error, extra=delivery_facts(delivery))
        return Commit(delivery.message_id, delivery.queue_name, delivery.token, Bury(Fault.of(error)))
    else:
        return message
