"""What operators see of an outbox: ``fq outbox``, ``fq doctor``, and metrics."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest

from fq import App, Outbox
from fq.cli import main
from fq.execution.message_source import SourceState
from fq.observe.broker_metrics import BrokerCollector
from fq.observe.outbox_findings import find_in_source, outbox_findings
from tests.outbox.conftest import Database

TASKS = """
from fq import App, Outbox
app = App("sqlite:///jobs.db", outbox=Outbox("sqlite:///shop.db"))
"""


@pytest.fixture
def project(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    (tmp_path / "outbox_tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sqlite.execute("INSERT INTO fq_outbox (id, post, made, error) VALUES ('a', '[]', 0, NULL), ('b', '[]', 0, 'too \x1b[31mlarge')")
    return sqlite


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, args)
    return result.exit_code, result.output


def test_fq_outbox_shows_what_waits_and_what_failed(project: Database) -> None:
    code, output = run("outbox", "outbox_tasks:app")

    assert code == 0
    assert output.startswith("1 waiting, the oldest for ")
    assert "1 put aside" in output
    assert "\x1b" not in output
    assert json.loads(run("outbox", "outbox_tasks:app", "--json")[1])["failed"] == 1


def test_retry_takes_back_what_was_put_aside(project: Database) -> None:
    assert run("outbox", "outbox_tasks:app", "--retry")[1].startswith("2 waiting")


def test_a_database_without_the_table_is_a_plain_error(project: Database) -> None:
    project.execute("DROP TABLE fq_outbox")

    assert run("outbox", "outbox_tasks:app") == (1, "Error: cannot read fq_outbox: OperationalError: no such table: fq_outbox\n")


def test_doctor_says_what_to_do(project: Database) -> None:
    code, output = run("doctor", "outbox_tasks:app", "--json")
    found = [finding for finding in json.loads(output) if finding["what"] == "outbox"]

    assert code == 1
    assert [finding["advice"] for finding in found] == [
        "see to the cause, then: fq outbox outbox_tasks:app --retry",
        "start a worker, fq worker outbox_tasks:app, or look at its log",
    ]


def test_an_outbox_that_moves_is_good() -> None:
    (finding,) = outbox_findings(SourceState(waiting=2, oldest_age=900), "tasks:app")

    assert (finding.level, finding.found) == ("good", "2 rows to move")
    assert find_in_source(None, "tasks:app") == ()


def test_metrics_have_the_age_of_the_oldest_row(project: Database) -> None:
    registry = CollectorRegistry()
    registry.register(BrokerCollector(App("memory://", outbox=Outbox(project.connect))))
    text = generate_latest(registry).decode()

    assert "fq_outbox_rows 1.0" in text
    assert "fq_outbox_failed_rows 1.0" in text
    assert float(text.split("\nfq_outbox_oldest_age_seconds ")[1].split()[0]) > 1_000_000_000


def test_metrics_leave_out_a_database_that_does_not_answer(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(BrokerCollector(App("memory://", outbox=Outbox(f"sqlite:///{tmp_path}/none.db"))))

    assert b"fq_outbox" not in generate_latest(registry)
    assert b"fq_broker_up 1.0" in generate_latest(registry)
