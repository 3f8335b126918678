"""``fq doctor`` on Redis and Valkey: sick servers, each with what is found and what to do about it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fq.brokers.records import ClaimRequest
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.diagnostics import clock_finding, server_findings
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.servers import FLAVOURS, Server, binaries
from tests.cli.conftest import Fq
from tests.free_port import free_port

APP = """
from fq import App
from fq.brokers.redis import RedisBroker
app = App(broker=RedisBroker({url!r}, patience=300))
"""

INFO = {"redis_version": "7.0.15", "role": "master", "maxmemory_policy": "noeviction", "aof_enabled": "1"}
SETTINGS = {"maxmemory-policy": "noeviction", "appendfsync": "everysec", "save": ""}
MINUTE = 60_000

Look = Callable[[str], tuple[int, dict[str, Any]]]


@pytest.fixture(params=FLAVOURS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of one's own, sound but for its persistence."""
    if request.param not in binaries():
        pytest.skip(f"no {request.param} here: {FLAVOURS[request.param]}")
    server = Server(request.param).start()
    yield server
    server.remove()


@pytest.fixture
def look(fq: Fq, project: Path) -> Look:
    """Let the doctor look at the broker of a URL; returns the exit code, and the findings by what they are about."""

    def looked(url: str) -> tuple[int, dict[str, Any]]:
        (project / "sick.py").write_text(APP.format(url=url))
        ran = fq("doctor", "sick:app", "--json")
        return ran.exit_code, {finding["what"]: finding for finding in json.loads(ran.stdout)}

    return looked


def levels(findings: dict[str, Any], *what: str) -> list[str]:
    return [findings[each]["level"] for each in what]


# Settings of a server.


def test_a_sound_server_is_good(look: Look, server: Server) -> None:
    with server.client() as client:
        client.config_set("appendonly", "yes")
        client.config_set("appendfsync", "always")
    code, findings = look(server.url)

    assert code == 0
    assert {finding["level"] for what, finding in findings.items() if what != "workers"} == {"good"}
    assert findings["server"]["found"].startswith(server.url)
    assert findings["persistence"]["found"] == "append-only file, appendfsync always"


def test_a_server_that_may_evict_messages_is_bad(look: Look, server: Server) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    code, findings = look(server.url)

    assert (code, findings["eviction"]["level"]) == (1, "bad")
    assert findings["eviction"]["advice"] == "CONFIG SET maxmemory-policy noeviction"


def test_a_server_that_keeps_nothing_is_worth_a_warning(look: Look, server: Server) -> None:
    code, findings = look(server.url)

    assert (code, findings["persistence"]["level"]) == (0, "warn")
    assert findings["persistence"]["found"] == "none: a restart of the server loses everything"


def test_a_server_that_keeps_snapshots_only_is_worth_a_warning(look: Look, server: Server) -> None:
    with server.client() as client:
        client.config_set("save", "3600 1")
    _, findings = look(server.url)

    assert findings["persistence"]["level"] == "warn"
    assert "snapshots only (3600 1)" in findings["persistence"]["found"]


def test_a_server_that_is_nearly_full_is_worth_a_warning(look: Look, server: Server) -> None:
    with server.client() as client:
        for number in range(200):
            client.set(f"ballast{number}", b"x" * 100_000)
        client.config_set("maxmemory", str(int(client.info("memory")["used_memory"] * 1.05)))
    code, findings = look(server.url)

    assert (code, findings["memory"]["level"]) == (0, "warn")
    assert "raise maxmemory" in findings["memory"]["advice"]


def test_a_replica_is_bad(look: Look, server: Server) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", free_port())
    code, findings = look(server.url)

    assert (code, findings["role"]["level"]) == (1, "bad")
    assert findings["role"]["advice"] == "give the URL of the primary, or use redis+sentinel://"


# What a server does not let us ask.


def limited(server: Server, *rules: str) -> str:
    """Make a user of these permissions, and return the URL to use."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "fq", "on", ">secret", "~{fq}:*", "resetchannels", "&{fq}:*", *rules)
    return f"redis://fq:secret@127.0.0.1:{server.port}/0"


USUAL = ("+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "+time", "-@dangerous")


def test_settings_that_are_not_told_are_worth_a_warning_where_nothing_else_tells(look: Look, server: Server) -> None:
    code, findings = look(limited(server, *USUAL, "+info"))

    assert code == 0
    assert levels(findings, "server", "role", "eviction", "memory", "persistence", "keys") == ["good"] * 4 + ["warn", "good"]
    assert findings["persistence"]["found"] == "no append-only file; the server does not reveal whether it takes snapshots"


def test_a_server_that_says_nothing_of_itself_is_bad_and_its_queues_are_looked_at_all_the_same(look: Look, server: Server) -> None:
    broker = RedisBroker(server.url)
    broker.enqueue([enqueue_op("m")])
    broker.close()
    code, findings = look(limited(server, *USUAL))

    assert code == 1
    assert levels(findings, "server", "clock", "keys", "workers", "queue q") == ["bad", "good", "good", "bad", "bad"]
    assert "info" in findings["server"]["found"].lower()
    assert findings["server"]["advice"] == "check user, password and permissions"
    assert "secret" not in json.dumps(findings)


def test_a_user_who_may_run_no_scripts_is_told_before_a_worker_fails(look: Look, server: Server) -> None:
    code, findings = look(limited(server, *USUAL, "+info", "-@scripting"))

    assert code == 1
    assert levels(findings, "server", "keys") == ["good", "bad"]


def test_a_wrong_password_is_exit_code_3_with_the_reason_as_json(look: Look, server: Server) -> None:
    code, findings = look(f"redis://:wrong@127.0.0.1:{server.port}/0")

    assert (code, findings["broker"]["level"]) == (3, "bad")
    assert "does not let fq in" in findings["broker"]["found"]
    assert "wrong@" not in json.dumps(findings)


# What else goes wrong.


def test_a_server_that_is_down_is_exit_code_3_with_the_reason_as_json(look: Look) -> None:
    code, findings = look(f"redis://127.0.0.1:{free_port()}/0")

    assert (code, list(findings), findings["broker"]["level"]) == (3, ["broker"], "bad")
    assert findings["broker"]["advice"] == "start it, or check the URL"


def test_without_an_app_the_server_of_the_environment_is_looked_at(fq: Fq, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FQ_URL", server.url)
    ran = fq("doctor")

    assert ran.exit_code == 0
    assert ran.stdout.startswith(f"{server.url}\n")
    assert f"{server.url}, from $FQ_URL" in ran.stdout


@pytest.mark.parametrize("key", ["{fq}:messages", "{fq}:leases", "{fq}:queues", "{fq}:ready:q"])
def test_a_key_of_another_type_is_bad_and_what_was_learnt_before_is_kept(look: Look, server: Server, key: str) -> None:
    broker = RedisBroker(server.url)
    broker.enqueue([enqueue_op("m")])
    broker.turn((), ClaimRequest("w", ("r",), 0, lease=MINUTE))
    broker.close()
    with server.client() as client:
        client.delete(key)
        client.lpush(key, "element")
    code, findings = look(server.url)
    wrong = [finding for finding in findings.values() if "WRONGTYPE" in finding["found"]]

    assert code == 1
    assert levels(findings, "server", "eviction", "clock") == ["good"] * 3
    assert {finding["level"] for finding in wrong} == {"bad"}
    assert {finding["advice"] for finding in wrong} == {"something else writes to these keys: give fq a namespace of its own"}


def test_messages_whose_workers_are_gone_are_bad(look: Look, server: Server) -> None:
    broker = RedisBroker(server.url)
    broker.offset = -10 * MINUTE
    broker.turn((), ClaimRequest("gone", ("q",), 0, lease=MINUTE))
    broker.enqueue([enqueue_op("m")])
    broker.close()
    code, findings = look(server.url)

    assert code == 1
    assert levels(findings, "workers", "leases", "queue q") == ["bad", "warn", "bad"]


def test_clocks_that_differ_are_worth_a_warning() -> None:
    ahead, behind, together = (
        clock_finding(10 * MINUTE, 5 * MINUTE),
        clock_finding(5 * MINUTE, 10 * MINUTE),
        clock_finding(MINUTE + 200, MINUTE),
    )

    assert (ahead.level, ahead.found) == ("warn", "the server's clock is 300000 ms ahead of this host's")
    assert (behind.level, behind.found) == ("warn", "the server's clock is 300000 ms behind this host's")
    assert together.level == "good"


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"redis_version": "6.0.16"}, "bad"),
        ({"redis_version": "6.2.0"}, "good"),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.1"}, "good"),
    ],
)
def test_a_server_that_is_too_old_is_bad(info: dict[str, str], level: str) -> None:
    version, *_ = server_findings({**INFO, **info}, SETTINGS, "redis://h")

    assert (version.what, version.level) == ("server", level)


def test_what_neither_info_nor_config_tells_is_worth_a_warning() -> None:
    told = {finding.what: finding for finding in server_findings({"redis_version": "7.0.0", "aof_enabled": "1"}, {}, "redis://h")}

    assert told["eviction"].level == "warn"
    assert told["persistence"].found.startswith("append-only file, appendfsync unknown")
