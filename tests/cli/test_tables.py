"""Tables in terminals and pipes of any width."""

import pytest

from fq.brokers.records import Bury, ClaimRequest, Commit, EnqueueOp
from fq.core.fault import Fault
from tests.cli.conftest import Fq, die, sent

ME = "host:1:1"


@pytest.mark.parametrize("columns", ["1", "40", "80"])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_id_is_cut_however_narrow_the_place(fq: Fq, broker, monkeypatch: pytest.MonkeyPatch, columns: str, terminal: bool) -> None:
    message_ids = [sent(fq, "add", "1") for _ in range(2)]
    (held, *_) = broker.turn([], ClaimRequest(ME, ("default",), 1, lease=60_000)).deliveries
    dead_id = die(fq, broker)
    monkeypatch.setenv("COLUMNS", columns)
    if terminal:
        monkeypatch.setenv("TTY_COMPATIBLE", "1")

    assert {held.message_id} == ids_in(fq("workers", "tasks:app").stdout, [*message_ids, dead_id])
    assert ME in fq("workers", "tasks:app").stdout
    assert dead_id in ids_in(fq("dead", "tasks:app").stdout, [dead_id])
    assert f" {held.message_id}\n" in fq("show", "tasks:app", held.message_id).stdout


def ids_in(text: str, message_ids: list[str]) -> set[str]:
    """Those of *message_ids* that *text* has whole, on one line."""
    return {message_id for message_id in message_ids if message_id in text}


def test_in_a_pipe_each_message_has_a_line_of_its_own(fq: Fq, broker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.enqueue([EnqueueOp("m", "q", "act", 0, 0, b"{}")])
    (delivery,) = broker.turn([], ClaimRequest("w", ("q",), 1)).deliveries
    bury = Bury(Fault("ValueError", "[red]a long story[/], " * 20 + "end"))
    broker.turn([Commit("m", "q", delivery.token, bury)], ClaimRequest("w", ("q",), 0))
    monkeypatch.setenv("COLUMNS", "40")
    (line,) = [line for line in fq("ls", "tasks:app").stdout.splitlines() if line.startswith("m ")]

    assert "ValueError: [red]a long story[/], [red]a long" in line
    assert line.rstrip().endswith("end")


def test_what_cannot_be_seen_is_written_out(fq: Fq, broker) -> None:
    broker.enqueue([EnqueueOp("m", "bell\x07\n\x1b[31m", "act", 0, 0, b"{}")])

    assert "\nbell\\x07\\n\\x1b[31m  " in fq("queues", "tasks:app").stdout
