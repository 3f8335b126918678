"""``fq show``, ``fq cancel`` and ``fq dead``."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from fq import App
from fq.brokers.clock import Clock, ManualClock, SystemClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ClaimRequest
from fq.cli.dead import Refusals
from fq.cli.selection import Selection, change
from fq.cli.times import clock_time
from tests.cli.conftest import Fq, die, sent


def test_a_message_is_shown_where_it_is(fq: Fq) -> None:
    message_id = sent(fq, "add", "1", "--delay", "60000")
    ran = fq("show", "tasks:app", message_id, "--json")

    assert (ran.exit_code, json.loads(ran.stdout)["state"]) == (0, "delayed")
    lines = fq("show", "tasks:app", message_id).stdout.splitlines()
    assert "state: delayed" in lines
    (when,) = [line for line in lines if line.startswith(("due:", "since:"))]
    assert when.startswith(f"due: {clock_time(json.loads(ran.stdout)['due'])} (in ")


def test_an_unknown_message_is_exit_code_1(fq: Fq) -> None:
    assert fq("show", "tasks:app", "nobody").exit_code == 1


def test_arguments_and_results_are_shown_as_types_unless_values_are_asked_for(fq: Fq, work) -> None:
    message_id = sent(fq, "add", "12345", "67")
    waiting = fq("show", "tasks:app", message_id)
    asked = fq("show", "tasks:app", message_id, "--values")
    assert "call: add(int, int)\n" in waiting.stdout
    assert "call: add(12345, 67)\n" in asked.stdout
    assert "12345" not in fq("show", "tasks:app", message_id, "--json").stdout
    record = json.loads(fq("show", "tasks:app", message_id, "--json", "--values").stdout)["record"]
    assert (record["args"], record["call"]) == ([12345, 67], "add(12345, 67)")

    work()
    assert "result: int\n" in fq("show", "tasks:app", message_id).stdout
    assert "result: 12412\n" in fq("show", "tasks:app", message_id, "--values").stdout
    assert json.loads(fq("show", "tasks:app", message_id, "--json").stdout)["result"] == {"succeeded": True, "value": "int"}


def test_the_result_of_a_failure_is_its_error(fq: Fq, broker) -> None:
    message_id = die(fq, broker)

    assert "result: ValueError: out of paper\n" in fq("show", "tasks:app", message_id).stdout


WORKFLOW = """
from fq import App, keep

app = App("sqlite:///jobs.db")

@app.actor(keep())
def add(a: int, b: int = 0) -> int:
    return a + b

@app.actor(keep(), max_retries=0)
def fails(a: int) -> int:
    raise ValueError("no")

@app.actor
def total(values: list[int]) -> int:
    return sum(values)
"""


def test_the_workflow_of_a_message_is_a_tree_with_the_state_of_each_step(fq: Fq, project: Path) -> None:
    (project / "flow.py").write_text(WORKFLOW)
    fq("queues", "flow:app")
    app = sys.modules["flow"].app
    add, fails, total = (app.actors[name] for name in ("add", "fails", "total"))
    (app.group([add.call(1, 2), fails.call(1)]) | total | add).send()
    app.run_until_idle()
    (dead, *_) = [record.message_id for record in app.messages(state="dead") if record.actor_name == "fails"]
    shown = fq("show", "flow:app", dead).stdout
    _, _, tree = shown.partition("workflow\n")
    steps = json.loads(fq("show", "flow:app", dead, "--json").stdout)["workflow"]
    app.broker.close()

    assert [line.strip("│├└─ ").partition("  ")[0] for line in tree.splitlines()] == ["group of 2", "add", "fails", "total", "add"]
    assert f"fails  dead  {dead}  this message" in tree
    assert "total  dead" in tree
    assert "add  failed" in tree
    assert [member[0]["state"] for member in steps[0]["members"]] == ["done", "dead"]
    assert [step["state"] for step in steps[1:]] == ["dead", "failed"]


def test_a_waiting_message_is_cancelled_and_one_that_is_not_there_is_exit_code_1(fq: Fq, broker) -> None:
    message_id = sent(fq, "add", "1")

    assert fq("cancel", "tasks:app", message_id).exit_code == 1, "it asks"
    assert fq("cancel", "tasks:app", message_id, "--yes").stdout == "1 message cancelled\n"
    assert [delivery.interrupted for delivery in broker.turn([], ClaimRequest("a", ("default",), 1)).deliveries] == ["cancelled"]
    ran = fq("cancel", "tasks:app", "nobody", "--yes")
    assert (ran.exit_code, ran.stderr) == (1, "nobody neither waits nor runs\n")


def test_all_messages_that_match_are_cancelled(fq: Fq, broker) -> None:
    sent(fq, "add", "1"), sent(fq, "add", "1", "--delay", "60000"), sent(fq, "log", "x")
    ran = fq("cancel", "tasks:app", "--actor", "add")

    assert "Cancel 2 messages of sqlite:///" in ran.stderr
    assert json.loads(fq("cancel", "tasks:app", "--actor", "add", "--yes", "--json").stdout) == {"cancelled": 2, "missed": 0}
    deliveries = broker.turn([], ClaimRequest("a", ("default",), 5)).deliveries
    assert sorted((delivery.actor_name, delivery.interrupted) for delivery in deliveries) == [
        ("add", "cancelled"),
        ("add", "cancelled"),
        ("log", ""),
    ]


def test_dead_letters_are_listed_requeued_and_discarded(fq: Fq, broker) -> None:
    message_id = die(fq, broker)
    (group,) = json.loads(fq("dead", "tasks:app", "--json").stdout)["groups"]

    assert (group["actor_name"], group["error"], group["message"], group["count"]) == ("fails", "ValueError", "out of paper", 1)
    assert [letter["message_id"] for letter in group["messages"]] == [message_id]
    assert fq("dead", "tasks:app", "--error", "KeyError", "--requeue").stdout == "0 dead letters requeued\n"
    assert fq("dead", "tasks:app", "--actor", "fails", "--requeue", "--yes").stdout == "1 dead letter requeued\n"
    assert broker.status(message_id).state == "ready"


FAILING = """
from fq import App

app = App("sqlite:///jobs.db")

@app.actor(max_retries=0)
def pay(order: int, card: str) -> None:
    if order < 5:
        raise TimeoutError(f"no answer\\nfor {order}")
    raise ValueError("refused")

@app.actor(max_retries=0, redact=False)
def ship(order: int) -> None:
    raise ValueError("refused")
"""


def test_dead_letters_are_grouped_by_actor_and_error_with_redacted_calls(fq: Fq, project: Path) -> None:
    (project / "failing.py").write_text(FAILING)
    fq("queues", "failing:app")
    app = sys.modules["failing"].app
    pay, ship = app.actors["pay"], app.actors["ship"]
    for order in range(6):
        pay.send(order, "4000 1234")
    ship.send(17)
    app.run_until_idle()
    shown = fq("dead", "failing:app", "--limit", "2").stdout
    blocks = [block.splitlines() for block in shown.split("\n\n")]
    asked = fq("dead", "failing:app", "--values", "--id", app.messages(state="dead", actor="pay").records[0].message_id).stdout
    app.broker.close()

    assert "7 dead letters" in blocks[0][0]
    heads = [block[0].partition("  latest")[0] for block in blocks[1:]]
    assert (heads[0], sorted(heads[1:])) == ("5 × pay  TimeoutError", ["1 × pay  ValueError", "1 × ship  ValueError"])
    assert blocks[1][1].rstrip() == "    no answer"
    assert [line.split("  ")[-1] for line in blocks[1][2:]] == ["pay(int, str of 9)", "pay(int, str of 9)", "and 3 more"]
    assert "ship(17)" in shown, "as redact= of the actor says"
    assert "4000 1234" not in shown
    assert "'4000 1234')" in asked


def test_dead_letters_that_are_named_are_discarded(fq: Fq, broker) -> None:
    message_id = die(fq, broker)

    assert fq("dead", "tasks:app", "--id", message_id, "--discard", "--yes").stdout == "1 dead letter discarded\n"
    assert broker.dead_letters() == ()


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()], ids=["as time goes by", "all in one moment"])
def test_all_that_was_dead_is_requeued_once_though_it_dies_again_at_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(broker=MemoryBroker(clock=clock))

    @app.actor(max_retries=0)
    def fails() -> None:
        raise ValueError

    app.send_many(fails.call() for _ in range(250))
    app.run_until_idle()
    requeued = Counter[str]()

    def requeue_and_run(message_ids: Sequence[str]) -> int:
        requeued.update(message_ids)
        count = Refusals(app.broker).requeue(message_ids)
        app.run_until_idle()
        return count

    monkeypatch.setattr("fq.cli.selection.PAGE_SIZE", 100)
    ids = Selection((), ("dead",), everything=True).find(app)

    assert change(app, ids, "Requeue", True, requeue_and_run) == 250
    assert set(requeued.values()) == {1}
    assert len(app.broker.dead_letters(limit=500)) == 250


def test_requeueing_and_discarding_at_once_is_refused(fq: Fq) -> None:
    assert fq("dead", "tasks:app", "--requeue", "--discard").exit_code == 2


@pytest.mark.parametrize("filters", [(), ("--queue", "default"), ("--actor", "fails"), ("--error", "ValueError")], ids=str)
@pytest.mark.parametrize(("option", "word"), [("--requeue", "Requeue"), ("--discard", "Discard")])
def test_requeueing_or_discarding_says_how_many_and_asks(fq: Fq, broker, filters: tuple[str, ...], option: str, word: str) -> None:
    die(fq, broker)
    asked = fq("dead", "tasks:app", option, *filters)

    assert (asked.exit_code, asked.stdout.strip()) == (1, "")  # click 8.2 ends the line of a question there
    assert f"{word} 1 dead letter of sqlite:///" in asked.stderr
    assert len(broker.dead_letters()) == 1
    answered = json.loads(fq("dead", "tasks:app", option, *filters, "--yes", "--json").stdout)
    assert answered == {f"{word.lower()}{'d' if word == 'Requeue' else 'ed'}": 1, "refused": 0}
    assert broker.dead_letters() == ()
