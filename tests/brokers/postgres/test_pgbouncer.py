"""Behind PgBouncer in transaction mode: nothing is prepared, nothing listens, and all goes on."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from fq import App, ConfigError
from fq.brokers.postgres import PostgresBroker
from fq.brokers.records import ABSENT, SetMarkOp
from tests.brokers.builders import claim_one, claim_request, enqueue_op, in_thread, outcome, unique_op
from tests.pgbouncer import PROGRAM, WHY_NOT, pgbouncer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pgbouncer(tmp_path_factory.mktemp("pgbouncer")) as url:
        yield url


@pytest.fixture
def pooled(pool: str, schema: str) -> Iterator[list[PostgresBroker]]:
    made = [PostgresBroker(f"{pool}?schema={schema}&listen=false&poll=10") for _ in range(3)]
    yield made
    for broker in made:
        broker.close()


def test_many_brokers_share_the_connections_of_a_pool(pooled: list[PostgresBroker]) -> None:
    pooled[0].enqueue([enqueue_op(f"m{number}") for number in range(60)])

    def drain(broker: PostgresBroker) -> list[str]:
        done: list[str] = []
        turn = broker.turn((), claim_request(f"w{id(broker)}", limit=4))
        while turn.deliveries:
            commits = [outcome(delivery) for delivery in turn.deliveries]
            turn = broker.turn(commits, claim_request(f"w{id(broker)}", limit=4))
            assert turn.stale == ()
            done += [commit.message_id for commit in commits]
        return done

    with ThreadPoolExecutor(3) as threads:
        done = [name for names in threads.map(drain, pooled) for name in names]
    assert Counter(done) == {f"m{number}": 1 for number in range(60)}


def test_keys_marks_and_pages_work_there(pooled: list[PostgresBroker]) -> None:
    first, second, _ = pooled
    placed = [broker.place([unique_op(f"m{number}")])[0].is_new for number, broker in enumerate((first, second) * 5)]
    assert placed == [True] + [False] * 9
    assert [broker.set_marks([SetMarkOp("k", b"1", expected=ABSENT)])[0] for broker in pooled] == [True, False, False]
    assert len(first.browse("ready").entries) == 1
    assert first.renew(["w"], 1_000) == {}


def test_a_worker_without_work_looks_every_so_often(pooled: list[PostgresBroker]) -> None:
    first, second, _ = pooled
    waiting = in_thread(lambda: first.wait(claim_request("w"), 600_000))
    second.enqueue([enqueue_op("m")])
    waiting.result(600)

    assert claim_one(first, "w").message_id == "m"


def test_an_app_runs_and_waits_for_a_result_there(pooled: list[PostgresBroker]) -> None:
    app = App(broker=pooled[0])

    @app.actor
    def double(number: int) -> int:
        return 2 * number

    handle = double.send(4)
    app.run_until_idle()
    assert handle.get_result(block=True, timeout=60_000) == 8


def test_the_doctor_says_that_nothing_listens(pooled: list[PostgresBroker]) -> None:
    (found,) = [each for each in pooled[0].diagnose() if each.what == "listening"]
    assert found.level == "warn"


def test_a_url_that_does_not_tell_of_the_pool_is_refused_with_what_to_type(pool: str, schema: str) -> None:
    broker = PostgresBroker(f"{pool}?schema={schema}")
    with psycopg.connect(pool) as other, pytest.raises(ConfigError, match="listen=false"):
        for number in range(20):
            if number == 10:
                other.execute("SELECT 1")  # it has the connection now that knows what the broker has prepared
            broker.enqueue([enqueue_op("m")])
            broker.turn((), claim_request("w", limit=0))
    broker.close()
