"""The settings that a broker refuses."""

import pytest

from fq import App
from fq.brokers import broker_from_url
from fq.brokers.memory import MemoryBroker
from fq.brokers.redis import RedisBroker
from fq.brokers.sqlite import SqliteBroker
from fq.errors import ConfigError, FqError

MAKERS = {
    "memory": MemoryBroker,
    "sqlite": lambda **given: SqliteBroker("x.db", **given),
    "redis": lambda **given: RedisBroker("redis://h", **given),
}


@pytest.mark.parametrize("dead_ttl", [-1, 2**52, 10**30, 1.5, True])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_dead_ttl_that_is_no_duration_is_refused(make, dead_ttl: object) -> None:
    with pytest.raises(ConfigError, match="found dead_ttl="):
        make(dead_ttl=dead_ttl)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///a%00b.db",
        "sqlite:///x.db?dead_ttl=99999999999999999999999",
        "sqlite:///x.db?dead_ttl=-1",
        "sqlite:///x.db?busy_timeout=-1",
        "sqlite:///x.db?busy_timeout=99999999999999999999999",
        "\0",
        " ",
        "redis://[::1",
    ],
)
def test_a_bad_url_is_an_error_of_one_line(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        broker_from_url(url)

    assert str(error.value).isprintable()


def test_a_priority_out_of_bounds_is_told_the_true_bounds() -> None:
    app = App("memory://")

    @app.actor
    def work() -> None: ...

    with pytest.raises(FqError, match="from -2147483647 to 2147483647"):
        work.call().with_options(priority=2**31).send()
    for priority in (2**31 - 1, -(2**31) + 1):
        work.call().with_options(priority=priority).send()
