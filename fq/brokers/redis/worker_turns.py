"""`Turns`: the worker's side of the broker: turns, waiting for the next, and what becomes of a dead worker's messages. Mutable shell."""

import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import count
from typing import cast

from attrs import evolve, frozen

from fq.brokers.records import RELEASE, ClaimRequest, Commit, Turn
from fq.brokers.redis import eviction_policy
from fq.brokers.redis.commit_batches import batches
from fq.brokers.redis.namespace import Server
from fq.brokers.redis.script_protocol import Argument, commits_written, queues_remembered, strays_written
from fq.brokers.redis.unfinished_turns import MAX_BYTES, NUMBER, REMEMBERED, Begun, Reply, Script, is_later
from fq.brokers.validation import check_commits
from fq.brokers.waiters import WorkSignal
from fq.errors import BrokerError, BrokerUnavailable
from fq.runtime.logger import logger

log = logger("fq.redis")

MOST = 1_000
"""So many commits, or claims, are one script; a larger turn is several, and the server serves others in between."""

TAKEN = 250
"""So many messages of a dead worker are taken back in one script."""

SCRIPTS = 80
"""So many scripts take back within one turn; the next turn goes on."""

LONGEST = 5.0
"""After so many seconds a wait returns, should a bell have been lost with the connection of another worker."""


@frozen
class Armed:
    """A worker is registered as waiting for *queues*; by *deadline*, in seconds of `time.monotonic`, something falls due."""

    queues: tuple[str, ...]
    deadline: float


class Turns:
    """Takes turns for the workers of this process."""

    def __init__(self, server: Server, signal: WorkSignal, dead_ttl: int) -> None:
        self._server = server
        self._signal = signal
        self._dead_ttl = dead_ttl
        self._armed: dict[str, Armed] = {}
        self._begun: dict[str, Begun] = {}
        self._remembered: dict[str, str] = {}
        self._started = 0

    def turn(self, commits: Sequence[Commit], request: ClaimRequest, channel: str) -> Turn:
        """Take a turn, in one script unless it is large; *channel* is where the worker hears its bell, ``""`` if it does not."""
        commits = tuple(commits)  # a turn that cannot be finished keeps them, and the caller goes on using its list
        check_commits(commits)
        begun = self._begun.pop(request.worker, None) or Begun()
        try:
            self._look_back(request, begun)
            self._hand_back(request, begun)
            self._rest_of_turn(begun.left(commits), request, channel, begun)
            self._hand_back(request, begun)
        except BaseException:
            begun.cut()
            self._begun[request.worker] = begun  # what was claimed and applied must not be forgotten: the next turn goes on from here
            raise
        turn, rest = begun.turn(commits)
        if rest is not None:
            self._begun[request.worker] = rest
        return turn

    def _look_back(self, request: ClaimRequest, begun: Begun) -> None:
        """Find out if the latest script of *begun*, whose reply never came, was applied, and what it came to."""
        script = begun.unanswered
        if script is None:
            return
        memory = self._remembers(request.worker)
        self._armed.pop(request.worker, None)
        if memory.partition(b"\0")[0].decode() == script.number:
            self._run(self._repeat(script.number, script.request.queues, request, script.commits), begun)
        else:
            begun.given_up[script.number] = script
            begun.unanswered = None

    def _remembers(self, worker: str) -> bytes:
        """Return what the server remembers of *worker*."""
        return cast("bytes | None", self._server.line.command("HGET", self._server.keys.workers, worker)) or b""

    def _hand_back(self, request: ClaimRequest, begun: Begun) -> None:
        """Of more deliveries than are wanted by now, hand back the surplus."""
        surplus = begun.deliveries[max(0, request.limit) :]
        for start in range(0, len(surplus), MOST):
            commits = [Commit(each.message_id, each.queue_name, each.token, RELEASE) for each in surplus[start : start + MOST]]
            self._run(self._script(commits, request, 0, ""), begun)

    def _rest_of_turn(self, commits: Sequence[Commit], request: ClaimRequest, channel: str, begun: Begun) -> None:
        *earlier, last = batches(commits, MOST)
        for batch in earlier:
            self._run(self._script(batch, request, 0, ""), begun)
        expired = self._run(self._claim(last, request, channel, begun, patient=True), begun)
        if expired:
            self._take_back_expired(expired)
        while len(begun.deliveries) < request.limit and (expired or begun.claimed == MOST):
            expired = []
            self._run(self._claim((), request, "" if begun.deliveries else channel, begun), begun)

    def _claim(self, commits: Sequence[Commit], request: ClaimRequest, channel: str, begun: Begun, *, patient: bool = False) -> Script:
        """Return the script that claims what is still wanted, beside what has been claimed so far."""
        if not begun.deliveries:
            return self._script(commits, request, request.limit, channel, patient=patient)
        room = begun.room(request.max_bytes)
        limit = request.limit - len(begun.deliveries) if room > 0 else 0
        script = self._script(commits, request, limit, channel, patient=patient)
        script.arguments[MAX_BYTES : MAX_BYTES + 2] = room, 0
        return script

    def _script(self, commits: Sequence[Commit], request: ClaimRequest, limit: int, channel: str, *, patient: bool = False) -> Script:
        """
        Return the call of ``lua/turn.lua`` that takes one step of a turn.

        A *patient* one claims nothing if the leases of others have run out: what they held comes first.
        """
        sheet = self._server.sheet(request.queues)
        wanted = len(sheet.queues)
        self._started += 1
        first = self._started % max(1, wanted)  # each queue in its turn, so that no full one starves the rest
        limit = max(0, min(limit, MOST))
        written = commits_written(sheet, commits)
        arguments: list[Argument] = [
            *(request.worker, self._server.number(), request.lease, limit, channel, int(request.worker in self._armed), wanted),
            *(self._dead_ttl, first, len(sheet.joined), int(patient), self._remembered.get(request.worker, "")),
            *(request.max_bytes, 1),
            *written,
        ]
        return Script(request, limit, channel, sheet, arguments, commits)

    def _repeat(self, number: str, queues: Sequence[str], request: ClaimRequest, commits: Sequence[Commit]) -> Script:
        """Return what asks again for the reply to turn *number*, which the server has applied, and which had *commits*."""
        script = self._script((), ClaimRequest(request.worker, tuple(queues), 0, request.lease), 0, "")
        script.arguments[NUMBER] = number
        return evolve(script, commits=commits)

    def _run(self, script: Script, begun: Begun) -> list[tuple[str, bytes]]:
        """Run *script* and add to *begun* what came of it; return workers whose leases have run out, with what is remembered of them."""
        worker, failed = script.request.worker, self._server.line.failed
        begun.unanswered = script
        try:
            reply = self._reply(script, begun)
        except BrokerUnavailable:
            raise
        except BrokerError:
            if self._server.line.failed == failed:  # else it may have been applied before it was repeated
                begun.unanswered = None
            raise
        begun.unanswered = None
        if (latest := reply[-1].decode()) == script.number:  # else nothing was worth remembering, or a turn through another connection was
            self._remembered[worker] = latest
            begun.given_up.clear()
        expired, moved = begun.add(script, reply)
        if script.channel and script.limit > 0 and not begun.claimed:
            self._armed[worker] = Armed(script.request.queues, time.monotonic() + begun.idle_for / 1_000)
        elif script.channel:
            self._armed.pop(worker, None)
        if moved:
            self._unbury(moved)
        if begun.strays:
            self._bury(worker, begun)
        return [(name.decode(), memory) for name, memory in expired]

    def _reply(self, script: Script, begun: Begun) -> Reply:
        """
        Return the reply to *script*, before which a worker catches up with a server that remembers another turn as its latest.

        It may be a later one: a copy that the network has delivered late, of a turn that claimed nothing, or was given up. Or an earlier one: the server
        has lost what the worker did, and what it is still doing comes too late, so the worker lets go of all that it holds there, to run again.
        """
        worker = script.request.worker
        reply = cast("Sequence[object]", self._server.run("turn", script.sheet, script.arguments, worker))
        if len(reply) > 2:
            return cast(Reply, reply)
        latest = cast(bytes, reply[-1]).decode()
        if is_later(latest, str(script.arguments[REMEMBERED])):
            self._catch_up(latest, script.request, begun)
        else:
            count = self.release(worker, {}, ())
            log.error("the server has lost what worker %s did last, by a crash or a failover: %d messages run again", worker, count)
            latest = ""
        script.arguments[REMEMBERED] = latest
        return self._reply(script, begun)

    def _catch_up(self, latest: str, request: ClaimRequest, begun: Begun) -> None:
        """Add to *begun* what came of turn *latest*, which has arrived late."""
        begun.cut()
        script = begun.given_up.get(latest)
        again = self._repeat(latest, queues_remembered(self._remembers(request.worker)), request, () if script is None else script.commits)
        begun.add(again, cast(Reply, self._server.run("turn", again.sheet, again.arguments, request.worker)))
        self._remembered[request.worker] = latest
        log.info("a turn of worker %s has arrived late: %d messages that it claimed are taken up", request.worker, begun.claimed)

    def _bury(self, worker: str, begun: Begun) -> None:
        """Make dead letters of what *worker* claimed and cannot read, so that it neither stays claimed nor comes back."""
        sheet = self._server.sheet()
        moved = self._server.run("strays", sheet, [worker, self._dead_ttl, *strays_written(sheet, begun.strays)], worker)
        evicted = eviction_policy.blamed(self._server) if any(stray.found is None for stray in begun.strays) else ""
        for stray in begun.strays:
            why = evicted if stray.found is None and evicted else stray
            became = "was let go" if stray.found is None else "is now a dead letter"
            log.error("%r in queue %s is no message of fq's and %s: %s", stray.message_id, stray.queue, became, why)
        begun.strays = []
        if moved:
            self._unbury(cast(Sequence[tuple[bytes, bytes]], moved))

    def _unbury(self, moved: Sequence[tuple[bytes, bytes]]) -> None:
        """Take letters from the lists of queues where they are no longer."""
        sheet = self._server.sheet()
        pairs = [(sheet.queue(queue.decode()), id_) for queue, id_ in moved]
        self._server.run("unbury", sheet, [argument for pair in pairs for argument in pair])

    def wait(self, request: ClaimRequest, timeout: int, channel: str) -> None:
        """Block until the worker is woken, something falls due, or *timeout* ms have passed."""
        self._signal.wait(request.worker, timeout, partial(self._seconds_left, request, channel, time.monotonic() + LONGEST))

    def _seconds_left(self, request: ClaimRequest, channel: str, latest: float) -> float:
        """Return for how long a worker may wait, which is registered as waiting by then if it wants messages; until *latest* at most."""
        if request.limit <= 0:
            return float("inf")
        armed = self._armed.get(request.worker)
        if armed is None or armed.queues != request.queues:
            idle = cast(int, self._server.run_for("arm", request.queues, channel))
            armed = self._armed[request.worker] = Armed(request.queues, time.monotonic() + idle / 1_000)
        return min(latest, armed.deadline) - time.monotonic()

    def disarm(self) -> None:
        """Forget all registrations: bells may have been missed."""
        for worker in list(self._armed):
            self._armed.pop(worker, None)
            self._signal.wake(worker)

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None) -> int:
        """Take back everything that *worker* holds; return how many messages that was."""
        reasons = [text.replace("\0", "") for pair in interrupted.items() for text in pair]
        how: tuple[Argument, ...] = (int(counted is None), len(interrupted), *reasons, *(counted or ()))
        return self._take_back(worker, self._remembers(worker), 1, how, None)

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
