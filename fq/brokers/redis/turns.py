"""`Turns`: the worker's side of the broker: turns, waiting for the next, and what becomes of a dead worker's messages. Mutable shell."""

import time
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import TypeAlias, cast

from attrs import frozen

from fq.brokers.records import Commit, Delivery, Turn, Want
from fq.brokers.redis.doorbell import Doorbell
from fq.brokers.redis.server import Server
from fq.brokers.redis.wire import Argument, Claim, commits_written, deliveries_read, queues_remembered
from fq.brokers.rules import check_commits

MOST = 1_000
"""So many commits, or claims, are one script; a larger turn is several, and the server serves others in between."""

TAKEN = 250
"""So many messages of a dead worker are taken back in one script."""

SCRIPTS = 80
"""So many scripts take back within one turn; the next turn goes on."""

LONGEST = 5.0
"""After so many seconds a wait returns, should a bell have been lost with the connection of another worker."""

Reply: TypeAlias = tuple[int, int, int, list[bytes], list[tuple[bytes, bytes]], list[Claim], list[tuple[bytes, bytes]], list[bytes]]
"""Now, token, for how long to idle, stale ids, workers whose lease has run out and what is remembered of each, claims, moved letters,
cancelled ids."""


@frozen
class Armed:
    """A worker is registered as waiting for *queues*; by *deadline*, in seconds of `time.monotonic`, something falls due."""

    queues: tuple[str, ...]
    deadline: float


class Turns:
    """Takes turns for the workers of this process."""

    def __init__(self, server: Server, doorbell: Doorbell, dead_ttl: int) -> None:
        self._server = server
        self._doorbell = doorbell
        self._dead_ttl = dead_ttl
        self._armed: dict[str, Armed] = {}
        self._started = 0

    def turn(self, commits: Sequence[Commit], want: Want, channel: str) -> Turn:
        """Take a turn, in one script unless it is large; *channel* is where the worker hears its bell, ``""`` if it does not."""
        check_commits(commits)
        batches = _batches(commits)
        deliveries: list[Delivery] = []
        stale: list[str] = []
        for batch in batches[:-1]:
            stale += self._once(batch, want, 0, "")[0].stale
        turn, expired = self._once(batches[-1], want, min(want.limit, MOST), channel, patient=True)
        deliveries += turn.deliveries
        stale += turn.stale
        if expired:
            self._take_back_expired(expired)
        while len(deliveries) < want.limit and (expired or len(turn.deliveries) == MOST):
            expired = []
            turn, _ = self._once((), want, min(want.limit - len(deliveries), MOST), "" if deliveries else channel)
            deliveries += turn.deliveries
        return Turn(tuple(deliveries), tuple(stale), turn.idle_for, turn.cancelled)

    def _once(
        self, commits: Sequence[Commit], want: Want, limit: int, channel: str, *, patient: bool = False
    ) -> tuple[Turn, list[tuple[str, bytes]]]:
        """
        Run the script; return what came of it, and workers whose leases have run out, with what is remembered of them.

        If there are such and the turn is *patient*, it claims nothing: what they held comes first.
        """
        sheet = self._server.sheet(want.queues)
        wanted = len(sheet.queues)
        self._started += 1
        armed = want.worker in self._armed
        first = self._started % max(1, wanted)  # each queue in its turn, so that no full one starves the rest
        written = commits_written(sheet, commits)
        whole = (
            *(want.worker, self._server.number(), want.lease, max(0, limit), channel, int(armed), wanted),
            *(self._dead_ttl, first, len(sheet.joined), int(patient)),
        )
        reply = self._server.run("turn", sheet, (*whole, *written), want.worker)
        now, token, idle_for, stale, expired, claims, moved, cancelled = cast(Reply, reply)
        if moved:
            self._unbury(moved)
        deliveries = deliveries_read(claims, list(sheet.queues), token, now)
        if channel and limit > 0 and not claims:
            self._armed[want.worker] = Armed(want.queues, time.monotonic() + idle_for / 1_000)
        elif armed and channel:
            self._armed.pop(want.worker, None)
        turn = Turn(tuple(deliveries), tuple(map(bytes.decode, stale)), idle_for, tuple(map(bytes.decode, cancelled)))
        return turn, [(name.decode(), memory) for name, memory in expired]

    def _unbury(self, moved: Sequence[tuple[bytes, bytes]]) -> None:
        """Take letters from the lists of queues where they are no longer."""
        sheet = self._server.sheet()
        pairs = [(sheet.queue(queue.decode()), id_) for queue, id_ in moved]
        self._server.run("unbury", sheet, [argument for pair in pairs for argument in pair])

    def wait(self, want: Want, timeout: int, channel: str) -> None:
        """Block until the bell rings, something falls due, or *timeout* ms have passed."""
        if self._doorbell.answered(want.worker):
            return
        if want.limit <= 0:
            self._doorbell.wait(want.worker, timeout / 1_000)
            return
        armed = self._armed.get(want.worker)
        if armed is None or armed.queues != want.queues:
            idle = cast(int, self._server.run_for("arm", want.queues, channel))
            armed = self._armed[want.worker] = Armed(want.queues, time.monotonic() + idle / 1_000)
        left = min(timeout / 1_000, LONGEST, armed.deadline - time.monotonic())
        if left > 0:
            self._doorbell.wait(want.worker, left)

    def disarm(self) -> None:
        """Forget all registrations: bells may have been missed."""
        for worker in list(self._armed):
            self._armed.pop(worker, None)
            self._doorbell.ring(worker)

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None) -> int:
        """Take back everything that *worker* holds; return how many messages that was."""
        memory = self._server.line.command("HGET", self._server.keys.workers, worker)
        reasons = [text.replace("\0", "") for pair in interrupted.items() for text in pair]
        how: tuple[Argument, ...] = (int(counted is None), len(interrupted), *reasons, *(counted or ()))
        return self._take_back(worker, cast(bytes | None, memory), 1, how, None)

    def _take_back_expired(self, expired: Sequence[tuple[str, bytes]]) -> int:
        """Take back what workers hold whose leases have run out, within bounds."""
        return sum(self._take_back(worker, memory, 0, (1, 0), SCRIPTS // len(expired)) for worker, memory in expired)

    def _take_back(self, worker: str, memory: bytes | None, dead: int, how: Sequence[Argument], scripts: int | None) -> int:
        """Take back what *worker* holds, by so many *scripts* at most (None: as many as it takes); return how many messages that was."""
        queues, bell = queues_remembered(memory), self._server.keys.bell(worker)
        total = 0
        for _ in count() if scripts is None else range(scripts):
            taken, that_was_all = cast(list[int], self._server.run_for("take_back", queues, worker, dead, TAKEN, bell, *how, worker=worker))
            total += taken
            if that_was_all:
                break
        return total


def _batches(commits: Sequence[Commit]) -> list[Sequence[Commit]]:
    """Return *commits* in batches of which each is one script: not too large, and no message twice in one."""
    if len(commits) <= MOST and len({commit.message_id for commit in commits}) == len(commits):
        return [commits]
    batches: list[Sequence[Commit]] = []
    batch: dict[str, Commit] = {}
    for commit in commits:
        if len(batch) == MOST or commit.message_id in batch:
            batches.append(tuple(batch.values()))
            batch = {}
        batch[commit.message_id] = commit
    return [*batches, tuple(batch.values())]
