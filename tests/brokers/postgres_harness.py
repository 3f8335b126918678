"""
The PostgreSQL broker joins the suite, on a server of its own for each process. Its clock stands still unless it is moved.

To make a schema takes longer than most tests, so an emptied one serves the next test.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from unittest.mock import patch

import psycopg

from fq.brokers import Broker
from fq.brokers.clock import ManualClock
from fq.brokers.postgres import PostgresBroker, turn_recovery
from fq.brokers.postgres.turn import take_turn
from fq.errors import BrokerUnavailable
from tests.postgres_server import postgres_url

FROZEN_CLOCK = """
    CREATE TABLE "{0}".test_clock (ms bigint NOT NULL);
    INSERT INTO "{0}".test_clock VALUES (0);
    CREATE OR REPLACE FUNCTION "{0}".now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT ms FROM "{0}".test_clock $$
"""

EMPTY = """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '{0}' AND tablename NOT IN ('meta', 'test_clock') LOOP
            EXECUTE format('DELETE FROM %I.%I', '{0}', name);
        END LOOP;
    END $$
"""

numbers = count()
emptied: list[str] = []


class PostgresHarness:
    loses_replies = True
    shards = 1
    slack = 0

    def __init__(self, folder: Path) -> None:
        self._connection = psycopg.connect(postgres_url(), autocommit=True)
        self._clock = ManualClock()
        self._brokers: list[PostgresBroker] = []
        self._schema = emptied.pop() if emptied else self._made()
        self.advance(0)

    def _made(self) -> str:
        self._schema = f"t{next(numbers)}"
        self.broker().migrate()
        self._connection.execute(FROZEN_CLOCK.format(self._schema))
        return self._schema

    def broker(self) -> PostgresBroker:
        self._brokers.append(PostgresBroker(f"{postgres_url()}&schema={self._schema}", clock=lambda: self._clock.now))
        return self._brokers[-1]

    def advance(self, ms: int) -> None:
        self._clock.advance(ms)
        self._connection.execute(f'UPDATE "{self._schema}".test_clock SET ms = {self._clock.now}')

    @contextmanager
    def lost_replies(self, broker: Broker) -> Iterator[None]:
        def lost(*arguments: object) -> None:
            take_turn(*arguments)
            raise BrokerUnavailable("the reply was lost")

        with patch.object(turn_recovery, "take_turn", lost):
            yield

    def deafness(self, broker: Broker, deaf: bool) -> AbstractContextManager[None]:
        return nullcontext()

    def await_publication(self, worker: str) -> None:
        pass

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()
        self._connection.execute(EMPTY.format(self._schema))
        self._connection.close()
        emptied.append(self._schema)


HARNESSES = {"postgres": PostgresHarness}
