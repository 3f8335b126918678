"""A supervisor asks a child for its stacks by a signal. What the child writes is its answer; else what Python wrote by itself."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fq.brokers.memory import MemoryBroker
from fq.execution.worker_orders import Order, read_stacks
from fq.worker.order_desk import OrderDesk
from fq.worker.process.control_signals import STACKS
from fq.worker.scoreboard import Scoreboard
from fq.worker.supervisor import stack_requests
from fq.worker.supervisor.child import ChildProcess
from fq.worker.supervisor.stack_requests import StackRequests

ORDERS = {"child": Order("o1")}


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    """A child that is this process, which ignores the signal."""
    before = signal.signal(STACKS, signal.SIG_IGN)
    made = ChildProcess(os.getpid(), "child", Scoreboard(2), 0.0)
    yield made
    made.scoreboard.close()
    signal.signal(STACKS, before)


@pytest.fixture
def requests() -> StackRequests:
    return StackRequests(OrderDesk("program"))


def answer(requests: StackRequests) -> str:
    broker = MemoryBroker()
    requests.desk.heartbeat(broker, [], 1_000, {})
    return read_stacks(broker, ["child"])["child"].text


@contextmanager
def handling(numbers: list[int]) -> Iterator[None]:
    before = signal.signal(STACKS, lambda number, _: numbers.append(number))
    yield
    signal.signal(STACKS, before)


def test_what_the_child_writes_is_its_answer(requests: StackRequests, child: ChildProcess) -> None:
    requests.ask([child], ORDERS)
    os.write(child.scoreboard.descriptor, b"Thread 0x1\n")
    assert not requests.collect([child])

    child.scoreboard.write_stacks("Thread main: \0 ü")
    assert requests.collect([child])
    assert answer(requests) == "Thread main:  ü"


def test_a_child_is_signalled_once_for_two_questions(requests: StackRequests, child: ChildProcess) -> None:
    signals: list[int] = []
    with handling(signals):
        requests.ask([child], ORDERS)
        requests.ask([child], {"child": Order("o2")})

    assert signals == [STACKS]


def test_one_that_cannot_answer_shows_what_python_has_written(
    requests: StackRequests, child: ChildProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_requests, "PATIENCE_SECONDS", 0.0)
    requests.ask([child], ORDERS)
    os.write(child.scoreboard.descriptor, b"Thread 0x1 (most recent call first):\n")
    requests.collect([child])

    text = answer(requests)
    assert "holds the GIL" in text
    assert "Thread 0x1 (most recent call first)" in text


def test_one_that_is_stopped_has_no_answer(requests: StackRequests, child: ChildProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_requests, "PATIENCE_SECONDS", 0.0)
    requests.ask([child], ORDERS)
    requests.collect([child])

    assert "has not answered" in answer(requests)


def test_one_that_has_ended_says_so(requests: StackRequests, child: ChildProcess) -> None:
    requests.ask([child], ORDERS)
    requests.collect([])

    assert answer(requests) == "The process has ended."


def test_the_next_answer_takes_the_place_of_the_last(requests: StackRequests, child: ChildProcess) -> None:
    for text in ("a" * 100, "b"):
        requests.ask([child], ORDERS)
        child.scoreboard.write_stacks(text)
        requests.collect([child])

    assert answer(requests) == "b"
