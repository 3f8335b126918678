"""Counters in memory that processes share."""

import os
import signal
import subprocess
import sys
import time

from fq.observe.shared_counters import ELSEWHERE, ROWS, Part, Table

LABELS = ("default", "add")


def part_of(table: Table) -> Part:
    part = table.claim()
    assert part is not None
    return part


def in_a_child(table: Table, *, then_wait: bool = False) -> int:
    """Fork a process that claims a part and counts one; return its process id when it has."""
    reader, writer = os.pipe()
    if pid := os.fork():
        os.read(reader, 1)
        return pid
    part = part_of(table)
    part.add(part.row(*LABELS), 0, 1)
    os.write(writer, b"x")
    if then_wait:
        time.sleep(60)
    os._exit(0)


def total(table: Table) -> float:
    return sum(table.read(number)[LABELS][0] for number in range(table.parts) if LABELS in table.read(number))


def test_what_is_added_is_read() -> None:
    table = Table(2, 3)
    part = part_of(table)

    part.add(part.row(*LABELS), 2, 2.5, 0)
    part.add(part.row(*LABELS), 0, 1)

    assert {labels: list(cells) for labels, cells in table.read(part.number).items()} == {ELSEWHERE: [0, 0, 0], LABELS: [2, 0, 2.5]}


def test_another_opening_of_the_same_table_reads_the_same() -> None:
    table = Table(1, 2)
    part = part_of(table)
    part.add(part.row("q", "ä"), 1, 7)

    assert list(Table(1, 2, os.dup(table.descriptor)).read(0)["q", "ä"]) == [0, 7]


def test_a_process_that_is_killed_leaves_what_it_has_counted_and_its_part_to_the_next() -> None:
    table = Table(2, 1)
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
    table = Table(1, 1)
    part = part_of(table)

    assert table.claimed(part) == {0}
    pid = os.fork()
    if not pid:
        os._exit(0 if table.claim() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_when_the_table_is_full_the_rest_is_counted_together() -> None:
    part = part_of(Table(1, 1))
    for number in range(ROWS + 5):
        part.add(part.row("default", f"actor-{number}"), 0, 1)

    assert part.row("default", "another") is part.row(*ELSEWHERE)
    assert part.row(*ELSEWHERE)[0] == 6


def test_labels_may_be_long() -> None:
    table = Table(1, 1)
    part = part_of(table)
    part.row("q", "x" * 1000)

    assert any(queue == "q" and actor.startswith("xxx") for queue, actor in table.read(0))


def test_nothing_has_a_name_that_could_be_left_behind() -> None:
    code = "from fq.observe.shared_counters import Table; import os; t = Table(1, 1); print(os.readlink(f'/proc/self/fd/{t.descriptor}'))"

    assert "(deleted)" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
