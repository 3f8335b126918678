"""``fq doctor``, on SQLite and in general: what it finds, what it prints, and its exit code; ``test_doctor_redis.py`` has sick servers."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fq import App
from fq.brokers import MemoryBroker, SqliteBroker
from fq.brokers.clock import ManualClock
from fq.brokers.findings import Finding
from fq.brokers.records import Bury, ClaimRequest, Commit, EnqueueOp, QueueStats, WorkerStats
from fq.brokers.sights import COUNT_ALL
from fq.brokers.sqlite import diagnostics
from fq.core.fault import Fault
from fq.errors import BrokerError, BrokerUnavailable
from fq.observe.checkup import diagnose
from fq.observe.diagnosis import Target
from tests.cli.conftest import Fq

POST = EnqueueOp("m", "default", "add", 0, 0, b"{}")


@pytest.fixture
def broker(fq: Fq):
    """The broker of the application in the folder that the commands run in."""
    broker = App("sqlite:///jobs.db").broker
    yield broker
    broker.close()


def looked(fq: Fq, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the findings by what they are about."""
    ran = fq("doctor", *arguments, "--json")
    return ran.exit_code, {finding["what"]: finding for finding in json.loads(ran.stdout)}


# Workers and queues.


def test_messages_without_a_worker_are_bad(fq: Fq, broker) -> None:
    broker.enqueue([POST])
    code, findings = looked(fq, "tasks:app")

    assert code == 1
    assert (findings["workers"]["level"], findings["workers"]["advice"]) == ("bad", "fq worker tasks:app")
    assert findings["queue default"]["level"] == "bad"


def test_messages_whose_workers_are_gone_are_bad(fq: Fq, broker) -> None:
    yesterday = SqliteBroker("jobs.db", clock=ManualClock(broker.now() - 86_400_000))
    yesterday.turn([], ClaimRequest("gone", ("default",), 0))
    yesterday.close()
    broker.enqueue([POST])
    code, findings = looked(fq, "tasks:app")

    assert code == 1
    assert (findings["workers"]["level"], findings["leases"]["level"]) == ("bad", "warn")


def test_messages_whose_workers_claim_from_other_queues_are_bad(fq: Fq, broker) -> None:
    broker.turn([], ClaimRequest("w", ("mail",), 0, lease=60_000))
    broker.enqueue([POST])
    code, findings = looked(fq, "tasks:app")

    assert code == 1
    assert (findings["workers"]["level"], findings["queue default"]["advice"]) == ("good", "fq worker tasks:app --queues default")


def test_a_worker_and_an_empty_queue_are_good(fq: Fq, broker) -> None:
    broker.turn([], ClaimRequest("w", ("default",), 0, lease=60_000))
    code, findings = looked(fq, "tasks:app")

    assert code == 0
    assert {finding["level"] for finding in findings.values()} == {"good"}


def test_what_to_do_about_dead_letters_and_paused_queues_is_named(fq: Fq, broker) -> None:
    broker.enqueue([POST])
    (delivery,) = broker.turn([], ClaimRequest("w", ("default",), 1)).deliveries
    broker.turn([Commit("m", "default", delivery.token, Bury(Fault("E", "")))], ClaimRequest("w", ("default",), 0))
    broker.pause("default")
    advice = {finding["advice"] for finding in json.loads(fq("doctor", "tasks:app", "--json").stdout)}

    assert {"fq dead tasks:app --queue default", "fq resume tasks:app default"} <= advice


def test_a_queue_whose_name_looks_like_markup_is_shown_by_it(fq: Fq, broker) -> None:
    broker.enqueue([EnqueueOp("m", "x[/red]", "add", 0, 0, b"{}"), EnqueueOp("n", "[bold]vip", "add", 0, 0, b"{}")])
    ran = fq("doctor", "tasks:app")

    assert ran.exit_code == 1
    assert "\nqueue x[/red] " in ran.stdout
    assert "\nqueue [bold]vip " in ran.stdout


# Which broker.


def test_without_an_app_it_is_the_default_broker_that_is_looked_at(fq: Fq, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FQ_URL", raising=False)
    code, findings = looked(fq)

    assert code == 0
    assert findings["broker"]["found"] == f"sqlite:///{project}/fq.db, the default, because $FQ_URL is not set"
    assert findings["database"]["found"] == f"{project}/fq.db did not exist: an empty database was created"
    assert findings["workers"]["advice"] == "fq worker APP"


def test_without_an_app_the_environment_says_which_broker(fq: Fq, broker, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FQ_URL", "sqlite:///jobs.db")
    broker.enqueue([EnqueueOp("m", "other", "add", 0, 0, b"{}")])
    code, findings = looked(fq)

    assert code == 1
    assert findings["broker"]["found"] == f"sqlite:///{project}/jobs.db, from $FQ_URL"
    assert findings["queue other"]["advice"] == "fq worker APP --queues other"
    assert not (project / "fq.db").exists()


def test_a_url_that_names_no_broker_is_exit_code_2(fq: Fq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FQ_URL", "jobs.db")
    ran = fq("doctor")

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "type: sqlite:///jobs.db" in ran.stderr


def test_no_other_command_does_without_an_app(fq: Fq) -> None:
    assert fq("queues").exit_code == 2


def test_the_path_is_absolute_wherever_it_is_printed(fq: Fq, broker, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.queues()
    monkeypatch.setenv("COLUMNS", "40")
    ran = fq("doctor", "tasks:app")

    assert ran.stdout.startswith(f"sqlite:///{project}/jobs.db\n")
    assert f"  {project}/jobs.db, " in ran.stdout


# SQLite, sick.


def test_a_sound_file_is_good(fq: Fq, broker) -> None:
    broker.queues()
    _, findings = looked(fq, "tasks:app")

    assert [findings[what]["level"] for what in ("database", "journal", "durability", "disk")] == ["good"] * 4
    assert findings["journal"]["found"] == "write-ahead log"


def test_a_file_that_a_loss_of_power_may_destroy_is_bad(fq: Fq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FQ_URL", "sqlite:///jobs.db?synchronous=off")
    code, findings = looked(fq)

    assert (code, findings["durability"]["level"]) == (1, "bad")


def test_a_disk_with_little_room_is_worth_a_warning(fq: Fq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "LOW_DISK_BYTES", 2**80)
    code, findings = looked(fq, "tasks:app")

    assert (code, findings["disk"]["level"]) == (0, "warn")


def test_a_file_that_is_no_database_is_exit_code_3_with_the_reason_as_json(fq: Fq, project: Path) -> None:
    (project / "jobs.db").write_text("Dear diary, " * 1_000)
    code, findings = looked(fq, "tasks:app")

    assert (code, list(findings), findings["broker"]["level"]) == (3, ["broker"], "bad")
    assert "found a file that is not a SQLite database" in findings["broker"]["found"]
    assert findings["broker"]["advice"] == "name another file or move this one away"
    assert "move this one away" in fq("doctor", "tasks:app").stdout


def test_a_folder_that_is_not_there_is_exit_code_3(fq: Fq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FQ_URL", "sqlite:///nowhere/jobs.db")
    code, findings = looked(fq)

    assert code == 3
    assert "found no folder" in json.dumps(findings)


def test_a_table_that_is_missing_keeps_nothing_else_from_being_looked_at(fq: Fq, broker, project: Path) -> None:
    broker.turn([], ClaimRequest("w", ("default",), 0, lease=60_000))
    broker.close()
    with closing(sqlite3.connect(project / "jobs.db")) as connection:
        connection.execute("DROP TABLE dead")
    code, findings = looked(fq, "tasks:app")

    assert code == 1
    assert (findings["journal"]["level"], findings["workers"]["level"], findings["queues"]["level"]) == ("good", "good", "bad")
    assert "no such table: dead" in findings["queues"]["found"]


# Whatever the broker.


class Sick(MemoryBroker):
    """A broker some of whose answers are an error. Mutable: counts who asks for queues."""

    def __init__(self, **errors: BrokerError) -> None:
        super().__init__()
        self._errors = errors
        self.asked = 0

    def diagnose(self, check_seconds: float = 5) -> tuple[Finding, ...]:
        return self._or_error("diagnose", super().diagnose())

    def workers(self) -> tuple[WorkerStats, ...]:
        return self._or_error("workers", super().workers())

    def queues(self, most: int = COUNT_ALL) -> tuple[QueueStats, ...]:
        self.asked += 1
        return self._or_error("queues", super().queues(most))

    def _or_error(self, call: str, answer: Any) -> Any:
        if call in self._errors:
            raise self._errors[call]
        return answer


OF_BROKER = ["broker", "unique keys"]
"""What the memory broker says of itself."""


@pytest.mark.parametrize(
    ("call", "kept"),
    [("diagnose", ["workers", "queues"]), ("workers", [*OF_BROKER, "queues"]), ("queues", [*OF_BROKER, "workers"])],
)
def test_what_is_refused_is_bad_and_the_rest_is_looked_at(call: str, kept: list[str]) -> None:
    diagnosis = diagnose(Sick(**{call: BrokerError("found a list; give fq a namespace of its own")}), Target())
    *others, last = diagnosis.findings

    assert [finding.what for finding in others] == kept
    assert (last.level, last.found, last.advice) == ("bad", "found a list", "give fq a namespace of its own")
    assert diagnosis.exit_code == 1


def test_a_broker_that_goes_away_meanwhile_is_not_waited_for_twice_and_what_was_learnt_is_kept() -> None:
    broker = Sick(workers=BrokerUnavailable("away; start it"))
    diagnosis = diagnose(broker, Target())

    assert [(finding.what, finding.found) for finding in diagnosis.findings] == [
        ("broker", "memory of this process"),
        ("unique keys", "none held"),
        ("workers", "away"),
    ]
    assert (diagnosis.exit_code, broker.asked) == (1, 0)


def test_a_broker_that_refuses_everything_cannot_be_used() -> None:
    refused = {call: BrokerError(f"no {call}") for call in ("diagnose", "workers", "queues")}
    diagnosis = diagnose(Sick(**refused), Target())

    assert [finding.found for finding in diagnosis.findings] == ["no diagnose", "no workers", "no queues"]
    assert diagnosis.exit_code == 3
