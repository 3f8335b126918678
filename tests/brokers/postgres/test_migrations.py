"""Tables are made where there are none; those of another version, or of another application, are refused with what to do."""

import pytest

from fq import BrokerUnavailable, ConfigError
from fq.brokers import broker_from_url
from fq.brokers.postgres import PostgresBroker
from fq.brokers.postgres.migrations import SCHEMA_VERSION
from tests.brokers.builders import enqueue_op


def test_tables_are_made_at_the_first_use(broker: PostgresBroker) -> None:
    assert broker.queues() == ()
    assert broker.migrate() == (SCHEMA_VERSION, SCHEMA_VERSION)


def test_migrate_makes_the_tables(broker: PostgresBroker) -> None:
    assert broker.migrate() == (0, SCHEMA_VERSION)
    assert broker.enqueue([enqueue_op("m")]) == 1


def test_newer_and_older_tables_are_refused(brokers: list[PostgresBroker], schema: str, admin) -> None:
    newer, older, *_ = brokers
    newer.migrate()
    admin.execute(f'UPDATE "{schema}".meta SET version = {SCHEMA_VERSION + 1}')
    with pytest.raises(ConfigError, match="made by a newer fq"):
        newer.queues()
    with pytest.raises(ConfigError, match="made by a newer fq"):
        newer.migrate()

    admin.execute(f'UPDATE "{schema}".meta SET version = {SCHEMA_VERSION - 1}')
    with pytest.raises(ConfigError, match="fq migrate APP"):
        older.queues() if SCHEMA_VERSION > 1 else older._reader.bare(lambda connection: check(connection, schema))


def check(connection, schema: str) -> None:
    from fq.brokers.postgres.migrations import check_schema

    check_schema(SCHEMA_VERSION - 1, schema, "here")


def test_tables_of_another_application_are_left_alone(broker: PostgresBroker, schema: str, admin) -> None:
    admin.execute(f'CREATE SCHEMA "{schema}"')
    admin.execute(f'CREATE TABLE "{schema}".users (name text)')

    with pytest.raises(ConfigError, match="another application"):
        broker.queues()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    broker = broker_from_url("postgresql://127.0.0.1:1/nothing?connect_timeout=1")

    with pytest.raises(BrokerUnavailable, match="127"):
        broker.queues()


@pytest.mark.parametrize("option", ["schema=", "schema=pg_x", "schema=a%22b", "listen=maybe", "poll=soon", "lock_timeout=-1"])
def test_an_option_that_cannot_be_is_refused(option: str) -> None:
    with pytest.raises(ConfigError):
        broker_from_url(f"postgresql://me:secret@host/db?{option}")


def test_the_url_is_shown_without_its_password() -> None:
    assert str(broker_from_url("postgres://me:secret@host/db?schema=jobs")) == "postgresql://me:***@host/db?schema=jobs"
