"""``fq doctor`` tells what slows a PostgreSQL server down, or loses messages there."""

from contextlib import closing

import psycopg
import pytest

from fq.brokers.findings import Finding
from fq.brokers.postgres import PostgresBroker, diagnostics
from fq.brokers.postgres.migrations import SCHEMA_VERSION
from fq.observe.checkup import diagnose
from fq.observe.diagnosis import Target
from tests.brokers.builders import claim_request, enqueue_op, in_thread, outcome
from tests.postgres_server import postgres_url
from tests.wait_until import wait_until


def finding(broker: PostgresBroker, what: str) -> Finding:
    (found,) = [each for each in broker.diagnose() if each.what == what]
    return found


def test_a_commit_that_a_crash_may_undo_is_told(broker: PostgresBroker) -> None:
    assert finding(broker, "durability").level == "bad"  # the server of the tests does not flush

    found = diagnostics._durability("off", "on")
    assert (found.level, "undo the latest commits" in found.found) == ("warn", True)
    assert diagnostics._durability("on", "on").level == "good"


@pytest.mark.parametrize("table", ["messages", "bodies"])
def test_a_table_that_is_not_vacuumed_is_told(broker: PostgresBroker, admin, schema: str, table: str) -> None:
    assert finding(broker, "autovacuum").level == "good"

    admin.execute(f'ALTER TABLE "{schema}".{table} SET (autovacuum_enabled = off)')
    found = finding(broker, "autovacuum")
    assert (found.level, found.advice) == ("bad", f"ALTER TABLE {table} RESET (autovacuum_enabled)")


def test_a_server_without_autovacuum_is_told(broker: PostgresBroker) -> None:
    url = f"{broker.url}&options=-c%20track_counts%3Doff"
    with closing(PostgresBroker(url)) as uncounted:
        assert finding(uncounted, "autovacuum").level == "bad"


@pytest.mark.parametrize("is_idle", [True, False])
def test_a_long_transaction_is_told(broker: PostgresBroker, admin, monkeypatch: pytest.MonkeyPatch, is_idle: bool) -> None:
    monkeypatch.setattr(diagnostics, "LONG_TRANSACTION_SECONDS", 0)
    with psycopg.connect(postgres_url(), application_name="shop") as connection:
        connection.execute("SELECT 1")
        pid = connection.info.backend_pid
        sleep = None if is_idle else in_thread(lambda: connection.execute("SELECT pg_sleep(600)"))
        text = found(broker, pid, "is idle in a transaction" if is_idle else "has had a transaction")
        if sleep is not None:
            admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
            with pytest.raises(psycopg.OperationalError):
                sleep.result(60)

    assert "(shop)" in text


def found(broker: PostgresBroker, pid: int, what: str) -> str:
    """Return what is said of process *pid*, once *what* is said: other transactions of the server may be older for a moment."""
    texts: list[str] = []

    def is_said() -> bool:
        texts.append(finding(broker, "transactions").found)
        return f"process {pid} " in texts[-1] and what in texts[-1]

    wait_until(is_said)
    return texts[-1]


def test_more_dead_rows_than_live_ones_are_told(broker: PostgresBroker, admin, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "BLOATED_ROWS", 100)
    assert finding(broker, "messages").level == "good"

    admin.execute(f'ALTER TABLE "{schema}".messages SET (autovacuum_enabled = off)')
    broker.enqueue([enqueue_op(f"m{number}") for number in range(200)])
    turn = broker.turn((), claim_request(limit=200))
    broker.turn([outcome(delivery) for delivery in turn.deliveries], claim_request(limit=0))
    broker.close()  # an end of a session brings its counts to the statistics
    wait_until(lambda: finding(broker, "messages").level == "warn")


def test_tables_that_wait_for_a_migration_are_told(broker: PostgresBroker, admin, schema: str) -> None:
    broker.migrate()
    admin.execute(f'UPDATE "{schema}".meta SET version = {SCHEMA_VERSION - 1}')
    report = diagnose(broker, Target())

    assert report.exit_code == 3
    assert any(each.level == "bad" and "fq migrate APP" in each.found + each.advice for each in report.findings)
