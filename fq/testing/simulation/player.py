"""`Play`: plays one seed. All chance comes from one generator, so that a seed always plays out the same. Mutable shell."""

import traceback
from collections.abc import Callable, Iterator
from random import Random

from fq.app.app import App
from fq.brokers.clock import ManualClock
from fq.brokers.protocol import Broker
from fq.calls.handle import Handle
from fq.core.message import TIME_LIMIT
from fq.testing.simulation.faults import Faults
from fq.testing.simulation.invariants import audit
from fq.testing.simulation.ledger import Flaw, Ledger
from fq.testing.simulation.recorder import Tap
from fq.testing.simulation.run import Run
from fq.testing.simulation.trace import Trace
from fq.testing.simulation.worker import LEASE, ROOM, Cast, Worker

HURRY = 0.08
"""The chance, at each step, that time jumps ahead to what is due next, even though workers are busy."""

MEND = 0.02
"""The chance, at each step, that what is broken is mended, and some dead letters are requeued at once."""

RECOVER = 0.12
"""The chance, at each step, that a stalled worker goes on."""


class Play:
    """One seed, played by the actors of *cast* on so many *workers*; *run* is what there is to see of it."""

    def __init__(
        self,
        seed: int,
        cast: Cast,
        faults: Faults,
        workers: int,
        make_broker: Callable[[ManualClock], Broker],
        mend: Callable[[App], object] | None = None,
    ) -> None:
        self.random = Random(seed)  # noqa: S311  # no secret: the same again is just what is wanted
        self.clock = ManualClock()
        broker = make_broker(self.clock)
        self.ledger = Ledger()
        self.run = Run(seed, cast.app, self.ledger)
        self.trace = Trace(broker, self.ledger)
        self.tap = Tap(broker, self.ledger, self.trace)
        self._cast = cast
        self._kinds = faults
        self._left = int(self.random.random() * (faults.limit + 1)) if faults.happen else 0
        self._mend = mend
        self._mended = False
        self._born = 0
        self._rounds = 0
        self._workers = [self._start() for _ in range(workers)]

    def play(self, workload: Callable[[App], object], check: Callable[[Run], object] | None, steps: int) -> tuple[Flaw, ...]:
        """Play *workload* until nothing moves any more, or *steps* are used up, and return what went wrong."""
        flaws, step = self.ledger.flaws, 0
        self._cast.on_call = self._count
        with self.run.app.using_broker(self.tap.as_broker(), self._fresh_id):
            self.run.sent = workload(self.run.app)
            try:
                while not flaws and step < steps and (self._step() or self._mend_all()):
                    step += 1
            except Exception as error:
                text = "".join(traceback.format_exception(error, limit=-5))
                self.ledger.flag("raised", f"{type(error).__name__}: {error}\n{text}")
            if not flaws and step >= steps:
                self.ledger.flag("stuck", f"{self.ledger.names(self.ledger.alive)} had not ended after {steps} steps")
            if not flaws:
                audit(self.ledger, self.tap.broker, self.run.app.queues)
            if not flaws and check is not None:
                self._check(check)
        return tuple(flaws)

    def _check(self, check: Callable[[Run], object]) -> None:
        try:
            check(self.run)
        except Exception as error:
            said = f"{error}" if isinstance(error, AssertionError) else ""
            self.ledger.flag("check", said or "".join(traceback.format_exception(error, limit=-1)))

    def _count(self, actor_name: str) -> None:
        self.run.calls[actor_name] += 1

    def _fresh_id(self, now: int) -> str:
        return f"{self.random.getrandbits(64):016x}"

    # Who does what next.

    def _step(self) -> bool:
        """Let one worker, or fate, do one thing; is there any left to do?"""
        chance = self.random.random
        if self.tap.stirred:
            self.tap.stirred = False
            for worker in self._workers:
                worker.idle = False
        ready = [worker for worker in self._workers if worker.ready]
        if not ready:
            return self._move_on()
        if self._mend is not None and not self._mended and chance() < MEND:
            self._mend(self.run.app)
            self._requeue_some([message_id for message_id in self.ledger.dead if chance() < 0.5])
        if chance() < HURRY:
            self._pass_time()
        if chance() < RECOVER and (stalled := [worker for worker in self._workers if worker.stalled]):
            self._recover(stalled)
        worker = ready[int(chance() * len(ready))]
        if not (self._left and chance() < self._kinds.rate and self._fail(self._kinds.draw(self.random), worker)):
            self._act(worker)
        return True

    def _act(self, worker: Worker) -> None:
        if worker.would_run:
            worker.run()
        elif not worker.stalled:
            worker.turn(self._limit(worker))

    def _limit(self, worker: Worker) -> int:
        room = ROOM - len(worker.unstarted)
        return 1 + int(self.random.random() * room) if room > 0 else 0

    def _move_on(self) -> bool:
        """With nobody busy: let time pass, or a stalled worker go on; at the very end, let every worker ask once more."""
        stalled = [worker for worker in self._workers if worker.stalled]
        if (not stalled or self.random.random() < 0.5) and self._pass_time():
            return True
        if stalled:
            self._recover(stalled)
        elif self._rounds:
            return False
        else:
            self._rounds += 1
            self.tap.stirred = True
        return True

    def _mend_all(self) -> bool:
        """When nothing moves any more, once: mend what is broken, and requeue all dead letters."""
        if self._mend is None or self._mended:
            return False
        self._mend(self.run.app)
        self._mended = True
        self._requeue_some(list(self.ledger.dead))
        return True

    def _requeue_some(self, message_ids: list[str]) -> None:
        self.trace.note("what is broken is mended, and {} are requeued", message_ids)
        self.run.app.requeue(message_ids)
        self._rounds = 0

    def _recover(self, stalled: list[Worker]) -> None:
        worker = stalled[int(self.random.random() * len(stalled))]
        worker.stalled, worker.idle = False, False
        self.trace.note("{} goes on", worker.name)

    def _pass_time(self) -> bool:
        """Jump ahead to what is due next, if there is any such thing."""
        now = self.clock.now
        due = self.ledger.next_due(now)
        if due is not None:
            self._advance(due - now + (int(self.random.random() * 100) if self.random.random() < 0.5 else 0))
        return due is not None

    def _advance(self, ms: int) -> None:
        """Let time pass; hearts beat meanwhile, so that workers keep their leases, unless they are stalled."""
        self.tap.renew([worker.name for worker in self._workers if not worker.stalled], LEASE + ms)
        self.clock.advance(ms)
        self.trace.note("{} ms pass", ms)
        self.tap.stirred = True
        self._rounds = 0

    def _start(self) -> Worker:
        self._born += 1
        return Worker(f"w{self._born}", self._cast, self.tap, self.random)

    def _replace(self, worker: Worker) -> None:
        self._workers[self._workers.index(worker)] = self._start()

    # What goes wrong.

    def _fail(self, kind: str, worker: Worker) -> bool:
        """Let *kind* of fault happen, to *worker* or to one that it hurts more; was there an occasion?"""
        loaded = [worker for worker in self._workers if worker.loaded]
        if loaded and self.random.random() < 0.7:
            worker = loaded[int(self.random.random() * len(loaded))]
        fails: Callable[[Worker], bool] = getattr(self, f"_{kind}")
        if not fails(worker):
            return False
        self.run.faults[kind] += 1
        self._left -= 1
        self._rounds = 0
        return True

    def _crash(self, worker: Worker) -> bool:
        supervised = self.random.random() < 0.5
        self.trace.note("{} dies" + (", and its supervisor hands back what it held" if supervised else ""), worker.name)
        if supervised:
            counted = None if self.random.random() < 0.5 else {job.delivery.message_id for job in worker.finished}
            self.tap.release(worker.name, {}, counted)
        self._replace(worker)
        return True

    def _deaf(self, worker: Worker) -> bool:
        if worker.stalled:
            return False
        worker.turn(self._limit(worker), heard=False)
        return self._crash(worker)

    def _stall(self, worker: Worker) -> bool:
        if worker.stalled or not worker.loaded:
            return False
        worker.stalled, worker.runs = True, self.random.random() < 0.5
        self.trace.note("{} is cut off from the broker" if worker.runs else "{} stands still", worker.name)
        if self.random.random() < 0.8:
            self._advance(LEASE + int(self.random.random() * 1_000))
        return True

    def _outage(self, worker: Worker) -> bool:
        if worker.stalled or worker.would_run:
            return False
        self.trace.note("{} does not reach the broker", worker.name)
        return True

    def _stop(self, worker: Worker) -> bool:
        if worker.stalled:
            return False
        self.trace.note("{} is told to stop", worker.name)
        worker.stop()
        self._replace(worker)
        return True

    def _repeat(self, worker: Worker) -> bool:
        batches = self.tap.sent
        if not batches:
            return False
        self.tap.enqueue(batches[int(self.random.random() * len(batches))])
        return True

    def _requeue(self, worker: Worker) -> bool:
        dead = list(self.ledger.dead)
        if not dead:
            return False
        chosen = dead[int(self.random.random() * len(dead))]
        self.trace.note("somebody requeues {}", chosen)
        self.run.app.requeue([chosen])
        return True

    def _cancel(self, worker: Worker) -> bool:
        alive, handles = list(self.ledger.alive), list(_handles(self.run.sent))
        if not alive:
            return False
        if handles and self.random.random() < 0.5:
            handle = handles[int(self.random.random() * len(handles))]
            self.trace.note("somebody cancels all of what ends with {}", handle.message_id)
            handle.cancel()
        else:
            chosen = alive[int(self.random.random() * len(alive))]
            self.trace.note("somebody cancels {}", chosen)
            self.tap.cancel(chosen)
        return True

    def _overrun(self, worker: Worker) -> bool:
        if not worker.unstarted or (worker.stalled and not worker.runs):
            return False
        if self.random.random() < 0.5:
            self.trace.note("{} lets an actor overrun its time limit", worker.name)
            worker.run("at once" if self.random.random() < 0.5 else "at the end")
            return True
        job = worker.unstarted[0]
        self.trace.note("{} is killed, since {} overran its time limit", worker.name, job.message.message_id)
        self.tap.release(worker.name, {job.delivery.message_id: TIME_LIMIT}, {job.delivery.message_id})
        self._replace(worker)
        return True


def _handles(sent: object) -> Iterator[Handle[object]]:
    """Return the handles in what a workload returned."""
    if isinstance(sent, Handle):
        yield sent
    elif isinstance(sent, list | tuple):
        for part in sent:
            yield from _handles(part)
