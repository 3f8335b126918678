"""Counters in memory that processes share."""

import os
import signal
import subprocess
import sys
import time

from fq.observe.shared_counters import MAX_ROWS, OVERFLOW, ProcessCounters, SharedCounters

LABELS = ("default", "add")


def part_of(table: SharedCounters) -> ProcessCounters:
    counters = table.claim()
    assert counters is not None
    return counters


def in_a_child(table: SharedCounters, *, then_wait: bool = False) -> int:
    """Fork a process that claims a counters and counts one; return its process id when it has."""
    reader, writer = os.pipe()
    if pid := os.fork():
        os.read(reader, 1)
        return pid
    counters = part_of(table)
    counters.add(counters.row(*LABELS), 0, 1)
    os.write(writer, b"x")
    if then_wait:
        time.sleep(60)
    os._exit(0)


def total(table: SharedCounters) -> float:
    return sum(table.read(number)[LABELS][0] for number in range(table.slots) if LABELS in table.read(number))


def test_what_is_added_is_read() -> None:
    table = SharedCounters(2, 3)
    counters = part_of(table)

    counters.add(counters.row(*LABELS), 2, 2.5, 0)
    counters.add(counters.row(*LABELS), 0, 1)

    assert {labels: list(cells) for labels, cells in table.read(counters.number).items()} == {OVERFLOW: [0, 0, 0], LABELS: [2, 0, 2.5]}


def test_another_opening_of_the_same_table_reads_the_same() -> None:
    table = SharedCounters(1, 2)
    counters = part_of(table)
    counters.add(counters.row("q", "ä"), 1, 7)

    assert list(SharedCounters(1, 2, os.dup(table.descriptor)).read(0)["q", "ä"]) == [0, 7]


def test_a_process_that_is_killed_leaves_what_it_has_counted_and_its_part_to_the_next() -> None:
    table = SharedCounters(2, 1)
    pids = [in_a_child(table, then_wait=True) for _ in range(2)]
    assert table.claimed(None) == {0, 1}
    assert table.claim() is None

    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert table.claimed(None) == frozenset()

    os.waitpid(in_a_child(table), 0)

    assert total(table) == 3
    assert table.count(0) == 2


def test_a_process_does_not_ask_for_its_own_lock_which_it_would_lose() -> None:
    table = SharedCounters(1, 1)
    counters = part_of(table)

    assert table.claimed(counters) == {0}
    pid = os.fork()
    if not pid:
        os._exit(0 if table.claim() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_when_the_table_is_full_the_rest_is_counted_together() -> None:
    counters = part_of(SharedCounters(1, 1))
    for number in range(MAX_ROWS + 5):
        counters.add(counters.row("default", f"actor-{number}"), 0, 1)

    assert counters.row("default", "another") is counters.row(*OVERFLOW)
    assert counters.row(*OVERFLOW)[0] == 6


def test_labels_may_be_long() -> None:
    table = SharedCounters(1, 1)
    counters = part_of(table)
    counters.row("q", "x" * 1000)

    assert any(queue == "q" and actor.startswith("xxx") for queue, actor in table.read(0))


def test_nothing_has_a_name_that_could_be_left_behind() -> None:
    code = "from fq.observe.shared_counters import SharedCounters; import os; t = SharedCounters(1, 1); print(os.readlink(f'/proc/self/fd/{t.descriptor}'))"

    assert "(deleted)" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
