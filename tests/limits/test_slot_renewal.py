"""Slots that are held are renewed; slots of processes that died are not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fq import ConcurrentRateLimiter
from fq.brokers import SqliteBroker
from fq.errors import BrokerUnavailable
from fq.limits import Limits, Slot, Slots, limiter_backend
from fq.limits.slot_renewal import SlotRenewal
from tests.limits.stores import Backend


def is_free(limits: Limits, ttl: int) -> bool:
    with ConcurrentRateLimiter(limits, "mutex", ttl=ttl).acquire(raise_on_failure=False) as acquired:
        return acquired


def test_a_slot_may_be_held_for_longer_than_its_ttl(live: Backend):
    other = live.another()
    with ConcurrentRateLimiter(live.limits, "mutex", ttl=300).acquire():
        seen = []
        until = time.monotonic() + 1
        while time.monotonic() < until:
            seen.append(is_free(other, 300))
            time.sleep(0.01)

    assert not any(seen)
    assert is_free(other, 300)


HOLDER = """
import sys, time
from fq import ConcurrentRateLimiter
with ConcurrentRateLimiter(sys.argv[1], "mutex", ttl=int(sys.argv[2])).acquire():
    print("holding", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_process_that_is_killed_frees_its_slot_after_the_ttl(kind: str, tmp_path: Path, request: pytest.FixtureRequest):
    url = f"sqlite:///{tmp_path}/fq.db" if kind == "sqlite" else request.getfixturevalue("redis_url")
    limits = limiter_backend(url)
    with subprocess.Popen([sys.executable, "-c", HOLDER, url, "1000"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(1.2)

        assert not is_free(limits, 1_000)
        os.kill(process.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while not is_free(limits, 1_000):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_slot_that_lapsed_is_reported_when_it_is_given_back(backend: Backend, caplog: pytest.LogCaptureFixture):
    slot = backend.limits.take("mutex", Slots(1, 1_000_000))
    backend.advance(1_000_000)
    assert isinstance(slot, Slot)
    backend.limits.give_back(slot)

    assert "a slot of slots:mutex had expired, or was taken over, before it was given back" in caplog.text


def test_a_slot_that_cannot_be_renewed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    limits = limiter_backend(SqliteBroker(tmp_path / "fq.db"))
    renew, failures = limits.store.renew, iter([BrokerUnavailable("gone"), BrokerUnavailable("gone")])

    def flaky(slot: Slot) -> bool:
        for failure in failures:
            raise failure
        renewed.append(slot)
        return renew(slot)

    renewed: list[Slot] = []
    monkeypatch.setattr(limits.store, "renew", flaky)
    with ConcurrentRateLimiter(limits, "mutex", ttl=600).acquire():
        until = time.monotonic() + 10
        while not renewed and time.monotonic() < until:
            time.sleep(0.01)

    assert renewed
    assert caplog.text.count("could not be renewed, trying again: gone") == 2


def test_only_what_is_due_is_renewed_and_nothing_that_was_let_go():
    renewed: list[str] = []
    renewal = SlotRenewal(lambda slot: renewed.append(slot.key))
    long, short, gone = Slot("long", "a", "a", 60_000), Slot("short", "a", "a", 90), Slot("gone", "a", "a", 90)
    for slot in (long, short, gone):
        renewal.hold(slot)
    renewal.drop(gone)
    until = time.monotonic() + 10
    while len(renewed) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    renewal.drop(short)
    count = len(renewed)
    time.sleep(0.1)

    assert set(renewed) == {"short"}
    assert len(renewed) <= count + 1


def test_the_thread_ends_when_nothing_has_been_held_for_a_while_and_starts_again():
    renewed: list[str] = []
    renewal = SlotRenewal(lambda slot: renewed.append(slot.key), idle_seconds=0.01)
    for key in ("first", "second"):
        slot = Slot(key, "a", "a", 30)
        renewal.hold(slot)
        until = time.monotonic() + 10
        while key not in renewed and time.monotonic() < until:
            time.sleep(0.01)
        renewal.drop(slot)
        while renewal._thread is not None and time.monotonic() < until:
            time.sleep(0.01)

        assert renewal._thread is None

    assert {"first", "second"} == set(renewed)


def test_a_forked_child_renews_nothing_of_its_parent():
    """The process id shows the fork: the parent's thread does not run in the child, and the child does not hold the parent's slots."""
    renewal = SlotRenewal(lambda slot: None)
    renewal.reserve("mutex", "m1")
    renewal._due[Slot("mutex", "m1", "t", 60_000)] = 0.0
    renewal._pid = -1  # as a child finds it

    assert renewal.reserve("mutex", "m1")
    assert renewal._due == {}
