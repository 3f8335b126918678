"""Where limiters find their state: `limiter_backend`."""

from pathlib import Path

import pytest

from fq import App, ConcurrentRateLimiter
from fq.brokers import MemoryBroker, SqliteBroker
from fq.brokers.limits.local_store import LocalStore
from fq.errors import ConfigError
from fq.limits import Limits, limiter_backend


@pytest.mark.parametrize("url", ["memory://", "sqlite:///nowhere.db", "redis://localhost:1"])
def test_an_app_and_its_broker_have_the_same_limits_and_nothing_connects(url: str):
    app = App(url)

    assert limiter_backend(app) is limiter_backend(app.broker) is limiter_backend(limiter_backend(app))


def test_two_apps_have_nothing_in_common_unless_they_share_a_broker():
    first, second = App("memory://"), App("memory://")
    third = App(broker=first.broker)

    assert limiter_backend(first) is not limiter_backend(second)
    assert limiter_backend(first) is limiter_backend(third)


def test_equal_urls_have_the_same_limits():
    assert limiter_backend("memory://") is limiter_backend("memory://")


def test_a_store_of_ones_own_will_do():
    store = LocalStore.__new__(LocalStore)
    limits = Limits(store)

    assert ConcurrentRateLimiter(limits, "mutex").backend.store is store


def test_a_broker_of_ones_own_may_have_limiters():
    class Custom:
        store = LocalStore.__new__(LocalStore)

        def limit_store(self) -> LocalStore:
            return self.store

    assert limiter_backend(Custom()).store is Custom.store  # type: ignore[arg-type]


def test_the_limits_of_a_broker_go_with_it():
    import gc
    import weakref

    broker = MemoryBroker()
    limits = weakref.ref(limiter_backend(broker))
    del broker
    gc.collect()  # the broker
    gc.collect()  # and what went with it

    assert limits() is None


def test_a_limiter_that_is_made_on_import_opens_nothing(tmp_path: Path):
    ConcurrentRateLimiter(SqliteBroker(tmp_path / "fq.db"), "mutex")

    assert list(tmp_path.iterdir()) == []


def test_state_survives_a_broker_that_is_closed_or_whose_file_is_replaced(tmp_path: Path):
    broker = SqliteBroker(tmp_path / "fq.db")
    mutex = ConcurrentRateLimiter(broker, "mutex")
    with mutex.acquire():
        broker.close()
        with mutex.acquire(raise_on_failure=False) as acquired:
            assert not acquired
    broker.close()
    for file in tmp_path.iterdir():
        file.unlink()
    with mutex.acquire() as acquired:
        assert acquired


@pytest.mark.parametrize("found", [None, 3, object(), b"memory://"])
def test_something_else_is_refused(found: object):
    with pytest.raises(
        ConfigError, match=r"as the backend of a limiter, expected an app, a broker that has limit_store\(\), or the URL of a broker"
    ):
        limiter_backend(found)  # type: ignore[arg-type]


def test_a_url_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="found 'nowhere://'"):
        limiter_backend("nowhere://")
