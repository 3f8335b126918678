"""`Scenario`: runs one seed. All randomness comes from one generator, so that a seed always gives the same run. Mutable shell."""

import traceback
from collections.abc import Callable, Iterator
from random import Random

from fq.app.app import App
from fq.brokers.clock import ManualClock
from fq.brokers.protocol import Broker
from fq.calls.handle import Handle
from fq.core.message import TIME_LIMIT
from fq.execution.schedule_changes import put_all
from fq.testing.simulation.actors import Actors
from fq.testing.simulation.entries import Violation
from fq.testing.simulation.faults import Faults
from fq.testing.simulation.invariants import check_invariants
from fq.testing.simulation.ledger import Ledger
from fq.testing.simulation.recorder import Recorder
from fq.testing.simulation.run import Run
from fq.testing.simulation.trace import Trace
from fq.testing.simulation.worker import LEASE_MS, MAX_UNSTARTED, SimulatedWorker

TIME_JUMP_CHANCE = 0.08
"""The probability, at each step, that time jumps to the next due event although workers are busy."""

MEND_CHANCE = 0.02
"""The probability, at each step, that `mend` is called early, and some dead letters are requeued."""

FIRE_CHANCE = 0.5
"""The probability that a worker that sees a due schedule looks after it in its next step."""

RECOVERY_CHANCE = 0.12
"""The probability, at each step, that a stalled worker continues."""


class Scenario:
    """One seed: the messages of *actors* run on simulated *workers*; *run* is what a user's check sees of it."""

    def __init__(
        self,
        seed: int,
        actors: Actors,
        faults: Faults,
        workers: int,
        make_broker: Callable[[ManualClock], Broker],
        mend: Callable[[App], object] | None = None,
        until: int = 0,
    ) -> None:
        self.random = Random(seed)  # noqa: S311  # not a secret: it must be reproducible
        self.clock = ManualClock()
        broker = make_broker(self.clock)
        self.ledger = Ledger(self.clock.now + until)
        self.run = Run(seed, actors.app, self.ledger)
        self.trace = Trace(broker, self.ledger)
        self.recorder = Recorder(broker, self.ledger, self.trace)
        self._actors = actors
        self._kinds = faults
        self._faults_left = int(self.random.random() * (faults.limit + 1)) if faults.happen else 0
        self._mend = mend
        self._mended = False
        self._started_workers = 0
        self._final_rounds = 0
        self._workers = [self._start() for _ in range(workers)]

    def run_to_end(self, workload: Callable[[App], object], check: Callable[[Run], object] | None, steps: int) -> tuple[Violation, ...]:
        """Run *workload* until nothing is left to do, or *steps* are used up, and return the violations."""
        violations, step = self.ledger.violations, 0
        self._actors.on_call = self._count
        with self.run.app.using_broker(self.recorder.as_broker(), self._fresh_id):
            self._declare_schedules()
            self.run.sent = workload(self.run.app)
            try:
                while not violations and step < steps and (self._step() or self._mend_all()):
                    step += 1
            except Exception as error:
                text = "".join(traceback.format_exception(error, limit=-5))
                self.ledger.add_violation("raised", f"{type(error).__name__}: {error}\n{text}")
            if not violations and step >= steps:
                self.ledger.add_violation("stuck", f"{self.ledger.names(self.ledger.alive)} had not ended after {steps} steps")
            if not violations:
                check_invariants(self.ledger, self.recorder.broker, self.run.app.queues)
            if not violations and check is not None:
                self._check(check)
        return tuple(violations)

    def _declare_schedules(self) -> None:
        """Store what the app declares, as its workers do when they start; only if schedules fire."""
        now, schedules, refuse = self.clock.now, self.run.app.registry.schedules, self.ledger.record_refusal
        if self.ledger.fires_until > now:
            put_all(self.run.app.registry, self.recorder.as_broker(), lambda: self.clock.now, schedules.all_stored(now), refuse)

    def _check(self, check: Callable[[Run], object]) -> None:
        try:
            check(self.run)
        except Exception as error:
            said = f"{error}" if isinstance(error, AssertionError) else ""
            self.ledger.add_violation("check", said or "".join(traceback.format_exception(error, limit=-1)))

    def _count(self, actor_name: str) -> None:
        self.run.calls[actor_name] += 1

    def _fresh_id(self, now: int) -> str:
        return f"{self.random.getrandbits(64):016x}"

    # The next step.

    def _step(self) -> bool:
        """Let one worker take a step, or let a fault happen; return False if nothing is left to do."""
        chance = self.random.random
        if self.recorder.has_news:
            self.recorder.has_news = False
            for worker in self._workers:
                worker.idle = False
        ready = [worker for worker in self._workers if worker.ready]
        if not ready:
            return self._move_on()
        if self._mend is not None and not self._mended and chance() < MEND_CHANCE:
            self._mend(self.run.app)
            self._requeue_some([message_id for message_id in self.ledger.dead if chance() < 0.5])
        if chance() < TIME_JUMP_CHANCE:
            self._pass_time()
        if chance() < RECOVERY_CHANCE and (stalled := [worker for worker in self._workers if worker.stalled]):
            self._recover(stalled)
        worker = ready[int(chance() * len(ready))]
        if not (self._faults_left and chance() < self._kinds.rate and self._fail(self._kinds.draw(self.random), worker)):
            self._act(worker)
        return True

    def _act(self, worker: SimulatedWorker) -> None:
        if worker.may_fire and not worker.stalled and self.random.random() < FIRE_CHANCE:
            worker.fire()
        elif worker.runs_next:
            worker.run()
        elif not worker.stalled:
            worker.turn(self._limit(worker))

    def _limit(self, worker: SimulatedWorker) -> int:
        room = MAX_UNSTARTED - len(worker.unstarted)
        return 1 + int(self.random.random() * room) if room > 0 else 0

    def _move_on(self) -> bool:
        """With all workers idle: let time pass, or a stalled worker continue; at the very end, let every worker ask once more."""
        stalled = [worker for worker in self._workers if worker.stalled]
        if (not stalled or self.random.random() < 0.5) and self._pass_time():
            return True
        if stalled:
            self._recover(stalled)
        elif self._final_rounds:
            return False
        else:
            self._final_rounds += 1
            self.recorder.has_news = True
        return True

    def _mend_all(self) -> bool:
        """When nothing is left to do: call `mend` and requeue all dead letters, once."""
        if self._mend is None or self._mended:
            return False
        self._mend(self.run.app)
        self._mended = True
        self._requeue_some(list(self.ledger.dead))
        return True

    def _requeue_some(self, message_ids: list[str]) -> None:
        self.trace.add("mend is called, and {} are requeued", message_ids)
        self.run.app.requeue(message_ids)
        self._final_rounds = 0

    def _recover(self, stalled: list[SimulatedWorker]) -> None:
        worker = stalled[int(self.random.random() * len(stalled))]
        worker.stalled, worker.idle = False, False
        self.trace.add("{} continues", worker.name)

    def _pass_time(self) -> bool:
        """Jump to the next due event, if there is one."""
        now = self.clock.now
        due = self.ledger.next_due(now)
        if due is not None:
            self._advance(due - now + (int(self.random.random() * 100) if self.random.random() < 0.5 else 0))
        return due is not None

    def _advance(self, ms: int) -> None:
        """Let time pass. Workers keep their leases meanwhile, unless they are stalled."""
        self.recorder.renew([worker.name for worker in self._workers if not worker.stalled], LEASE_MS + ms)
        self.clock.advance(ms)
        self.trace.add("{} ms pass", ms)
        self.recorder.has_news = True
        self._final_rounds = 0

    def _start(self) -> SimulatedWorker:
        self._started_workers += 1
        return SimulatedWorker(f"w{self._started_workers}", self._actors, self.recorder, self.random)

    def _replace(self, worker: SimulatedWorker) -> None:
        self._workers[self._workers.index(worker)] = self._start()

    # Faults.

    def _fail(self, kind: str, worker: SimulatedWorker) -> bool:
        """Let a fault of *kind* happen to *worker*, or more likely to a worker with messages; return False if it was not possible."""
        loaded = [worker for worker in self._workers if worker.holds_messages]
        if loaded and self.random.random() < 0.7:
            worker = loaded[int(self.random.random() * len(loaded))]
        fails: Callable[[SimulatedWorker], bool] = getattr(self, f"_{kind}")
        if not fails(worker):
            return False
        self.run.faults[kind] += 1
        self._faults_left -= 1
        self._final_rounds = 0
        return True

    def _crash(self, worker: SimulatedWorker) -> bool:
        supervised = self.random.random() < 0.5
        self.trace.add("{} dies" + (", and its supervisor hands back what it held" if supervised else ""), worker.name)
        if supervised:
            counted = None if self.random.random() < 0.5 else {job.delivery.message_id for job in worker.finished}
            self.recorder.release(worker.name, {}, counted)
        self._replace(worker)
        return True

    def _deaf(self, worker: SimulatedWorker) -> bool:
        if worker.stalled:
            return False
        worker.turn(self._limit(worker), answered=False)
        return self._crash(worker)

    def _stall(self, worker: SimulatedWorker) -> bool:
        if worker.stalled or not worker.holds_messages:
            return False
        worker.stalled, worker.runs = True, self.random.random() < 0.5
        self.trace.add("{} loses the broker" if worker.runs else "{} freezes", worker.name)
        if self.random.random() < 0.8:
            self._advance(LEASE_MS + int(self.random.random() * 1_000))
        return True

    def _outage(self, worker: SimulatedWorker) -> bool:
        if worker.stalled or worker.runs_next:
            return False
        self.trace.add("{} does not reach the broker", worker.name)
        return True

    def _stop(self, worker: SimulatedWorker) -> bool:
        if worker.stalled:
            return False
        self.trace.add("{} stops", worker.name)
        worker.stop()
        self._replace(worker)
        return True

    def _repeat(self, worker: SimulatedWorker) -> bool:
        batches = self.recorder.sent
        if not batches:
            return False
        self.recorder.enqueue(batches[int(self.random.random() * len(batches))])
        return True

    def _requeue(self, worker: SimulatedWorker) -> bool:
        dead = list(self.ledger.dead)
        if not dead:
            return False
        chosen = dead[int(self.random.random() * len(dead))]
        self.trace.add("{} is requeued", chosen)
        self.run.app.requeue([chosen])
        return True

    def _cancel(self, worker: SimulatedWorker) -> bool:
        alive, handles = list(self.ledger.alive), list(_handles(self.run.sent))
        if not alive:
            return False
        if handles and self.random.random() < 0.5:
            handle = handles[int(self.random.random() * len(handles))]
            self.trace.add("the workflow that ends with {} is cancelled", handle.message_id)
            handle.cancel()
        else:
            chosen = alive[int(self.random.random() * len(alive))]
            self.trace.add("{} is cancelled", chosen)
            self.recorder.cancel(chosen)
        return True

    def _overrun(self, worker: SimulatedWorker) -> bool:
        if not worker.unstarted or (worker.stalled and not worker.runs):
            return False
        if self.random.random() < 0.5:
            self.trace.add("{} lets an actor overrun its time limit", worker.name)
            worker.run("at once" if self.random.random() < 0.5 else "at the end")
            return True
        job = worker.unstarted[0]
        self.trace.add("{} is killed, since {} overran its time limit", worker.name, job.message.message_id)
        self.recorder.release(worker.name, {job.delivery.message_id: TIME_LIMIT}, {job.delivery.message_id})
        self._replace(worker)
        return True


def _handles(sent: object) -> Iterator[Handle[object]]:
    """Return the handles in what a workload returned."""
    if isinstance(sent, Handle):
        yield sent
    elif isinstance(sent, list | tuple):
        for part in sent:
            yield from _handles(part)
