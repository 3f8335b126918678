"""Fresh ids: never the same."""

from uuid import UUID

from fq.runtime.fresh_ids import fresh_id


def test_a_fresh_id_is_a_version_7_uuid_that_begins_with_the_time() -> None:
    fresh = UUID(fresh_id(1_700_000_000_123))

    assert fresh.version == 7
    assert fresh.variant == "specified in RFC 4122"
    assert fresh.int >> 80 == 1_700_000_000_123


def test_fresh_ids_differ_and_sort_by_time() -> None:
    assert len({fresh_id(5) for _ in range(10_000)}) == 10_000
    assert fresh_id(5) < fresh_id(6) < fresh_id(1_700_000_000_123)
