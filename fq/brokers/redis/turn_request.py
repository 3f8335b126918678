"""One call of ``lua/turn.lua`` and its reply, field by field. Pure, but for a cache."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple, TypeAlias, cast

from attrs import evolve, frozen

from fq.brokers.records import ClaimRequest, Commit, Delivery, new_delivery
from fq.brokers.redis.foreign_entries import ForeignEntry
from fq.brokers.redis.script_arguments import Argument, ScriptArguments
from fq.brokers.redis.stored_records import SEQUENCE_DIGITS, read_note

Claim: TypeAlias = tuple[int, list[bytes], list[bytes | None], list[bytes | None], *tuple[bytes, ...]]
"""What was claimed of a queue: its number, the members, their records, their delivery notes, and a token if it is not that of the turn."""

_decode_actor: Callable[[bytes], str] = lru_cache(4_096)(bytes.decode)  # names of actors, which are few


class TurnHeader(NamedTuple):
    """
    The arguments that a turn begins with, in the order in which ``lua/turn/arguments.lua`` reads them. Flags are 1 or 0.

    ``docs/redis-scripts.md`` says what each of them means.
    """

    worker: str
    number: str
    lease_ms: int
    limit: int
    channel: str
    is_registered: int
    queue_count: int
    dead_ttl_ms: int
    first_queue: int
    group_count: int
    is_patient: int
    known_turn: str
    max_bytes: int
    first_may_be_larger: int
    known_handed: str


@frozen(eq=False)
class TurnRequest:
    """One call of ``lua/turn.lua``: what the worker wants, the header, and the commits, which *commit_arguments* say."""

    claim: ClaimRequest
    header: TurnHeader
    call: ScriptArguments
    commit_arguments: list[Argument]
    commits: Sequence[Commit]

    @property
    def number(self) -> str:
        """The number by which the server knows it again."""
        return self.header.number

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """All arguments of the call."""
        return (*self.header, *self.commit_arguments)

    def with_known_turn(self, number: str) -> "TurnRequest":
        """Return this request of a worker that knows that turn *number* is remembered."""
        return evolve(self, header=self.header._replace(known_turn=number))


class TurnReply(NamedTuple):
    """
    What a turn came to, in the order in which ``lua/turn.lua`` returns it; ``docs/redis-scripts.md`` says what each field means.

    Of *expired* and *moved_letters* the pairs are worker and what is remembered of it, and queue and id.
    """

    now: int
    token: int
    idle_for: int
    stale_ids: list[bytes]
    expired: list[tuple[bytes, bytes]]
    claims: list[Claim]
    moved_letters: list[tuple[bytes, bytes]]
    cancelled_ids: list[bytes]
    latest_turn: bytes
    has_due_marks: int

    @property
    def handed_token(self) -> int:
        """The token of the message that was handed to the worker before, if the reply tells one, else 0."""
        return next((int(claim[4]) for claim in self.claims if len(claim) > 4), 0)

    def read_claims(self, queues: Sequence[str]) -> tuple[list[Delivery], list[ForeignEntry]]:
        """Return what was claimed of *queues*, in the order of the reply, and what of it cannot be read: each record is read by itself."""
        deliveries: list[Delivery] = []
        foreign: list[ForeignEntry] = []
        now = self.now
        for queue, members, records, notes, *own_token in self.claims:
            name, token = queues[queue - 1], int(own_token[0]) if own_token else self.token
            for member, record, note in zip(members, records, notes or repeat(None), strict=False):
                id_ = member[SEQUENCE_DIGITS:]
                try:
                    _, _, actor, body = record.split(b"\0", 3)  # type: ignore[union-attr]  # None is dealt with below
                    before, interrupted = read_note(note) if note else (0, "")
                    deliveries.append(new_delivery(id_.decode(), name, _decode_actor(actor), body, token, before + 1, now, interrupted))
                except (AttributeError, ValueError):
                    foreign.append(ForeignEntry(name, id_, token, record))
        return deliveries, foreign


def read_reply(reply: object) -> TurnReply | str:
    """Return the reply to a turn; or the latest turn that the server remembers, where the worker believes that it is another."""
    fields = cast("list[object]", reply)
    if len(fields) > 2:
        return TurnReply(*fields)  # type: ignore[arg-type]  # the script says what they are
    return cast(bytes, fields[-1]).decode()
