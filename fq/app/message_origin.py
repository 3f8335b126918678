"""Where a message that is sent comes from: only where a record of it is kept does it say so, as `fq.layers.keep` does for what follows a message."""

from fq.core.message import Message
from fq.core.outcome import Enqueue
from fq.core.reserved_options import ROOT
from fq.execution.registry import Registry
from fq.layers.keep import with_parent


def with_root(enqueue: Enqueue, workflow_id: str, registry: Registry) -> Enqueue:
    """Return *enqueue*, which starts a workflow: a member of a group says to which workflow it belongs."""
    message = enqueue.message
    if message.message_id == workflow_id or not registry.plan(message.actor_name).keeps_records:
        return enqueue
    return with_parent(enqueue, workflow_id, workflow_id)


def with_sender(enqueue: Enqueue, sender: Message, registry: Registry) -> Enqueue:
    """Return *enqueue*, which the actor that runs for *sender* sends at once: it has the parent that it would have if it followed."""
    if not registry.plan(enqueue.message.actor_name).keeps_records:
        return enqueue
    return with_parent(enqueue, sender.message_id, sender.options.get(ROOT, sender.message_id))
