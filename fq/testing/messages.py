"""`message`, which builds messages for tests of handlers."""

from fq.core.frozen import frozen_dict
from fq.core.message import Message


def message(
    actor_name: str,
    *args: object,
    message_id: str = "test",
    queue_name: str = "default",
    kwargs: dict[str, object] | None = None,
    message_timestamp: int = 0,
    received_at: int = 0,
    deliveries: int = 1,
    interrupted: str = "",
    **options: object,
) -> Message:
    """
    Return a message for *actor_name* with *args*. Every other keyword becomes an option of the message.

    >>> message("add", 1, 2, retries=2).options
    {'retries': 2}
    """
    return Message(
        message_id=message_id,
        actor_name=actor_name,
        queue_name=queue_name,
        args=args,
        kwargs=kwargs or {},
        options=frozen_dict(options),
        message_timestamp=message_timestamp,
        received_at=received_at,
        deliveries=deliveries,
        interrupted=interrupted,
    )
