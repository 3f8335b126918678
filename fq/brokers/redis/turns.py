"""`Turns`: the worker's side of the broker: turns, waiting for the next, and what becomes of a dead worker's messages. Mutable shell."""

import time
from collections.abc import Mapping, Sequence
from typing import cast

from attrs import frozen

from fq.brokers.records import Commit, Delivery, Turn, Want
from fq.brokers.redis.doorbell import Doorbell
from fq.brokers.redis.server import Server
from fq.brokers.redis.wire import Argument, Claim, commits_written, deliveries_read
from fq.brokers.rules import check_commits

MOST = 1_000
"""So many commits, or claims, are one script; a larger turn is several, and the server serves others in between."""

TAKEN = 250
"""So many messages of a dead worker are taken back in one script."""

SCRIPTS = 80
"""So many scripts take back within one turn; the next turn goes on."""


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
        turn, expired = self._once(batches[-1], want, min(want.limit, MOST), channel)
        deliveries += turn.deliveries
        stale += turn.stale
        taken = sum(self.take_back(worker, memory, {}, SCRIPTS // len(expired)) for worker, memory in expired)
        while len(deliveries) < want.limit and (taken or len(turn.deliveries) == MOST):
            taken = 0
            turn, _ = self._once((), want, min(want.limit - len(deliveries), MOST), channel if not deliveries else "")
            deliveries += turn.deliveries
        return Turn(tuple(deliveries), tuple(stale), turn.idle_for)

    def _once(self, commits: Sequence[Commit], want: Want, limit: int, channel: str) -> tuple[Turn, list[tuple[str, bytes]]]:
        """Run the script; return what came of it, and which workers' leases it found to have run out."""
        sheet = self._server.sheet(want.queues)
        wanted = len(sheet.queues)
        self._started += 1
        armed = want.worker in self._armed
        first = self._started % max(1, wanted)  # each queue in its turn, so that no full one starves the rest
        whole = (want.worker, self._server.number(), want.lease, max(0, limit), channel, int(armed), wanted, self._dead_ttl, first)
        reply = self._server.run("turn", sheet, (*whole, *commits_written(sheet, commits)), want.worker)
        now, token, idle_for, stale, expired, claims = cast(
            tuple[int, int, int, list[bytes], list[tuple[bytes, bytes]], list[Claim]], reply
        )
        deliveries = deliveries_read(claims, list(sheet.queues), token, now)
        if channel and limit > 0 and not claims:
            self._armed[want.worker] = Armed(want.queues, time.monotonic() + idle_for / 1_000)
        elif armed and channel:
            self._armed.pop(want.worker, None)
        turn = Turn(tuple(deliveries), tuple(id_.decode() for id_ in stale), idle_for)
        return turn, [(name.decode(), memory) for name, memory in expired]

    def wait(self, want: Want, timeout: int, channel: str) -> None:
        """Block until the bell rings, something falls due, or *timeout* ms have passed."""
        if self._doorbell.answered(want.worker):
            return
        armed = self._armed.get(want.worker)
        if armed is None or armed.queues != want.queues:
            idle = cast(int, self._server.run_for("arm", want.queues, channel))
            armed = self._armed[want.worker] = Armed(want.queues, time.monotonic() + idle / 1_000)
        left = min(timeout / 1_000, armed.deadline - time.monotonic())
        if left > 0:
            self._doorbell.wait(want.worker, left)

    def disarm(self) -> None:
        """Forget all registrations: bells may have been missed."""
        for worker in list(self._armed):
            self._armed.pop(worker, None)
            self._doorbell.ring(worker)

    def release(self, worker: str, interrupted: Mapping[str, str]) -> int:
        """Take back everything that *worker* holds; return how many messages that was."""
        keys = self._server.keys
        memory = self._server.line.command("HGET", keys.workers, worker)
        return self.take_back(worker, cast(bytes | None, memory) or b"", interrupted, None)

    def take_back(self, worker: str, memory: bytes, interrupted: Mapping[str, str] | None, scripts: int | None) -> int:
        """
        Take back what *worker* holds by running so many *scripts* at most (None: as many as it takes); return how many messages that was.

        *interrupted* is None unless the worker is known to be dead: else only a worker is meant whose lease has run out.
        """
        queues = self._server.queues_of(memory)
        bell = self._server.keys.bell(worker)
        texts = [text.replace("\0", "") for pair in (interrupted or {}).items() for text in pair]
        total = 0
        while scripts is None or scripts > 0:
            arguments: list[Argument] = [worker, int(scripts is None), TAKEN, bell, *texts]
            taken, all_ = cast(list[int], self._server.run_for("take_back", queues, *arguments, worker=worker))
            total += taken
            if all_:
                break
            scripts = None if scripts is None else scripts - 1
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
