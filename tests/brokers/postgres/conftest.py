"""A schema of its own for each test, by the server's own clock."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from fq.brokers.postgres import PostgresBroker
from tests.postgres_server import postgres_url


@pytest.fixture
def schema() -> Iterator[str]:
    name = f"u{uuid4().hex[:12]}"
    yield name
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


@pytest.fixture
def url(schema: str) -> str:
    return f"{postgres_url()}&schema={schema}"


@pytest.fixture
def brokers(url: str) -> Iterator[list[PostgresBroker]]:
    """Some brokers on one schema, as processes have them."""
    made = [PostgresBroker(url) for _ in range(4)]
    yield made
    for broker in made:
        broker.close()


@pytest.fixture
def broker(brokers: list[PostgresBroker]) -> PostgresBroker:
    return brokers[0]


@pytest.fixture
def admin() -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """A connection of a person to the same server."""
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        yield connection
