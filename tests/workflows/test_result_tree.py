"""`ResultTree`: what the arrivals of a group add up to."""

import pytest
from returns.result import Success

from fq.workflows.nodes import Pipeline, arrival_shape, end_count, end_shape, result_ids, start_ids, start_shape
from fq.workflows.result_tree import Arrival, ResultTree

A: dict[str, object] = {"actor_name": "a"}


def failed(by: str = "a m1", depth: int = 1) -> Arrival:
    return {"type": "ValueError", "message": "no", "by": by, "depth": depth}


FAULT = {"type": "ValueError", "message": "no"}


@pytest.mark.parametrize(
    ("shape", "arrivals", "results"),
    [
        (["fail"], [], []),
        (["fail", 2], [[1], [[2]]], [1, [2]]),
        (["fail", 1, ["fail", 2], 1], [[1], [2], [3], [4]], [1, [2, 3], 4]),
        (["collect", 2], [[1], failed()], [1, FAULT]),
        (["collect", 1, ["fail", 2]], [[1], failed(depth=1), failed(depth=1)], [1, FAULT]),
        (["fail", ["collect", 2]], [[1], failed(depth=2)], [[1, FAULT]]),
    ],
)
def test_results_nest_as_the_members_do(shape: list[object], arrivals: list[Arrival], results: list[object]) -> None:
    assert ResultTree.of(shape, arrivals).results() == Success(results)


@pytest.mark.parametrize(
    ("shape", "arrivals", "text"),
    [
        (["fail", 2], [[1], failed("b m2")], "1 of 2 members failed: b m2: ValueError: no"),
        (["fail", 7], [failed()] * 7, f"7 of 7 members failed: {'; '.join(['a m1: ValueError: no'] * 5 + ['and 2 more'])}"),
        (
            ["fail", ["fail", 2], 1],
            [failed(depth=2), [2], [3]],
            "1 of 2 members failed: a group: GroupFailed: 1 of 2 members failed: a m1: ValueError: no",
        ),
    ],
)
def test_a_group_that_fails_names_the_members_that_did(shape: list[object], arrivals: list[Arrival], text: str) -> None:
    assert str(ResultTree.of(shape, arrivals).results().failure()) == text


def test_a_step_that_failed_before_an_inner_group_is_one_failure() -> None:
    tree = ResultTree.of(["fail", 1, ["collect", 3]], [[1], failed(), failed(), failed()])

    assert str(tree.results().failure()) == "1 of 2 members failed: a m1: ValueError: no"


def test_a_group_that_collects_fails_all_the_same_if_it_never_began() -> None:
    tree = ResultTree.of(["collect", 2], [failed(depth=0), failed(depth=0)])

    assert str(tree.results().failure()).startswith("2 of 2 members failed")


@pytest.mark.parametrize(
    ("pipeline", "ends", "starts"),
    [
        ([A], 1, 1),
        ([A, {"members": [A, A]}], ["fail", 2], 1),
        ([{"members": [A, [A, {"members": [A, A], "policy": "collect"}]]}, A], 1, [2]),
        ([{"members": [A, {"members": [A]}, A]}], ["fail", 1, ["fail", 1], 1], [1, [1], 1]),
        ([A, {"members": []}], 1, 1),
        ([{"members": []}], ["fail"], []),
    ],
)
def test_shapes_say_where_a_pipeline_ends_and_starts(pipeline: Pipeline, ends: object, starts: object) -> None:
    assert (end_shape(pipeline), start_shape(pipeline)) == (ends, starts)
    assert len(list(result_ids(pipeline, "m"))) == end_count(ends) or pipeline[-1] == {"members": []}
    assert list(start_ids(starts, "m")) == list(dict.fromkeys(start_ids(starts, "m")))


def test_the_shape_of_a_group_begins_with_its_policy() -> None:
    assert arrival_shape({"members": [A, A], "policy": "collect"}) == ["collect", 2]
