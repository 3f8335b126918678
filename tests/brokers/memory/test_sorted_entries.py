"""`SortedEntries` is a sorted list, whatever is added and removed, and from whatever place it is read."""

from random import Random

import pytest

from fq.brokers.memory.sorted_entries import PART_SIZE, SortedEntries


def filled(numbers: list[int]) -> SortedEntries[str]:
    found: SortedEntries[str] = SortedEntries()
    for number in numbers:
        found.add((number // 10, number, f"v{number}"))
    return found


def shuffled(count: int, seed: int = 1) -> list[int]:
    numbers = list(range(count))
    Random(seed).shuffle(numbers)
    return numbers


def numbers_of(entries: object) -> list[int]:
    return [number for _, number, _ in entries]  # type: ignore[attr-defined]  # entries


@pytest.mark.parametrize("count", [0, 1, 2, 2 * PART_SIZE, 5 * PART_SIZE + 1])
def test_entries_come_in_order_however_they_were_added(count: int) -> None:
    for numbers in (list(range(count)), list(range(count))[::-1], shuffled(count)):
        assert numbers_of(filled(numbers).after(None)) == list(range(count))
        assert numbers_of(filled(numbers).before(None)) == list(range(count))[::-1]


@pytest.mark.parametrize("place", [0, 1, 999, 1_000, 1_001, 2_500, 4_999, 5_000, 6_000])
def test_entries_are_read_from_any_place(place: int) -> None:
    entries = filled(shuffled(5_000))

    assert numbers_of(entries.after((place // 10, place))) == list(range(place + 1, 5_000))
    assert numbers_of(entries.before((place // 10, place))) == list(range(min(place, 5_000)))[::-1]


def test_the_lowest_is_first_until_all_are_gone() -> None:
    entries = filled(shuffled(3_000))
    popped = []
    while first := entries.first():
        assert entries.pop() == first
        popped.append(first[1])

    assert popped == list(range(3_000))
    assert list(entries.after((0, 0))) == list(entries.before((9, 99))) == []


def test_what_is_removed_is_gone_and_leaves_no_empty_part() -> None:
    entries = filled(shuffled(3_000))
    for number in shuffled(3_000, 2)[:2_990]:
        entries.remove((number // 10, number, f"v{number}"))

    assert numbers_of(entries.after(None)) == sorted(shuffled(3_000, 2)[2_990:])
    assert all(entries._parts)
