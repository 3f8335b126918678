"""What a row of an outbox holds: the messages that start one call, in their wire form, each with its delay. Pure."""

from collections.abc import Sequence
from typing import cast

from attrs import frozen

from fq.core.message import evolve_message
from fq.core.outcome import Enqueue
from fq.core.uniqueness import Uniqueness
from fq.errors import DecodeError, OptionError
from fq.execution.outcome_encoding import to_op
from fq.wire.codec import decode
from fq.wire.json import dumps, loads


@frozen
class Row:
    """A row: its *number*, the *row_id* that no other row has, what it holds, and how old it is, ms by the clock of its database."""

    number: int
    row_id: str
    post: str
    age: int


def to_post(enqueues: Sequence[Enqueue]) -> str:
    """
    Return *enqueues*, which have passed the send layers, as the text of a row.

    Raises:
        OptionError: see `check_conflicts`.
    """
    check_conflicts(enqueues)
    return dumps([[op.delay, op.body.decode()] for op in map(to_op, enqueues)])


def check_conflicts(enqueues: Sequence[Enqueue]) -> None:
    """
    Accept *enqueues* if they can be sent in a transaction.

    Raises:
        OptionError: a unique key whose conflict only a caller who waits for the broker could see, or settle.
    """
    for enqueue in enqueues:
        found = Uniqueness.in_options(enqueue.message.options)
        if found is not None and found.on_conflict in ("raise", "replace"):
            raise OptionError(
                f"found send(on=...) of {enqueue.message.actor_name} with on_conflict={found.on_conflict!r}, expected 'keep' or 'after': "
                "which message holds the key is known only after the transaction"
            )


def read_post(row: Row, now: int) -> tuple[Enqueue, ...]:
    """
    Return the messages of *row* at *now*, ms since the epoch on the broker's clock. They were sent when the row was written.

    Raises:
        DecodeError: the row holds something else.
    """
    age = max(0, row.age)
    try:
        entries = [(int(delay), decode(str(body).encode())) for delay, body in cast("list[tuple[int, str]]", loads(row.post))]
    except (TypeError, ValueError, RecursionError) as error:
        raise DecodeError(f"found {row.post[:200]!r} in an outbox, expected what send(on=...) writes: {error}") from None
    return tuple(Enqueue(evolve_message(message, message_timestamp=now - age), max(0, delay - age)) for delay, message in entries)
