"""When a turn would find nothing new: its worker is registered as waiting, and nothing has woken it since."""

from fq.brokers.redis.wait_registrations import WaitRegistrations

QUEUES = ("q", "r")


def registered(idle_ms: int = 60_000) -> WaitRegistrations:
    found = WaitRegistrations()
    found.add("w", QUEUES, idle_ms, found.wakes_of("w"))
    return found


def test_it_is_quiet_until_something_falls_due() -> None:
    assert 59_000 < registered().ms_of_quiet("w", QUEUES) <= 60_000
    assert registered(0).ms_of_quiet("w", QUEUES) == 0


def test_it_is_not_quiet_for_others() -> None:
    assert registered().ms_of_quiet("v", QUEUES) == 0
    assert registered().ms_of_quiet("w", ("q",)) == 0
    assert registered().of("w", ("r", "q")) is None


def test_it_is_not_quiet_after_a_wake_up() -> None:
    found = registered()
    found.note_wake("v")
    assert found.ms_of_quiet("w", QUEUES) > 0

    found.note_wake("w")
    assert found.ms_of_quiet("w", QUEUES) == 0
    assert found.of("w", QUEUES) is not None, "the server may know it still"


def test_it_is_not_quiet_if_a_wake_up_overtakes_the_reply_that_it_is_registered() -> None:
    found = WaitRegistrations()
    wakes = found.wakes_of("w")
    found.note_wake("w")
    found.add("w", QUEUES, 60_000, wakes)

    assert found.ms_of_quiet("w", QUEUES) == 0


def test_all_are_forgotten_with_those_that_calls_under_way_ask_for() -> None:
    found = registered()
    wakes = found.wakes_of("v")
    assert found.drop_all() == ["w"]
    found.add("v", QUEUES, 60_000, wakes)

    assert "w" not in found
    assert found.ms_of_quiet("v", QUEUES) == 0
