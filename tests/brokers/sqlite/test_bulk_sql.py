"""SQLite: many rows in one statement, and bodies that are too large for that."""

from fq.brokers import SqliteBroker
from fq.brokers.sqlite.bulk_sql import MAX_BYTES_PER_STATEMENT, MAX_ROWS_PER_STATEMENT, pack_rows, split_bodies
from tests.brokers.builders import claim, enqueue_op


def test_bodies_are_packed_into_as_few_pieces_as_sqlite_takes() -> None:
    many = [(b"ab", (number,)) for number in range(MAX_ROWS_PER_STATEMENT + 1)]
    large = [(b"x" * (MAX_BYTES_PER_STATEMENT // 2), (number,)) for number in range(3)]

    assert [rows.count("[") - 1 for rows, _ in pack_rows(many)] == [MAX_ROWS_PER_STATEMENT, 1]
    assert [rows.count("[") - 1 for rows, _ in pack_rows(large)] == [1, 1, 1] or [rows.count("[") - 1 for rows, _ in pack_rows(large)] == [
        2,
        1,
    ]
    assert list(pack_rows([])) == []
    assert list(split_bodies(b"", [])) == []


def test_a_body_too_large_for_the_bundle_comes_by_itself(broker: SqliteBroker) -> None:
    large = bytes(range(256)) * 1_024
    broker.enqueue(
        [enqueue_op("a", body=b"a"), enqueue_op("large", body=large), enqueue_op("b", body=b"b"), enqueue_op("large2", body=large[::-1])]
    )

    assert [delivery.body for delivery in claim(broker)] == [b"a", large, b"b", large[::-1]]
