"""`WorkerTurns`: the worker's side of the broker: its turns, waiting for the next, and what becomes of a dead worker's messages. Mutable shell."""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import cast

from attrs import evolve

from fq.brokers.records import RELEASE, ClaimRequest, Commit, Delivery, Turn
from fq.brokers.redis.commit_arguments import write_commits
from fq.brokers.redis.commit_batches import split_commits
from fq.brokers.redis.foreign_burial import bury_foreign, drop_stale_letters
from fq.brokers.redis.handed_over import HandedOver
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.reclaim import reclaim_dead, reclaim_expired
from fq.brokers.redis.stored_records import WorkerMemory, read_memory
from fq.brokers.redis.turn_request import TurnHeader, TurnReply, TurnRequest, read_reply
from fq.brokers.redis.turn_steps import WHOLE_TURN, TurnPart, TurnPlan, TurnStep
from fq.brokers.redis.unfinished_turns import UnfinishedTurn, is_later
from fq.brokers.redis.wait_registrations import WaitRegistrations
from fq.brokers.validation import check_commits
from fq.brokers.waiters import WorkSignal
from fq.errors import BrokerError, BrokerUnavailable
from fq.runtime.logger import logger

log = logger("fq.redis")


class WorkerTurns:
    """Takes turns for the workers of this process."""

    def __init__(self, namespace: Namespace, signal: WorkSignal, dead_ttl: int) -> None:
        self._namespace = namespace
        self._signal = signal
        self._dead_ttl = dead_ttl
        self._unfinished: dict[str, UnfinishedTurn] = {}
        self._known_turns: dict[str, str] = {}
        self._turned_at: dict[str, int] = {}  # by worker: when it had its latest turn, ms by the server's clock
        self._clock_leads: dict[str, float] = {}  # by worker: how far the server's clock is ahead of `time.monotonic`, ms, or a little more
        self._started = 0
        self.handed = HandedOver()
        self.registrations = WaitRegistrations()

    def turn(self, commits: Sequence[Commit], claim: ClaimRequest, channel: str, part: TurnPart = WHOLE_TURN) -> Turn:
        """Take a turn, in one script unless it is large; *channel* is where the worker is woken, ``""`` if it does not listen."""
        commits = tuple(commits)  # a turn that cannot be finished keeps them, and the caller goes on using its list
        check_commits(commits)
        turn = self._unfinished.pop(claim.worker, None) or UnfinishedTurn()
        if self.handed.has_arrived(claim.worker) and (whole := self._take_handed(commits, claim, turn)):
            return whole
        commits = (*commits, *turn.unwanted)
        try:
            self._find_out(claim, turn)
            plan = TurnPlan(claim, channel, split_commits(turn.unsettled(commits), self._namespace.tuning.max_per_script), part)
            while (step := plan.next_step(turn)) is not TurnStep.DONE:
                self._take(step, plan, turn)
        except BaseException:
            turn.cut_short()
            self._unfinished[claim.worker] = turn  # what was claimed and applied must not be forgotten: the next turn continues from here
            raise
        result, rest = turn.finish(commits)
        if rest is not None:
            self._unfinished[claim.worker] = rest
        return result

    def _take_handed(self, commits: Sequence[Commit], claim: ClaimRequest, turn: UnfinishedTurn) -> Turn | None:
        """Add to *turn* what the worker was handed while it waited; or return the whole turn, if that needs nothing of the server."""
        registration = self.registrations.drop(claim.worker)  # the server has removed it
        now = time.monotonic() * 1_000 + self._clock_leads.get(claim.worker, math.inf)
        handed = self.handed.take(claim.worker, now)
        if handed is None:
            return None
        if handed.queue_name not in claim.queues:
            turn.unwanted.append(_release(handed))
        elif claim.limit > 0 and not (commits or turn.is_cut_short):
            return Turn((handed,), (), 0 if registration is None else registration.ms_left)
        else:
            turn.cut_short()  # it may be beyond the limit, and is handed back then
            turn.deliveries.append(handed)
        return None

    def _find_out(self, claim: ClaimRequest, turn: UnfinishedTurn) -> None:
        """Find out whether the request that has no reply was applied, and what it came to."""
        request = turn.unanswered
        if request is None:
            return
        latest_turn = self._memory(claim.worker).turn
        self.registrations.drop(claim.worker)
        if latest_turn == request.number:
            self._run(self._repeat(request.number, request.claim.queues, claim, request.commits), turn)
        else:
            turn.give_up(request)

    def _take(self, step: TurnStep, plan: TurnPlan, turn: UnfinishedTurn) -> None:
        match step:
            case TurnStep.CLAIM:
                self._commit_and_claim(plan, turn)
            case TurnStep.COMMIT:
                self._run(self._request(plan.next_batch(), plan.claim, 0, ""), turn)
            case TurnStep.HAND_BACK:
                self._hand_back(plan.claim, turn)
            case TurnStep.RECLAIM:
                expired = [(name.decode(), read_memory(memory).queues) for name, memory in plan.take_expired()]
                if not reclaim_expired(self._namespace, expired):
                    turn.idle_for = 0
            case TurnStep.CLAIM_MORE:
                self._run(self._claim_request((), plan, turn), turn)
                plan.may_claim_more = turn.latest_claim == self._namespace.tuning.max_per_script
            case TurnStep.DONE:
                pass

    def _hand_back(self, claim: ClaimRequest, turn: UnfinishedTurn) -> None:
        size = self._namespace.tuning.max_per_script
        surplus = turn.deliveries[max(0, claim.limit) :]
        for start in range(0, len(surplus), size):
            self._run(self._request(list(map(_release, surplus[start : start + size])), claim, 0, ""), turn)

    def _commit_and_claim(self, plan: TurnPlan, turn: UnfinishedTurn) -> None:
        takes_back = plan.part.takes_back
        reply = self._run(self._claim_request(plan.next_batch(), plan, turn, is_patient=takes_back), turn)
        plan.expired = reply.expired if takes_back else []
        plan.may_claim_more = len(plan.expired) > 0 or turn.latest_claim == self._namespace.tuning.max_per_script

    def _claim_request(self, commits: Sequence[Commit], plan: TurnPlan, turn: UnfinishedTurn, *, is_patient: bool = False) -> TurnRequest:
        """Return the request that claims what is still wanted, beside what has been claimed so far."""
        claim = plan.claim
        if not turn.deliveries:
            request = self._request(commits, claim, claim.limit, plan.channel, is_patient=is_patient)
            return request if plan.part.first_may_be_larger else evolve(request, header=request.header._replace(first_may_be_larger=0))
        room = turn.bytes_left(claim.max_bytes)
        limit = claim.limit - len(turn.deliveries) if room >= 0 else 0
        request = self._request(commits, claim, limit, plan.channel if is_patient else "", is_patient=is_patient)
        return evolve(request, header=request.header._replace(max_bytes=room, first_may_be_larger=0))

    def _request(
        self, commits: Sequence[Commit], claim: ClaimRequest, limit: int, channel: str, *, is_patient: bool = False, number: str = ""
    ) -> TurnRequest:
        """Return one call of ``lua/turn.lua``, a new one unless *number* says which."""
        call = self._namespace.arguments(claim.queues)
        queue_count = len(call.queues)
        self._started += 1
        commit_arguments = write_commits(call, commits)
        header = TurnHeader(
            worker=claim.worker,
            number=number or self._namespace.next_number(),
            lease_ms=claim.lease,
            limit=max(0, min(limit, self._namespace.tuning.max_per_script)),
            channel=channel,
            is_registered=int(claim.worker in self.registrations),
            queue_count=queue_count,
            dead_ttl_ms=self._dead_ttl,
            first_queue=self._started % max(1, queue_count),  # each queue in its turn, so that no full one starves the rest
            group_count=len(call.groups),
            is_patient=int(is_patient),
            known_turn=self._known_turns.get(claim.worker, ""),
            max_bytes=claim.max_bytes,
            first_may_be_larger=1,
            known_handed=self.handed.known_token(claim.worker),
        )
        return TurnRequest(claim, header, call, commit_arguments, commits)

    def _repeat(self, number: str, queues: Sequence[str], claim: ClaimRequest, commits: Sequence[Commit]) -> TurnRequest:
        """Return what asks again for the reply to turn *number*, which the server has applied, and which had *commits*."""
        request = self._request((), ClaimRequest(claim.worker, tuple(queues), 0, claim.lease), 0, "", number=number)
        return evolve(request, commits=commits)

    def _run(self, request: TurnRequest, turn: UnfinishedTurn) -> TurnReply:
        """Run *request*, add to *turn* what came of it, and return the reply."""
        worker, client = request.claim.worker, self._namespace.client
        turn.unanswered, last_failure, began, wakes = request, client.last_failure, time.monotonic(), self.registrations.wakes_of(worker)
        try:
            reply = self._exchange(request, turn)
        except BrokerUnavailable:
            raise
        except BrokerError:
            if client.last_failure == last_failure:  # else it may have been applied before it was repeated
                turn.unanswered = None
            raise
        turn.unanswered = None
        self._turned_at[worker], self._clock_leads[worker] = reply.now, reply.now - began * 1_000
        if (latest := reply.latest_turn.decode()) == request.number:  # else there was nothing to remember, or another connection was faster
            self._known_turns[worker] = latest
            turn.given_up.clear()
        if token := reply.handed_token:
            turn.cut_short()
            self.handed.note_told(worker, token)
        turn.add(request, reply)
        self._note_registration(request, turn, wakes)
        drop_stale_letters(self._namespace, reply.moved_letters)
        if turn.foreign:
            moved_letters = bury_foreign(self._namespace, worker, self._dead_ttl, turn.foreign)
            turn.foreign = []
            drop_stale_letters(self._namespace, moved_letters)
        return reply

    def _note_registration(self, request: TurnRequest, turn: UnfinishedTurn, wakes: int) -> None:
        worker, header = request.claim.worker, request.header
        if header.channel and header.limit > 0 and not turn.latest_claim:
            self.registrations.add(worker, request.claim.queues, turn.idle_for, wakes)
        elif header.channel:
            self.registrations.drop(worker)

    def _exchange(self, request: TurnRequest, turn: UnfinishedTurn) -> TurnReply:
        """
        Return the reply to *request*, before which a worker catches up with a server that remembers another turn as its latest.

        It may be a later one: a copy that the network has delivered late, of a turn that claimed nothing, or was given up. Or an earlier one: the server
        has lost what the worker did, and what it is still doing comes too late, so the worker lets go of all that it holds there, to run again.
        """
        worker = request.claim.worker
        while True:
            reply = read_reply(self._namespace.run("turn", request.call, request.arguments, worker))
            if isinstance(reply, TurnReply):
                return reply
            if is_later(reply, request.header.known_turn):
                self._catch_up(reply, request.claim, turn)
                request = self._without_settled(request, turn)
            else:
                count = self.release(worker, {}, ())
                log.error("the server has lost what worker %s did last, by a crash or a failover: %d messages run again", worker, count)
                reply = ""
            request = request.with_known_turn(reply)

    def _without_settled(self, request: TurnRequest, turn: UnfinishedTurn) -> TurnRequest:
        """Return *request* without the commits that a late turn has applied: those after which a message goes on would apply once more."""
        commits = turn.unsettled(request.commits)
        if len(commits) == len(request.commits):
            return request
        old = request.header
        found = self._request(commits, request.claim, old.limit, old.channel, is_patient=old.is_patient == 1, number=old.number)
        return evolve(found, header=found.header._replace(max_bytes=old.max_bytes, first_may_be_larger=old.first_may_be_larger))

    def _catch_up(self, latest_turn: str, claim: ClaimRequest, turn: UnfinishedTurn) -> None:
        """Add to *turn* what came of turn *latest_turn*, which has arrived late."""
        turn.cut_short()
        late = turn.given_up.get(latest_turn)
        request = self._repeat(latest_turn, self._memory(claim.worker).queues, claim, () if late is None else late.commits)
        reply = read_reply(self._namespace.run("turn", request.call, request.arguments, claim.worker))
        turn.add(request, cast(TurnReply, reply))
        self._known_turns[claim.worker] = latest_turn
        log.info(
            "a turn of worker %s has reached the server late: the worker runs what it claimed, %d messages", claim.worker, turn.latest_claim
        )

    def _memory(self, worker: str) -> WorkerMemory:
        """Return what the server remembers of *worker*."""
        namespace = self._namespace
        return read_memory(cast("bytes | None", namespace.client.command("HGET", namespace.keys.workers, worker)))

    def wait(self, claim: ClaimRequest, timeout: int, channel: str) -> None:
        """Block until the worker is woken, something falls due, or *timeout* ms have passed."""
        self._signal.wait(claim.worker, timeout, self.begin_wait(claim, channel))

    def begin_wait(self, claim: ClaimRequest, channel: str) -> Callable[[], float]:
        """Return what says for how long a worker may wait from now on, in seconds, and registers it as waiting."""
        return partial(self._seconds_left, claim, channel, time.monotonic() + self._namespace.tuning.max_wait_seconds)

    def _seconds_left(self, claim: ClaimRequest, channel: str, latest: float) -> float:
        """Return for how long a worker may wait, until *latest* at most; if it wants messages it is registered as waiting by then."""
        if claim.limit <= 0:
            return float("inf")
        if self.handed.has_arrived(claim.worker):
            return 0.0
        registration = self.registrations.of(claim.worker, claim.queues)
        if registration is None:
            wakes = self.registrations.wakes_of(claim.worker)
            idle = cast(int, self._namespace.run_for("register_waiting", claim.queues, channel, self._turned_at.get(claim.worker, 0)))
            registration = self.registrations.add(claim.worker, claim.queues, idle, wakes)
        return min(latest, registration.deadline) - time.monotonic()

    def ms_of_quiet(self, claim: ClaimRequest) -> int:
        """For how many ms would a turn with *claim* find nothing new? 0 if it may find some."""
        if claim.worker in self._unfinished or self.handed.has_arrived(claim.worker):
            return 0
        return self.registrations.ms_of_quiet(claim.worker, claim.queues)

    def forget_registrations(self) -> None:
        """Forget all registrations, and let the workers look again: wake-ups may have been missed."""
        for worker in self.registrations.drop_all():
            self._signal.wake(worker)

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None) -> int:
        """Take back everything that *worker* has claimed; return how many messages that was."""
        self.handed.drop(worker)
        return reclaim_dead(self._namespace, worker, self._memory(worker).queues, interrupted, counted)


def _release(delivery: Delivery) -> Commit:
    """Return what hands *delivery* back, which has not begun."""
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, RELEASE)
