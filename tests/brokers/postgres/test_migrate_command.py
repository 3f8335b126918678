"""``fq migrate`` on the command line: an empty database, again, tables that are newer than the code, and two at the same time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from fq.brokers.postgres import PostgresBroker
from fq.brokers.postgres.migrations import SCHEMA_VERSION
from tests.brokers.builders import claim_request, enqueue_op

APP = "import os\nfrom fq import App\n\napp = App(os.environ['FQ_TEST_URL'])\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(APP)
    return tmp_path


def start(folder: Path, url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "fq", "migrate", "tasks:app", "--json"]
    environment = {**os.environ, "FQ_TEST_URL": url}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    output, errors = process.communicate()
    return process.returncode, output, errors


def test_it_makes_tables_once_however_many_run_at_the_same_time(folder: Path, url: str) -> None:
    runs = [ended(process) for process in [start(folder, url) for _ in range(3)]]

    assert [code for code, _, _ in runs] == [0, 0, 0]
    befores = sorted(json.loads(output)["before"] for _, output, _ in runs)
    assert befores == [0, SCHEMA_VERSION, SCHEMA_VERSION]


def test_newer_tables_are_left_alone(folder: Path, url: str, schema: str, broker: PostgresBroker, admin) -> None:
    broker.migrate()
    admin.execute(f'UPDATE "{schema}".meta SET version = {SCHEMA_VERSION + 1}')
    code, _, errors = ended(start(folder, url))

    assert code != 0
    assert "made by a newer fq" in errors
    assert "Traceback" not in errors


def test_tables_of_the_first_version_are_upgraded_with_their_messages(
    folder: Path, url: str, schema: str, broker: PostgresBroker, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    broker.enqueue([enqueue_op("m1"), enqueue_op("m2")])
    broker.close()
    admin.execute(f'ALTER TABLE "{schema}".messages DROP COLUMN size')
    admin.execute(f'DROP INDEX "{schema}".dead_by_kind')
    admin.execute(f'DROP FUNCTION "{schema}".enqueue_one')
    admin.execute(f'UPDATE "{schema}".meta SET version = 1')
    code, output, errors = ended(start(folder, url))

    assert (code, errors) == (0, "")
    assert json.loads(output) == {"before": 1, "after": SCHEMA_VERSION}
    assert admin.execute(
        f'SELECT bool_and(size = length(body)) FROM "{schema}".messages JOIN "{schema}".bodies USING (seq)'
    ).fetchone() == (True,)
    assert [each.message_id for each in broker.turn((), claim_request()).deliveries] == ["m1", "m2"]
    assert admin.execute("SELECT 1 FROM pg_indexes WHERE schemaname = %s AND indexname = 'dead_by_kind'", (schema,)).fetchone() == (1,)
