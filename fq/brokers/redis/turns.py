"""`Turns`: the worker's side of the broker: turns, waiting for the next, and what becomes of a dead worker's messages. Mutable shell."""

import time
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import TypeAlias, cast

from attrs import Factory, define, frozen

from fq.brokers.records import RELEASE, Commit, Delivery, Turn, Want
from fq.brokers.redis.batches import batches
from fq.brokers.redis.doorbell import Doorbell
from fq.brokers.redis.server import Server
from fq.brokers.redis.wire import Argument, Claim, Sheet, Stray, commits_written, deliveries_read, queues_remembered, strays_written
from fq.brokers.rules import check_commits
from fq.brokers.waiting import LONG, seconds
from fq.errors import BrokerError, BrokerUnavailable
from fq.log import logger

log = logger("fq.redis")

MOST = 1_000
"""So many commits, or claims, are one script; a larger turn is several, and the server serves others in between."""

TAKEN = 250
"""So many messages of a dead worker are taken back in one script."""

SCRIPTS = 80
"""So many scripts take back within one turn; the next turn goes on."""

LONGEST = 5.0
"""After so many seconds a wait returns, should a bell have been lost with the connection of another worker."""

Reply: TypeAlias = tuple[int, int, int, list[bytes], list[tuple[bytes, bytes]], list[Claim], list[tuple[bytes, bytes]], list[bytes], bytes]
"""Now, token, for how long to idle, stale ids, workers whose lease has run out and what is remembered of each, claims, moved letters,
cancelled ids, the latest turn that is remembered. Only the first where the server has lost the latest turn."""

NUMBER, REMEMBERED = 1, 11
"""Where in its arguments a turn says its number, and which turn was remembered."""


@frozen
class Armed:
    """A worker is registered as waiting for *queues*; by *deadline*, in seconds of `time.monotonic`, something falls due."""

    queues: tuple[str, ...]
    deadline: float


@frozen(eq=False)
class Script:
    """One call of ``lua/turn.lua``: what for, its arguments, and the commits that are in it."""

    want: Want
    limit: int
    channel: str
    sheet: Sheet
    arguments: list[Argument]
    commits: Sequence[Commit]


@define
class Begun:
    """
    What came of a turn so far. Mutable.

    A turn that could not be finished, since the server was away, goes on in the next one: with the same numbers, so that the server gives the
    replies that were lost, and without the commits that it has *answered* by then.
    """

    deliveries: list[Delivery] = Factory(list)
    stale: list[str] = Factory(list)
    cancelled: dict[str, None] = Factory(dict)
    strays: list[Stray] = Factory(list)
    answered: list[Sequence[Commit]] = Factory(list)
    unanswered: list[Script] = Factory(list)
    claimed: int = 0
    idle_for: int = 0

    def add(self, script: Script, reply: Reply) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
        """Add the *reply* to *script*; return what it says of expired leases and moved letters."""
        now, token, self.idle_for, stale, expired, claims, moved, cancelled, _ = reply
        deliveries, strays = deliveries_read(claims, list(script.sheet.queues), token, now)
        self.deliveries += deliveries
        self.strays += strays
        self.claimed = len(deliveries) + len(strays)
        self.stale += map(bytes.decode, stale)
        self.cancelled.update(dict.fromkeys(map(bytes.decode, cancelled)))
        self.answered.append(script.commits)
        return expired, moved

    def still_to_do(self, commits: Sequence[Commit], limit: int) -> Sequence[Commit]:
        """Return those of *commits* that are not answered; of more deliveries than the *limit* is by now, hand back the surplus."""
        if not self.answered:
            return commits
        answered = {(each.message_id, each.token) for commits_ in self.answered for each in commits_}
        surplus, self.deliveries = self.deliveries[max(0, limit) :], self.deliveries[: max(0, limit)]
        left = [each for each in commits if (each.message_id, each.token) not in answered]
        return [*left, *(Commit(each.message_id, each.queue_name, each.token, RELEASE) for each in surplus)]

    def turn(self) -> Turn:
        """Return all of it."""
        return Turn(tuple(self.deliveries), tuple(self.stale), self.idle_for, tuple(self.cancelled))


class Turns:
    """Takes turns for the workers of this process."""

    def __init__(self, server: Server, doorbell: Doorbell, dead_ttl: int) -> None:
        self._server = server
        self._doorbell = doorbell
        self._dead_ttl = dead_ttl
        self._armed: dict[str, Armed] = {}
        self._begun: dict[str, Begun] = {}
        self._remembered: dict[str, bytes] = {}
        self._started = 0

    def turn(self, commits: Sequence[Commit], want: Want, channel: str) -> Turn:
        """Take a turn, in one script unless it is large; *channel* is where the worker hears its bell, ``""`` if it does not."""
        commits = tuple(commits)  # a turn that cannot be finished keeps them, and the caller goes on using its list
        check_commits(commits)
        begun = self._begun.pop(want.worker, None) or Begun()
        try:
            for script in list(begun.unanswered):
                self._run(script, begun)
            self._rest_of_turn(begun.still_to_do(commits, want.limit), want, channel, begun)
        except BaseException:
            self._begun[want.worker] = begun  # what was claimed must not be forgotten: the next turn goes on from here
            raise
        return begun.turn()

    def _rest_of_turn(self, commits: Sequence[Commit], want: Want, channel: str, begun: "Begun") -> None:
        *earlier, last = batches(commits, MOST)
        for batch in earlier:
            self._run(self._script(batch, want, 0, ""), begun)
        expired = self._run(self._script(last, want, want.limit - len(begun.deliveries), channel, patient=True), begun)
        if expired:
            self._take_back_expired(expired)
        while (left := want.limit - len(begun.deliveries)) > 0 and (expired or begun.claimed == MOST):
            expired = []
            self._run(self._script((), want, left, "" if begun.deliveries else channel), begun)

    def _script(self, commits: Sequence[Commit], want: Want, limit: int, channel: str, *, patient: bool = False) -> "Script":
        """
        Return the call of ``lua/turn.lua`` that takes one step of a turn.

        A *patient* one claims nothing if the leases of others have run out: what they held comes first.
        """
        sheet = self._server.sheet(want.queues)
        wanted = len(sheet.queues)
        self._started += 1
        first = self._started % max(1, wanted)  # each queue in its turn, so that no full one starves the rest
        limit = max(0, min(limit, MOST))
        written = commits_written(sheet, commits)
        arguments: list[Argument] = [
            *(want.worker, self._server.number(), want.lease, limit, channel, int(want.worker in self._armed), wanted),
            *(self._dead_ttl, first, len(sheet.joined), int(patient), self._remembered.get(want.worker, b"")),
            *written,
        ]
        return Script(want, limit, channel, sheet, arguments, commits)

    def _run(self, script: "Script", begun: "Begun") -> list[tuple[str, bytes]]:
        """Run *script* and add to *begun* what came of it; return workers whose leases have run out, with what is remembered of them."""
        worker = script.want.worker
        if script not in begun.unanswered:
            begun.unanswered.append(script)
        try:
            reply = self._reply(script)
        except BrokerUnavailable:
            raise
        except BrokerError:
            begun.unanswered.remove(script)  # refused: nothing of it was done
            raise
        begun.unanswered.remove(script)
        if reply[-1].decode() == script.arguments[NUMBER]:  # else nothing was worth remembering, or a turn through another connection was
            self._remembered[worker] = reply[-1]
        expired, moved = begun.add(script, reply)
        if script.channel and script.limit > 0 and not begun.claimed:
            self._armed[worker] = Armed(script.want.queues, time.monotonic() + begun.idle_for / 1_000)
        elif script.channel:
            self._armed.pop(worker, None)
        if moved:
            self._unbury(moved)
        if begun.strays:
            self._bury(worker, begun)
        return [(name.decode(), memory) for name, memory in expired]

    def _reply(self, script: "Script") -> Reply:
        """
        Return the reply to *script*, before which a worker whose latest turn the server has lost lets go of all that it holds there.

        What it did is undone then, and what it is still doing comes too late: to run again is the lot of all of it.
        """
        reply = cast("Sequence[object]", self._server.run("turn", script.sheet, script.arguments, script.want.worker))
        if len(reply) > 1:
            return cast(Reply, reply)
        count = self.release(script.want.worker, {}, ())
        log.error("the server has lost what worker %s did last, by a crash or a failover: %d messages run again", script.want.worker, count)
        script.arguments[REMEMBERED] = b""
        return cast(Reply, self._server.run("turn", script.sheet, script.arguments, script.want.worker))

    def _bury(self, worker: str, begun: "Begun") -> None:
        """Make dead letters of what *worker* claimed and cannot read, so that it neither stays claimed nor comes back."""
        sheet = self._server.sheet()
        moved = self._server.run("strays", sheet, [worker, self._dead_ttl, *strays_written(sheet, begun.strays)], worker)
        for stray in begun.strays:
            became = "was let go" if stray.found is None else "is now a dead letter"
            log.error("%r in queue %s is no message of fq's and %s: %s", stray.message_id, stray.queue, became, stray)
        begun.strays = []
        if moved:
            self._unbury(cast(Sequence[tuple[bytes, bytes]], moved))

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
            self._doorbell.wait(want.worker, min(seconds(timeout), LONG))
            return
        armed = self._armed.get(want.worker)
        if armed is None or armed.queues != want.queues:
            idle = cast(int, self._server.run_for("arm", want.queues, channel))
            armed = self._armed[want.worker] = Armed(want.queues, time.monotonic() + idle / 1_000)
        left = min(seconds(timeout), LONGEST, armed.deadline - time.monotonic())
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
