"""`as_received`: a message without the changes that its actor has made to lists and dicts in it."""

from fq.core.frozen import frozen_dict
from fq.core.message import Message, evolve_message
from fq.core.reserved_options import GATHERED
from fq.wire.codec import decode
from fq.workflows.group_results import resolve_group_values


def as_received(message: Message) -> Message:
    """
    Return *message* with its original arguments and options, even if the actor has changed lists and dicts in them.

    Values that a layer has replaced stay replaced. The bytes are decoded again only if the message holds lists or dicts.
    """
    if message.origin is None or not any(
        isinstance(value, list | dict) for value in (*message.args, *message.kwargs.values(), *message.options.values())
    ):
        return message
    args, kwargs, options, body = message.origin
    received = decode(body)
    if GATHERED in received.options and GATHERED not in options:
        received = resolve_group_values(received).unwrap()
    kept = {name: received.options.get(name) if options.get(name) is value else value for name, value in message.options.items()}
    return evolve_message(
        message,
        args=received.args if message.args is args else message.args,
        kwargs=received.kwargs if message.kwargs is kwargs else message.kwargs,
        options=frozen_dict(kept),
    )
