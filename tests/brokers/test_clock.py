"""The time of brokers that keep it themselves while the host's wall clock is stepped, drifts, or restarts after a reboot."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fq.brokers import MemoryBroker, SqliteBroker
from fq.brokers import host_clocks as hosts
from fq.brokers.clock import CLOCK_CHECK_MS, SystemClock
from fq.brokers.host_clocks import HostClocks
from fq.brokers.sqlite import database
from fq.brokers.steady_time import COURSE_NOTICE_MS, SLEW_DIVISOR, begin_course
from tests.brokers.builders import LEASE_MS, claim, claim_one, claim_request, commit, enqueue_op, enqueue_ops, ids, state

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_700_000_000_000


class Machine:
    """A host whose clocks a test moves. Mutable."""

    def __init__(self, wall: int = NOW, steady: int = 5_000_000, boot: str = "first") -> None:
        self.wall, self.steady, self.boot = wall, steady, boot

    def host(self, boot: str | None = None) -> HostClocks:
        """The clocks as a process sees them; in a container, of a *boot* of its own."""
        return HostClocks(lambda: self.wall, lambda: self.steady, self.boot if boot is None else boot)

    def passes(self, ms: int) -> None:
        """Let time pass."""
        self.wall += ms
        self.steady += ms

    def reboot(self, off_for: int = 60_000) -> None:
        self.wall += off_for
        self.steady, self.boot = 10_000, f"{self.boot} again"


@pytest.fixture
def machine() -> Machine:
    return Machine()


class Processes:
    """Brokers on one file, each as in a process of its own."""

    def __init__(self, path: Path, machine: Machine) -> None:
        self.path, self.machine, self.started = path, machine, []

    def start(self, boot: str | None = None) -> SqliteBroker:
        self.started.append(SqliteBroker(self.path, clock=SystemClock(self.machine.host(boot))))
        return self.started[-1]

    def time(self) -> set[int]:
        """What time it is for each of them."""
        return {broker.now() for broker in self.started}

    def go_on(self, ms: int) -> None:
        """Let time pass, in which each of them takes a turn a second."""
        for _ in range(ms // 1_000):
            self.machine.passes(1_000)
            for number, broker in enumerate(self.started):
                broker.turn((), claim_request(f"worker {number}", limit=0))


@pytest.fixture
def processes(tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    monkeypatch.setattr(database, "MARK_SECONDS", 0.0)
    monkeypatch.setattr(database, "CLOCK_CHECK_MS", 0)
    processes = Processes(tmp_path / "jobs.db", machine)
    yield processes
    for broker in processes.started:
        broker.close()


# A course, and a clock that goes by it.


@pytest.mark.parametrize("step", [HOUR, -HOUR, 365 * DAY, -365 * DAY, 150, -150])
def test_a_course_goes_on_through_a_step_never_back_and_comes_to_the_wall_clock_in_the_end(step: int) -> None:
    course = begin_course("b", NOW, 0).after_check(NOW + step, 0)
    times = [course.now(steady) for steady in range(0, 100_000, 7)]
    there = COURSE_NOTICE_MS + abs(step) * SLEW_DIVISOR
    rates = [(later - earlier) / 7 for earlier, later in pairwise(times)]

    assert course.now(COURSE_NOTICE_MS) == NOW + COURSE_NOTICE_MS, "nobody is surprised by a change"
    assert all(0.8 < rate < 1.2 for rate in rates)
    assert abs(times[-1] - (NOW + 99_995)) <= 100_000 / SLEW_DIVISOR
    assert course.now(there) == course.now(there + DAY) - DAY == NOW + step + there


def test_a_course_takes_no_notice_of_jitter_and_follows_a_drift(machine: Machine) -> None:
    clock = SystemClock(machine.host())
    for _ in range(100_000):
        machine.passes(1_000)
        machine.wall += 1
        assert abs(clock.now - machine.wall) < 250

    assert begin_course("b", NOW, 0).after_check(NOW + 50, 0) == begin_course("b", NOW, 0)


def test_without_a_name_for_the_boot_the_wall_clock_decides(machine: Machine) -> None:
    clock = SystemClock(machine.host(boot=""))
    machine.wall += HOUR

    assert clock.now == machine.wall


def test_the_clock_of_this_host_is_right_and_steady() -> None:
    host = HostClocks()
    before = host.steady()

    assert abs(SystemClock(host).now - hosts.wall_ms()) < 1_000
    assert before <= host.steady() < before + 60_000


def test_the_steady_clock_is_that_of_the_host_in_a_container_with_a_time_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    here = hosts.steady_clock()()
    offsets = tmp_path / "offsets"
    offsets.write_text("monotonic      500 0\nboottime  86400 500000000\n")
    hosts.steady_clock.cache_clear()
    request.addfinalizer(hosts.steady_clock.cache_clear)
    monkeypatch.setattr(hosts, "TIME_NAMESPACE", offsets)

    assert abs(here - hosts.steady_clock()() - 86_400_500) < 60_000


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_in_memory_a_step_of_the_wall_clock_moves_no_lease_and_no_delay(machine: Machine, step: int) -> None:
    check_a_step(MemoryBroker(clock=SystemClock(machine.host())), machine, step)


def check_a_step(broker: Any, machine: Machine, step: int) -> None:
    broker.enqueue([enqueue_op("held"), enqueue_op("delayed", delay=4_000)])
    held = claim_one(broker)
    machine.wall += step
    machine.passes(LEASE_MS - 100)
    first = ids(claim(broker, "w2"))
    committed = commit(broker, held)

    assert first == ["delayed"]
    assert committed == ()
    assert broker.now() == pytest.approx(NOW + LEASE_MS - 100, abs=LEASE_MS / SLEW_DIVISOR + 1)


# Processes on one file.


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_the_wall_clock_moves_no_lease_and_no_delay(processes: Processes, machine: Machine, step: int) -> None:
    check_a_step(processes.start(), machine, step)


@pytest.mark.parametrize("step", [HOUR, -HOUR, 10, 40 * DAY])
def test_processes_that_began_before_and_after_a_step_agree_at_every_moment(processes: Processes, machine: Machine, step: int) -> None:
    processes.start().enqueue(enqueue_ops("m"))
    machine.passes(700)
    machine.wall += step
    processes.start()
    times = [processes.time()]
    for _ in range(20):
        processes.go_on(1_000)
        processes.start()
        times.append(processes.time())

    assert all(len(at_once) == 1 for at_once in times)
    assert [min(at_once) for at_once in times] == pytest.approx([NOW + 700 + 1_000 * n for n in range(21)], abs=201)


def test_a_process_that_only_sends_stamps_by_the_time_of_the_others(processes: Processes, machine: Machine) -> None:
    processes.start().enqueue(enqueue_ops("m"))
    machine.wall -= HOUR
    late = processes.start()

    assert late.now() == NOW


def test_after_a_reboot_delays_go_on_by_the_wall_clock(processes: Processes, machine: Machine) -> None:
    processes.start().enqueue([enqueue_op("m", delay=HOUR)])
    processes.started.clear()
    machine.reboot(off_for=HOUR - 5_000)
    broker = processes.start()
    before = ids(claim(broker))
    machine.passes(5_000)

    assert (before, ids(claim(broker))) == ([], ["m"])
    assert broker.now() == machine.wall


def test_after_a_reboot_with_a_wall_clock_that_lags_time_does_not_go_back(processes: Processes, machine: Machine) -> None:
    first = processes.start()
    first.enqueue(enqueue_ops("m"))
    claim(first, "w1", lease=HOUR)
    then = first.now()
    processes.started.clear()
    machine.reboot(off_for=-DAY)
    again = processes.start()

    assert again.now() == then
    processes.go_on(20_000)
    assert then + 19_000 < again.now() < then + 20_000
    assert state(again, "m") == "running"


def test_containers_that_name_the_boot_differently_agree(processes: Processes, machine: Machine) -> None:
    for boot in ("first", "container a", "container b"):
        processes.start(boot).enqueue(enqueue_ops(boot))
    processes.go_on(3_000)
    machine.wall += HOUR
    processes.go_on(10_000)
    processes.start("container c")

    assert len(processes.time()) == 1
    assert processes.time().pop() == pytest.approx(NOW + 13_000, abs=150)


def test_a_suspended_host_has_let_time_pass(processes: Processes, machine: Machine) -> None:
    broker = processes.start()
    broker.enqueue([enqueue_op("m", delay=HOUR)])
    machine.passes(HOUR)

    assert ids(claim(broker)) == ["m"]


def test_a_clock_that_was_advanced_in_one_process_is_not_so_in_others(processes: Processes) -> None:
    ahead, other = processes.start(), processes.start()
    ahead.clock.advance(DAY)
    ahead.enqueue(enqueue_ops("m"))
    ahead.enqueue(enqueue_ops("n"))

    assert (ahead.now(), other.now()) == (NOW + DAY, NOW)


def test_every_process_hears_of_a_change_before_it_takes_effect() -> None:
    assert max(CLOCK_CHECK_MS, database.MARK_SECONDS * 1_000) < COURSE_NOTICE_MS
