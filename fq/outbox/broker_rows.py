"""Sends in the transaction of a user's connection to the database that the broker is in: no outbox is needed."""

from collections.abc import Sequence
from typing import Final

from fq.brokers.protocol import TransactionalEnqueue
from fq.core.outcome import Enqueue
from fq.errors import ConfigError
from fq.execution.outcome_encoding import to_op
from fq.outbox.connections import ajoin, join
from fq.outbox.rows import check_conflicts

HINT: Final = "The app has no outbox, so send(on=...) writes to the broker's own tables: the connection must be to that database, with rights to use them"


def write(broker: TransactionalEnqueue, on: object, enqueues: Sequence[Enqueue]) -> None:
    """Enqueue *enqueues* in the transaction of *on*."""
    joined = join(on)
    _check_dialect(joined.dialect)
    check_conflicts(enqueues)
    sql, parameters = broker.transactional_enqueue(tuple(map(to_op, enqueues)))
    try:
        joined.run(sql, parameters)
    except Exception as error:
        error.add_note(HINT)
        raise


async def awrite(broker: TransactionalEnqueue, on: object, enqueues: Sequence[Enqueue]) -> None:
    """`write`, for async code."""
    joined = await ajoin(on)
    _check_dialect(joined.dialect)
    check_conflicts(enqueues)
    sql, parameters = broker.transactional_enqueue(tuple(map(to_op, enqueues)))
    try:
        await joined.run(sql, parameters)
    except Exception as error:
        error.add_note(HINT)
        raise


def _check_dialect(dialect: str) -> None:
    if dialect != "postgresql":
        raise ConfigError(
            f"found a connection to a database of {dialect} in send(on=...), expected one to the PostgreSQL of the broker; "
            "or give the app an outbox: App(..., outbox=Outbox(database))"
        )
