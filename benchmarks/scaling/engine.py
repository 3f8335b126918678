"""
`simulate`: events in the order of their time. A server does one call after the other, in the order in which they arrive, so a call is applied when it arrives.

Messages are counted in lots that were sent together: a lot is [when it was sent, how many].
"""

import random
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count

from attrs import define, field

from benchmarks.scaling.records import Cluster, Costs, Result

Lot = tuple[float, int]

REFUSED_FOR = 50_000.0
"""Who is refused by a dead node tries again after this time."""

WAIT_STEP = 0.05
"""Waits are counted in steps of this many ms."""


@define
class Shard:
    """
    Mutable: one server.

    *outbox* is how many messages wait for other shards. *recent* and *ended* are the latest claims and commits: when a lot was claimed, when it was committed.
    """

    queue: deque[Lot] = field(factory=deque)
    waiting: int = 0
    free_at: float = 0.0
    busy: float = 0.0
    outbox: int = 0
    carry: float = 0.0
    relaying: bool = False
    recent: deque[tuple[float, Lot]] = field(factory=deque)
    ended: deque[tuple[float, float, Lot]] = field(factory=deque)


@define
class Worker:
    """Mutable: one worker process, at a *shard*; what it *held* there is committed with its next turn."""

    shard: int
    held: dict[int, list[tuple[float, Lot]]] = field(factory=dict)
    turns: int = 0
    found_nothing: int = 0


class Simulation:
    """Mutable: the state at one moment, and the events to come."""

    def __init__(self, cluster: Cluster, costs: Costs, seconds: float, seed: int) -> None:
        self.cluster, self.costs, self.end = cluster, costs, seconds * 1e6
        self.chance = random.Random(seed)
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = count()
        self.now = 0.0
        self.shards = [Shard() for _ in range(cluster.nodes)]
        self.workers = [Worker(number % cluster.nodes) for number in range(cluster.workers * cluster.nodes)]
        self.idle: deque[Worker] = deque()
        self.total: Counter[str] = Counter()
        self.waits: Counter[int] = Counter()
        self.on_the_way = 0

    def at(self, time: float, act: Callable[[], None]) -> None:
        heappush(self.events, (time, next(self.numbers), act))

    def run(self) -> Result:
        for shard in self.shards:
            self._add(shard, (0.0, self.cluster.waiting))
            self.total["made"] += self.cluster.waiting
        for number in range(len(self.shards)):
            if self._rate_of(number):
                self._plan_send(number)
        for worker in self.workers:
            self.at(self.chance.random() * self.costs.round_trip, partial(self._turn, worker))
        if self.cluster.failure:
            self.at(self.cluster.failure.at + self.cluster.failure.failover, self._take_over)
        while self.events and self.events[0][0] < self.end:
            self.now, _, act = heappop(self.events)
            act()
        return self._result()

    # Servers.

    def _is_down(self, number: int) -> bool:
        failure = self.cluster.failure
        return failure is not None and number == 0 and failure.at <= self.now < failure.at + failure.failover

    def _serve(self, shard: Shard, cost: float) -> float:
        """Let *shard* be at work for *cost*, and return when its reply arrives."""
        begin = max(self.now, shard.free_at)
        shard.free_at = begin + cost
        shard.busy += max(0.0, min(shard.free_at, self.end) - min(begin, self.end))
        return shard.free_at + self.costs.round_trip / 2

    def _add(self, shard: Shard, lot: Lot) -> None:
        if lot[1]:
            shard.queue.append(lot)
            shard.waiting += lot[1]

    def _take_over(self) -> None:
        """The replica of node 0 has what the node had before the lag: later sends are lost, and later claims never were."""
        shard, failure = self.shards[0], self.cluster.failure
        assert failure is not None
        known = failure.at - failure.lag
        kept = deque(lot for lot in shard.queue if lot[0] <= known)
        lost = shard.waiting - sum(number for _, number in kept)
        back = [lot for claimed, lot in shard.recent if known < claimed]
        back += [lot for ended, claimed, lot in shard.ended if claimed <= known < ended]
        for worker in self.workers:
            held = worker.held.get(0, [])
            stale = [each for each in held if known < each[0]]
            worker.held[0] = [each for each in held if each not in stale]
            self.total["stale"] += sum(number for _, (_, number) in stale)
        shard.queue = deque([*back, *kept])
        shard.waiting += sum(number for _, number in back) - lost
        self.total["lost"] += lost
        self.total["again"] += sum(number for _, number in back)
        shard.free_at = max(shard.free_at, self.now)
        self._wake(0)

    # Producers.

    def _rate_of(self, number: int) -> float:
        """How many messages are sent to a shard each µs."""
        cluster = self.cluster
        whole = cluster.rate * cluster.nodes / 1e6
        return whole * ((1 - cluster.hot) / cluster.nodes + (cluster.hot if number == 0 else 0.0))

    def _plan_send(self, number: int) -> None:
        size = self.cluster.send_size
        wait = self.chance.expovariate(self._rate_of(number) / size)

        def send() -> None:
            self.total["made"] += size
            self.on_the_way += size
            sent = self.now
            self.at(self.now + self.costs.round_trip / 2, lambda: self._arrive(number, (sent, size)))
            self._plan_send(number)

        self.at(self.now + wait, send)

    def _arrive(self, number: int, lot: Lot) -> None:
        """A call that sends reaches a shard; a dead one takes it later."""
        if self._is_down(number):
            self.at(self.now + REFUSED_FOR, lambda: self._arrive(number, lot))
            return
        self.on_the_way -= lot[1]
        self._add(self.shards[number], lot)
        self._serve(self.shards[number], self.costs.send_call + self.costs.enqueue * lot[1])
        self._wake(number)

    def _wake(self, number: int) -> None:
        """Let an idle worker, if there is one, turn to a shard that has something."""
        if self.idle and self.shards[number].waiting:
            worker = self.idle.popleft()
            worker.shard, worker.turns, worker.found_nothing = number, 0, 0
            arrives = max(self.now, self.shards[number].free_at) + self.costs.round_trip
            self.at(arrives, lambda: self._turn(worker))

    # Workers.

    def _turn(self, worker: Worker) -> None:
        """A turn of *worker* reaches its shard: it commits, and claims unless this is the last turn of the visit."""
        number, costs, cluster = worker.shard, self.costs, self.cluster
        shard = self.shards[number]
        if self._is_down(number):
            if cluster.nodes == 1:
                self.at(self.now + REFUSED_FOR, lambda: self._turn(worker))
            else:
                self._go_on(worker, self.now + costs.round_trip / 2)
            return
        held = worker.held.pop(number, [])
        self._remember_ends(shard, held)
        done = self._commit(shard, held)
        worker.turns += 1
        claimed = self._claim(shard, cluster.turn_size) if worker.turns <= cluster.visit else []
        size = sum(each for _, each in claimed)
        self.total["turns"] += 1
        self.total["empty"] += not done and not size
        reply = self._serve(shard, costs.turn_call + costs.commit * done + costs.claim * size)
        if not size:
            worker.found_nothing = 0 if done else worker.found_nothing + 1
            self._go_on(worker, reply)
            return
        worker.found_nothing = 0
        worker.held[number] = [(self.now, lot) for lot in claimed]
        for sent, each in claimed:
            self.waits[round((reply - sent) / 1e3 / WAIT_STEP)] += each
        ready = reply + costs.client_call + (costs.client + cluster.work) * size
        self.at(ready + costs.round_trip / 2, lambda: self._turn(worker))

    def _go_on(self, worker: Worker, time: float) -> None:
        """Let *worker* turn to the next shard, or wait if it found nothing in any."""
        worker.turns = 0
        if worker.found_nothing > self.cluster.nodes and not worker.held:
            self.idle.append(worker)
            behind = next((number for number, shard in enumerate(self.shards) if shard.waiting and not self._is_down(number)), None)
            if behind is not None:
                self._wake(behind)
            return
        worker.shard = (worker.shard + 1) % self.cluster.nodes
        self.at(time + self.costs.client_call + self.costs.round_trip / 2, lambda: self._turn(worker))

    def _claim(self, shard: Shard, limit: int) -> list[Lot]:
        found: list[Lot] = []
        while limit and shard.queue:
            sent, number = shard.queue.popleft()
            taken = min(number, limit)
            found.append((sent, taken))
            if taken < number:
                shard.queue.appendleft((sent, number - taken))
            limit -= taken
            shard.waiting -= taken
        if self.cluster.failure and self.now <= self.cluster.failure.at and shard is self.shards[0]:
            shard.recent.extend((self.now, lot) for lot in found)
            while shard.recent and shard.recent[0][0] < self.now - self.cluster.failure.lag:
                shard.recent.popleft()
        return found

    def _remember_ends(self, shard: Shard, held: list[tuple[float, Lot]]) -> None:
        if self.cluster.failure and self.now <= self.cluster.failure.at and shard is self.shards[0]:
            shard.ended.extend((self.now, claimed, lot) for claimed, lot in held)
            while shard.ended and shard.ended[0][0] < self.now - self.cluster.failure.lag:
                shard.ended.popleft()

    def _commit(self, shard: Shard, held: list[tuple[float, Lot]]) -> int:
        done = sum(number for _, (_, number) in held)
        self.total["done"] += done
        if self.cluster.cross and done and self.cluster.nodes > 1:
            shard.carry += done * self.cluster.cross
            sent, shard.carry = int(shard.carry), shard.carry % 1
            self.total["made"] += sent
            shard.outbox += sent
            shard.free_at += self.costs.outbox * sent
            shard.busy += self.costs.outbox * sent
            if shard.outbox and not shard.relaying:
                shard.relaying = True
                self.at(self.now + self.cluster.relay, lambda: self._relay(shard))
        return done

    def _relay(self, shard: Shard) -> None:
        """Empty the outbox of *shard*: one call for each other shard that gets something."""
        shard.relaying, size, shard.outbox = False, shard.outbox, 0
        reply = self._serve(shard, self.costs.turn_call + self.costs.outbox * size)
        others = [number for number, other in enumerate(self.shards) if other is not shard]
        self.chance.shuffle(others)
        self.on_the_way += size
        for place, number in enumerate(others[:size]):
            share = size // len(others) + (place < size % len(others))
            self.at(reply + self.costs.round_trip / 2, partial(self._arrive, number, (self.now, share)))

    def _result(self) -> Result:
        total, seconds = self.total, self.end / 1e6
        return Result(
            seconds=seconds,
            **{name: total[name] for name in ("made", "done", "again", "stale", "lost", "turns", "empty")},
            waiting=sum(shard.waiting for shard in self.shards),
            held=sum(number for worker in self.workers for held in worker.held.values() for _, (_, number) in held),
            moving=self.on_the_way + sum(shard.outbox for shard in self.shards),
            busy=tuple(min(1.0, shard.busy / self.end) for shard in self.shards),
            waits=tuple((step * WAIT_STEP, number) for step, number in sorted(self.waits.items())),
        )


def simulate(cluster: Cluster, costs: Costs, seconds: float = 0.2, seed: int = 1) -> Result:
    """
    Return what *cluster* does in so many *seconds* from the beginning. The same arguments give the same result.

    >>> result = simulate(Cluster(nodes=2, waiting=1_000), Costs(), seconds=0.1)
    >>> result.made, result.done, result.waiting
    (2000, 2000, 0)
    """
    return Simulation(cluster, costs, seconds, seed).run()
