"""``fq schedules``: lists, pauses, resumes, runs, removes and prunes; and what ``fq doctor`` finds about schedules."""

import json
import sys
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.shell_completion import ShellComplete

from fq import App, Schedule, cron, every
from fq.brokers.sqlite import SqliteBroker
from fq.cli import main
from fq.execution.schedule_declarations import publish
from tests.cli.conftest import TASKS, Fq

DECLARES = """
app.cron("0 9 * * MON-FRI", log.call("morning"), name="morning", tz="Europe/Berlin")
app.every(60_000, log.call("poll"), name="poll")
"""


@pytest.fixture
def declared(fq: Fq, project: Path) -> App:
    """The app of the project, which declares two schedules; a worker has stored them."""
    (project / "tasks.py").write_text(TASKS + DECLARES)
    assert fq("queues", "tasks:app").exit_code == 0
    app: App = sys.modules["tasks"].app
    app.run_until_idle(until=0)
    return app


def put(broker: SqliteBroker, *names: str, actor: str = "log") -> App:
    """Put schedules that an app without the declarations makes."""
    app = App(broker=broker)

    @app.actor(name=actor)
    def log(text: str) -> None: ...

    app.schedules.put(*(Schedule(name, every(60_000), log.call(name)) for name in names))
    return app


def rows(fq: Fq, *arguments: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(fq("schedules", "tasks:app", *arguments, "--json").stdout)}


def test_schedules_are_listed_with_their_next_times_in_their_zone_and_in_words(fq: Fq, declared: App) -> None:
    shown = fq("schedules", "tasks:app").stdout
    morning = rows(fq)["morning"]

    assert "0 9 * * MON-FRI (Europe/Berlin)" in shown
    assert "At 09:00 on Monday through Friday, Europe/Berlin" in shown
    assert "09:00:00 CE" in shown
    assert len(morning["next_ticks"]) == 3
    assert {datetime.fromtimestamp(tick / 1_000, ZoneInfo("Europe/Berlin")).time() for tick in morning["next_ticks"]} == {time(9)}
    assert (morning["state"], morning["last"], morning["actors"], morning["is_static"]) == ("active", 0, ["log"], True)


def test_the_zone_is_named_when_it_is_the_default(fq: Fq, broker) -> None:
    app = put(broker)
    app.schedules.put(Schedule("utc", cron("0 9 * * *"), app.get_actor("log").call("a")))

    assert "0 9 * * * (UTC)" in fq("schedules", "tasks:app", "list").stdout


def test_what_no_worker_has_stored_yet_is_listed_too(fq: Fq, project: Path) -> None:
    (project / "tasks.py").write_text(TASKS + DECLARES)

    assert {name: row["state"] for name, row in rows(fq).items()} == {"morning": "waits for a worker", "poll": "waits for a worker"}


def test_the_last_tick_is_shown(fq: Fq, declared: App) -> None:
    declared.broker.clock.advance(60_000)  # type: ignore[attr-defined]
    declared.run_until_idle(until=0)

    assert rows(fq)["poll"]["last"] % 60_000 == 0 < rows(fq)["poll"]["last"]
    assert ":00 UTC" in fq("schedules", "tasks:app").stdout


def test_only_so_many_are_listed(fq: Fq, broker) -> None:
    put(broker, "a", "b", "c")

    assert len(rows(fq, "list", "--limit", "2")) == 2


def test_a_schedule_is_paused_and_resumed(fq: Fq, broker) -> None:
    put(broker, "customer 17")
    assert fq("schedules", "tasks:app", "pause", "customer 17").exit_code == 0
    paused = rows(fq)["customer 17"]["state"]
    assert fq("schedules", "tasks:app", "resume", "customer 17").exit_code == 0

    assert (paused, rows(fq)["customer 17"]["state"]) == ("paused", "active")


def test_run_sends_a_message_and_prints_its_id(fq: Fq, broker) -> None:
    put(broker, "a")
    ran = fq("schedules", "tasks:app", "run", "a")

    assert broker.status(ran.stdout.strip()).actor_name == "log"


def test_remove_asks_unless_it_is_told_not_to(fq: Fq, broker) -> None:
    put(broker, "a", "b")

    assert fq("schedules", "tasks:app", "remove", "a").exit_code == 1  # there is no one to answer
    assert fq("schedules", "tasks:app", "remove", "b", "--yes").exit_code == 0
    assert list(rows(fq)) == ["a"]


def orphan(broker: SqliteBroker, name: str = "gone") -> None:
    """Leave a schedule of code that is gone."""
    app = App(broker=broker)

    @app.actor
    def log(text: str) -> None: ...

    app.every(60_000, log.call("a"), name=name)
    app.run_until_idle(until=0)


def test_prune_asks_and_deletes_the_schedules_of_code_that_is_gone(fq: Fq, declared: App, broker) -> None:
    orphan(broker)
    before = rows(fq)["gone"]["state"]
    asked = fq("schedules", "tasks:app", "prune")
    pruned = fq("schedules", "tasks:app", "prune", "--yes")

    assert before == "orphaned"
    assert "Delete 1 schedule of code that is gone (gone)?" in asked.stderr
    assert pruned.stdout == "1 schedule deleted\n"
    assert list(rows(fq)) == ["poll", "morning"]
    assert fq("schedules", "tasks:app", "prune").stdout == "0 schedules deleted\n"


@pytest.mark.parametrize("action", ["pause", "resume", "run", "remove"])
def test_a_name_that_no_schedule_has_is_an_error_that_names_the_nearest(fq: Fq, broker, action: str) -> None:
    put(broker, "customer 17")
    ran = fq("schedules", "tasks:app", action, "custmer 17")

    assert (ran.exit_code, ran.stderr) == (2, "Error: no schedule called custmer 17: did you mean customer 17?\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause",), "expected the name of a schedule: fq schedules tasks:app pause NAME"),
        (("prune", "a"), "found the name 'a', expected none after prune"),
        (("list", "a"), "found the name 'a', expected none after list"),
    ],
)
def test_a_name_that_is_missing_or_one_too_many_is_an_error(fq: Fq, broker, arguments: tuple[str, ...], said: str) -> None:
    ran = fq("schedules", "tasks:app", *arguments)

    assert (ran.exit_code, said in ran.stderr) == (2, True)


def test_a_declared_schedule_cannot_be_removed_here(fq: Fq, declared: App) -> None:
    ran = fq("schedules", "tasks:app", "remove", "poll", "--yes")

    assert (ran.exit_code, "delete it there, or pause it here" in ran.stderr) == (2, True)


def test_a_name_cannot_change_the_screen(fq: Fq, broker) -> None:
    put(broker, "x[/red]")

    assert "\nx[/red] " in fq("schedules", "tasks:app").stdout


def test_the_shell_completes_names(fq: Fq, broker, monkeypatch: pytest.MonkeyPatch) -> None:
    put(broker, "customer 17", "customer 18", "other")

    assert completed("schedules", "tasks:app", "run", begun="cust") == ["customer 17", "customer 18"]
    assert completed("schedules", "nowhere:app", "run", begun="") == []
    assert completed("send", "tasks:app", begun="s") == ["send_mail", "ship"]
    assert completed("pause", "tasks:app", begun="m") == ["mail"]
    monkeypatch.setenv("COMP_WORDS", "fq ls tasks:app --actor ad")
    assert completed("ls", "tasks:app", "--actor", begun="ad") == ["add"]


def completed(*words: str, begun: str) -> list[str]:
    """What a shell offers after *words*."""
    return [item.value for item in ShellComplete(main, {}, "fq", "_FQ_COMPLETE").get_completions(list(words), begun)]


# fq doctor.


def findings(fq: Fq) -> tuple[int, list[dict[str, str]]]:
    ran = fq("doctor", "tasks:app", "--json")
    return ran.exit_code, [finding for finding in json.loads(ran.stdout) if finding["what"] == "schedules"]


def test_no_schedules_are_no_finding(fq: Fq, broker) -> None:
    assert findings(fq) == (0, [])


def test_schedules_that_are_well_are_counted(fq: Fq, declared: App) -> None:
    declared.schedules.pause("poll")
    _, (finding,) = findings(fq)

    assert (finding["level"], finding["found"]) == ("good", "1 active, 1 paused")


def test_an_orphan_is_a_warning(fq: Fq, declared: App, broker) -> None:
    orphan(broker)
    code, (finding,) = findings(fq)

    assert (code, finding["level"]) == (0, "warn")
    assert finding["found"] == "gone: orphaned, as neither this app nor a live worker declares them any more"
    assert finding["advice"].endswith("fq schedules tasks:app prune")


def test_what_a_live_worker_declares_is_no_orphan(fq: Fq, declared: App, broker) -> None:
    orphan(broker, "theirs")
    publish(broker, "worker", {"theirs": ""}, broker.now())
    _, (finding,) = findings(fq)

    assert finding["level"] == "good"


def test_a_call_of_an_actor_that_is_not_there_is_a_warning(fq: Fq, broker) -> None:
    put(broker, "a", actor="gone")
    code, (finding,) = findings(fq)

    assert (code, finding["level"], finding["found"]) == (0, "warn", "a calls gone: this app does not declare the actor")


def test_an_overdue_schedule_is_bad(fq: Fq, broker, monkeypatch: pytest.MonkeyPatch) -> None:
    put(broker, *(f"customer {n}" for n in range(12)))
    later = broker.now() + 130_000
    monkeypatch.setattr(SqliteBroker, "now", lambda _: later)
    code, (finding,) = findings(fq)

    assert (code, finding["level"]) == (1, "bad")
    assert finding["found"].endswith(" and 2 more: overdue, as no worker fires them")
    assert {row["state"] for row in rows(fq).values()} == {"overdue"}
