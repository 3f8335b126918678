"""`broker_from_url`: which broker a URL names, and the errors for other URLs."""

from pathlib import Path

import pytest

from fq.brokers import MemoryBroker, SqliteBroker, broker_from_url
from fq.errors import ConfigError


def test_memory() -> None:
    assert isinstance(broker_from_url("memory://"), MemoryBroker)
    assert str(broker_from_url("memory://")) == "memory://"


def test_three_slashes_are_a_path_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    broker = broker_from_url("sqlite:///data/jobs.db")
    monkeypatch.chdir("/")

    assert str(broker) == f"sqlite:///{tmp_path}/data/jobs.db", "a path is meant from where the broker was made"


def test_four_slashes_are_an_absolute_path() -> None:
    assert str(broker_from_url("sqlite:////var/lib/jobs.db")) == "sqlite:////var/lib/jobs.db"


@pytest.mark.parametrize("name", ["with space.db", "50%.db", "a#b.db", "q?.db", "grüße.db", "plus+.db"])
def test_a_broker_names_itself_by_a_url_that_leads_back_to_it(tmp_path: Path, name: str) -> None:
    broker = SqliteBroker(tmp_path / name)
    again = broker_from_url(str(broker))

    assert isinstance(again, SqliteBroker)
    assert again.path == broker.path == str(tmp_path / name)


def test_options_follow_the_path(tmp_path: Path) -> None:
    broker = broker_from_url(f"sqlite:///{tmp_path}/jobs.db?synchronous=full&busy_timeout=250&dead_ttl=1000")

    assert isinstance(broker, SqliteBroker)
    assert broker._writer._settings.synchronous == "FULL"
    assert broker._writer._settings.busy_timeout == 250


def test_redis_needs_no_server_to_be_named() -> None:
    broker = broker_from_url("redis://localhost:1/0")

    assert type(broker).__name__ == "RedisBroker"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "found '' as the URL of a broker, expected memory://, sqlite:///"),
        ("jobs.db", "type: sqlite:///jobs.db"),
        ("sqlite:jobs.db", "type: sqlite:///jobs.db"),
        ("sqllite:///jobs.db", "type: sqlite:///jobs.db"),
        ("reddis://localhost", "type: redis://localhost"),
        ("memory", "type: memory://"),
        ("memory://x", "type: memory://"),
        ("sqlite://jobs.db", "expected three slashes before a relative path; type: sqlite:///jobs.db"),
        ("sqlite://", "type: sqlite:///jobs.db"),
        ("sqlite:///", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite:///:memory:", "memory:// for none"),
        (
            "sqlite:///jobs.db?timeout=1",
            "found 'timeout' in sqlite:///jobs.db?timeout=1, expected one of synchronous, busy_timeout, dead_ttl",
        ),
        ("sqlite:///jobs.db?busy_timeout=1s", "found busy_timeout=1s in sqlite:///jobs.db?busy_timeout=1s, expected ms"),
        ("sqlite:///jobs.db?synchronous=maybe", "found synchronous='MAYBE', expected one of OFF, NORMAL, FULL, EXTRA"),
        ("amqp://localhost", "found 'amqp://localhost' as the URL of a broker, expected memory://"),
        ("valkey://localhost:6379/0", "type: redis://localhost:6379/0"),
    ],
)
def test_a_url_that_names_no_broker_is_answered_with_what_to_type(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        broker_from_url(url)

    assert said in str(caught.value)
