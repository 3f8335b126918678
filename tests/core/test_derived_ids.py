"""Ids and jitter that follow from the id of a message: the same every time."""

from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fq.core.derived_ids import child_id, jitter

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy

IDENTITY = st.lists(st.one_of(st.text(), st.integers()), min_size=1)


@patient
@given(st.text(), IDENTITY)
def test_a_child_id_is_the_same_every_time_and_a_uuid(message_id: str, path: list[object]) -> None:
    assert child_id(message_id, *path) == child_id(message_id, *path)
    assert str(UUID(child_id(message_id, *path))) == child_id(message_id, *path)


def test_child_ids_differ_by_parent_and_by_path() -> None:
    ids = {
        child_id(parent, *path)
        for parent in ("m1", "m2", "m")
        for path in ((), ("pipe",), ("pipe", 1), ("pipe", 2), ("1", "pipe"), ("group", 1))
    }

    assert len(ids) == 18


def test_child_ids_do_not_change_between_versions() -> None:
    assert child_id("m1", "pipe") == "eab2a3c7-f4ac-baa5-da56-36be0c8b0e81"


@patient
@given(IDENTITY)
def test_jitter_is_a_fraction_that_is_the_same_every_time(identity: list[object]) -> None:
    assert 0 <= jitter(*identity) < 1
    assert jitter(*identity) == jitter(*identity)


def test_jitter_is_spread_evenly() -> None:
    buckets = [0] * 10
    for n in range(10_000):
        buckets[int(10 * jitter(f"message-{n}", 3))] += 1

    assert min(buckets) > 850
    assert max(buckets) < 1_150
