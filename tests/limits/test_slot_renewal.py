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
from tests.processes import running
from tests.wait_until import wait_until


def is_free(limits: Limits, ttl: int) -> bool:
    with ConcurrentRateLimiter(limits, "mutex", ttl=ttl).acquire(raise_on_failure=False) as acquired:
        return acquired


def renewals(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> list[Slot]:
    """Return a list that gets each slot of *limits* that is renewed."""
    renewed: list[Slot] = []
    renew = limits.store.renew

    def noted(slot: Slot) -> bool:
        found = renew(slot)
        renewed.append(slot)
        return found

    monkeypatch.setattr(limits.store, "renew", noted)
    return renewed


def test_a_slot_may_be_held_for_longer_than_its_ttl(backend: Backend, monkeypatch: pytest.MonkeyPatch):
    other, renewed = backend.another(), renewals(backend.limits, monkeypatch)
    with ConcurrentRateLimiter(backend.limits, "mutex", ttl=90).acquire():
        for _ in range(4):
            backend.advance(60)
            count = len(renewed)
            wait_until(lambda: len(renewed) >= count + 2)  # noqa: B023  # called at once. The first may have begun before

            assert not is_free(other, 90)

    assert is_free(other, 90)


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
    with running([sys.executable, "-c", HOLDER, url, "2000"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()

        assert not is_free(limits, 2_000)
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: is_free(limits, 2_000))


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
        wait_until(lambda: renewed)

    assert caplog.text.count("could not be renewed, trying again: gone") == 2


def test_only_what_is_due_is_renewed_and_nothing_that_was_let_go():
    renewed: list[str] = []
    renewal = SlotRenewal(lambda slot: renewed.append(slot.key))
    long, short, gone = Slot("long", "a", "a", 60_000), Slot("short", "a", "a", 90), Slot("gone", "a", "a", 90)
    for slot in (long, short, gone):
        renewal.hold(slot)
    renewal.drop(gone)
    wait_until(lambda: len(renewed) >= 3)
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
        wait_until(lambda: key in renewed)  # noqa: B023  # called at once
        renewal.drop(slot)
        wait_until(lambda: renewal._thread is None)

    assert {"first", "second"} == set(renewed)


def test_a_forked_child_renews_nothing_of_its_parent():
    """The process id shows the fork: the parent's thread does not run in the child, and the child does not hold the parent's slots."""
    renewal = SlotRenewal(lambda slot: None)
    renewal.reserve("mutex", "m1")
    renewal._due[Slot("mutex", "m1", "t", 60_000)] = 0.0
    renewal._pid = -1  # as a child finds it

    assert renewal.reserve("mutex", "m1")
    assert renewal._due == {}
