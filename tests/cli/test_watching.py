"""``fq top``, ``fq tail``, ``fq ls --watch``, ``fq actors`` and ``fq bench``."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fq import App, BrokerUnavailable, keep
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimRequest
from fq.cli.tail import PAGE_SIZE, Ended, again_and_again
from fq.cli.times import clock_time, duration
from fq.cli.top import bars
from tests.cli.conftest import Fq, die, sent
from tests.wait_until import wait_until


def test_top_shows_queues_what_runs_and_throughput(fq: Fq, broker: Broker) -> None:
    running = sent(fq, "add", "1")
    broker.turn([], ClaimRequest("w1", ("default",), 1, lease=60_000))
    die(fq, broker)
    sent(fq, "send_mail", "ann")
    ran = fq("top", "tasks:app", "--once")

    assert ran.exit_code == 0
    assert "1 worker process, 1 message claimed" in ran.stdout
    assert "mail" in ran.stdout
    assert running in ran.stdout
    assert "in the last whole minute" in ran.stdout


@pytest.mark.parametrize(("numbers", "drawn"), [((), ""), ((0, 0), "  "), ((1, 1_000_000), "▁█"), ((5, 10), "▄█")])
def test_bars_show_anything_that_is_not_nothing(numbers: tuple[int, ...], drawn: str) -> None:
    assert bars(numbers) == drawn


def test_tail_shows_what_has_ended_the_latest_last(fq: Fq, broker: Broker) -> None:
    message_id = die(fq, broker)
    ran = fq("tail", "tasks:app", "--no-follow")

    assert ran.exit_code == 0
    assert "dead" in ran.stdout
    assert f"fails()  {message_id}  ValueError: out of paper" in ran.stdout
    assert fq("tail", "tasks:app", "--no-follow", "--last", "0").stdout == ""
    assert fq("tail", "tasks:app", "--no-follow", "--actor", "add").stdout == ""


def test_tail_waits_for_a_broker_that_is_away_and_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []
    answers: list[BrokerUnavailable | None] = [None, BrokerUnavailable("no \x1b server"), BrokerUnavailable("no server"), None, None]

    def show_new() -> None:
        if not answers:
            raise KeyboardInterrupt
        if (error := answers.pop(0)) is not None:
            raise error
        shown.append("once")

    again_and_again(show_new, sleep=lambda _: None)
    said = capsys.readouterr()

    assert len(shown) == 3
    assert said.err == "no \\x1b server; trying again until it is back\nthe broker is back\n"


def test_each_ending_is_returned_once_in_order_and_an_id_that_ends_again_is_new() -> None:
    clock = ManualClock()
    app = App(broker=MemoryBroker(clock=clock))

    @app.actor(keep())
    def add(n: int) -> int:
        return n

    @app.actor(max_retries=0)
    def fails() -> None:
        raise ValueError("no")

    ended, expected = Ended(app, None, None), []
    for n in range(3):
        expected += [add.send(n).message_id, fails.send().message_id]
        app.run_until_idle()
        clock.advance(1_000)
        assert sorted(record.message_id for record in ended.new()) == sorted(expected[-2:])
        assert ended.new() == []

    app.requeue([expected[1]])
    app.run_until_idle()
    assert [record.message_id for record in ended.new()] == [expected[1]]


def test_a_dead_letter_with_a_record_is_one_ending() -> None:
    clock = ManualClock()
    app = App(broker=MemoryBroker(clock=clock))

    @app.actor(keep(), max_retries=0)
    def fails() -> None:
        clock.advance(1_000)  # so the letter is younger than the end of the run, which the record has
        raise ValueError("no")

    @app.actor(keep())
    def add(n: int) -> int:
        return n

    ended, dead = Ended(app, None, None), fails.send().message_id
    app.run_until_idle()
    assert [record.message_id for record in ended.new()] == [dead]
    assert ended.new() == []

    app.send_many(add.call(n) for n in range(PAGE_SIZE))
    app.run_until_idle()
    clock.advance(1_000)
    assert dead not in [record.message_id for record in ended.new()], "its record has left the page, its letter has not"


def test_actors_are_listed_with_their_options(fq: Fq) -> None:
    listed = json.loads(fq("actors", "tasks:app", "--json").stdout)
    by_name = {actor["name"]: actor for actor in listed}

    assert list(by_name) == sorted(by_name)
    assert by_name["send_mail"]["kind"] == "async"
    assert by_name["send_mail"]["queue"] == "mail"
    assert by_name["add"]["options"] == {"max_retries": "3"}
    assert "max_retries=3" in fq("actors", "tasks:app").stdout


def test_bench_leaves_nothing_behind(fq: Fq, tmp_path: Path) -> None:
    figures = json.loads(fq("bench", "--url", f"sqlite:///{tmp_path}/jobs.db", "-n", "50", "--json").stdout)

    assert all(figures[name] > 0 for name in ("sent_one_by_one", "sent_in_bulk", "run"))
    queues = json.loads(fq("queues", "tasks:app", "--json").stdout)
    assert [queue["ready"] + queue["in_flight"] for queue in queues if queue["queue_name"] == "fq-bench"] in ([], [0])


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0 ms"), (999, "999 ms"), (1_000, "1.0 s"), (59_949, "59.9 s"), (60_000, "1 m 0 s"), (86_400_000, "1 d 0 h")]
)
def test_durations_have_the_unit_that_suits_them(ms: int, text: str) -> None:
    assert duration(ms) == text


def test_a_time_that_is_not_known_is_a_dash() -> None:
    assert clock_time(0) == "-"


def test_ls_lists_again_and_again_in_a_terminal_and_once_elsewhere(fq: Fq, project: Path) -> None:
    message_id = sent(fq, "add", "1")
    once = fq("ls", "tasks:app", "--watch")

    assert once.exit_code == 0
    assert message_id in once.stdout
    assert fq("ls", "tasks:app", "--watch", "--json").exit_code == 2

    screens = drawn_by("ls", "tasks:app", "--watch", "--interval", "0.2", cwd=project, until=lambda: sent(fq, "log", "x"))
    assert "1 message" in screens
    assert "2 messages" in screens


def drawn_by(*arguments: str, cwd: Path, until: Callable[[], object]) -> str:
    """Run ``fq`` in a terminal, call *until* once something is there, and return all that was drawn until it has changed."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "300", "LINES": "40"}
    command = [sys.executable, "-m", "fq", *arguments]
    with subprocess.Popen(command, cwd=cwd, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as process:
        os.close(slave)
        try:
            drawn = _read_until(master, "1 message")
            until()
            drawn += _read_until(master, "2 messages")
        finally:
            process.terminate()
    os.close(master)
    return drawn


def _read_until(terminal: int, text: str) -> str:
    drawn = ""
    for _ in range(1_000):
        if text in drawn:
            return drawn
        if select.select([terminal], [], [], 60)[0]:
            drawn += os.read(terminal, 65_536).decode(errors="replace")
    raise AssertionError(f"{text!r} was not drawn: {drawn[-1_000:]!r}")


def test_a_failed_attempt_is_an_event_once() -> None:
    app = App(broker=MemoryBroker(clock=ManualClock()))

    @app.actor(max_retries=1, min_backoff=60_000, max_backoff=60_000)
    def fails() -> None:
        raise ValueError("no")

    ended, message_id = Ended(app, None, None), fails.send().message_id
    with app.worker(threads=1):
        wait_until(lambda: app.broker.status(message_id).state == "delayed")

    assert [(record.message_id, record.state) for record in ended.new_retries()] == [(message_id, "retrying")]
    assert ended.new_retries() == []
    assert ended.new() == []


def test_tail_and_top_print_json_for_programs(fq: Fq, broker: Broker) -> None:
    message_id = die(fq, broker)
    (line,) = fq("tail", "tasks:app", "--no-follow", "--json").stdout.splitlines()
    top = json.loads(fq("top", "tasks:app", "--json").stdout)

    assert {"event": "dead", "message_id": message_id, "call": "fails()", "args": []}.items() <= json.loads(line).items()
    assert [(queue["queue_name"], queue["dead"]) for queue in top["queues"]] == [("default", 1)]
    assert len(top["processed"]) == len(top["failed"]) == 30
