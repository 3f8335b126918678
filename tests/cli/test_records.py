"""``fq ls``, and what ``fq show`` prints of the runs of a message."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import Result

from fq import App
from fq.brokers.records import ClaimRequest
from tests.cli.conftest import Fq

KEPT = """
from fq import App, keep

app = App("sqlite:///kept.db")
seen = []

@app.actor(keep(redact=["card"]), min_backoff=0, max_retries=1, tags=["money"])
def pay(order: int, card: str) -> int:
    seen.append(order)
    if order == 2 or seen.count(order) == 1:
        raise ValueError(f"no money for {order}\\nstate: done")
    return order
"""


@pytest.fixture
def app(project: Path, fq: Fq) -> App:
    """Messages that ended well and badly, one that waits, and one that is delayed."""
    (project / "kept.py").write_text(KEPT)
    fq("ls", "kept:app")
    app: App = sys.modules["kept"].app
    pay = app.actors["pay"]
    for order in (1, 2):
        pay.send(order, "4000 1234")
    app.run_until_idle()
    pay.send(3, "4000 1234")
    pay.call(4, card="4000 1234").delay(60_000_000).send()
    return app


def listed(ran: Result) -> list[tuple[str, str]]:
    return [(record["state"], record["outcome"]) for record in json.loads(ran.stdout)["messages"]]


def test_messages_in_all_states_are_listed(fq: Fq, app: App) -> None:
    every = [("ready", ""), ("delayed", ""), ("dead", ""), ("finished", "dead"), ("finished", "success")]

    assert sorted(listed(fq("ls", "kept:app", "--json"))) == sorted(every)
    assert listed(fq("ls", "kept:app", "--state", "ready", "--json")) == [("ready", "")]
    assert listed(fq("ls", "kept:app", "--outcome", "success", "--json")) == [("finished", "success")]
    assert listed(fq("ls", "kept:app", "--state", "finished", "--error", "ValueError", "--json")) == [("finished", "dead")]
    assert listed(fq("ls", "kept:app", "--tag", "none", "--json")) == []
    assert len(listed(fq("ls", "kept:app", "--tag", "money", "--actor", "pay", "--queue", "default", "--json"))) == 5


def test_a_page_says_how_to_go_on(fq: Fq, app: App) -> None:
    first = fq("ls", "kept:app", "--limit", "2").stdout
    after = first.strip().rpartition("--after '")[2].rstrip("'")
    rest = listed(fq("ls", "kept:app", "--after", after, "--json"))

    assert len(rest) == 3
    assert "more: --after" not in fq("ls", "kept:app").stdout


def test_a_list_shows_no_values_of_arguments(fq: Fq, app: App) -> None:
    shown = fq("ls", "kept:app").stdout

    assert "4000" not in shown
    assert "pay(int, str of 9)" in shown
    assert "pay(int, card=str of 9)" in shown


def test_a_message_is_shown_with_its_runs(fq: Fq, app: App) -> None:
    message_id = next(record.message_id for record in app.messages(outcome="success"))
    shown = fq("show", "kept:app", message_id)
    lines = shown.stdout.splitlines()

    assert shown.exit_code == 0
    assert "state: done" in lines
    assert "outcome: success" in lines
    assert "tags: money" in lines
    assert [line.partition(":")[0] for line in lines[-2:]] == ["run 1", "run 2"]
    assert "ValueError: no money for 1\\nstate: done" in lines[-2], "one line, whatever the error says"
    assert lines[-1].endswith(": succeeded")
    record = json.loads(fq("show", "kept:app", message_id, "--json").stdout)["record"]
    assert (record["outcome"], record["args"], len(record["attempts"])) == ("success", [], 2)
    record = json.loads(fq("show", "kept:app", message_id, "--json", "--values").stdout)["record"]
    assert record["args"] == [1, "[redacted]"]


def test_what_was_interrupted_is_said_so(fq: Fq, app: App) -> None:
    app.broker.turn((), ClaimRequest("killed", ("default",), 1))
    app.broker.release("killed", {})
    app.run_until_idle()
    message_id = app.messages(outcome="success").records[0].message_id

    assert "run 1: interrupted; its worker died" in fq("show", "kept:app", message_id).stdout


def test_a_bad_cursor_is_one_line(fq: Fq, app: App) -> None:
    ran = fq("ls", "kept:app", "--after", "what")

    assert ran.exit_code == 3
    assert "found after='what'" in ran.stderr
