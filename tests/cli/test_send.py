"""``fq send``."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Fq


def sent(fq: Fq, *arguments: str) -> str:
    """Send a message and return its id."""
    ran = fq("send", "tasks:app", *arguments)
    assert (ran.exit_code, ran.stderr) == (0, "")
    return ran.stdout.strip()


def test_a_message_is_sent_and_its_id_printed(fq: Fq, work: Callable[[], int]) -> None:
    message_id = sent(fq, "add", "1", "2")

    assert sys.modules["tasks"].app.broker.status(message_id).state == "ready"
    assert work() == 1
    assert sys.modules["tasks"].app.broker.result(message_id) == b'{"value":3}'


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (("add", "1"), b'{"value":11}'),
        (("add", "--kwargs", '{"a": 1, "b": 2}'), b'{"value":3}'),
        (("add", "--", "-1", "2"), b'{"value":1}'),
        (("send_mail", "a@example.com"), b'{"value":"a@example.com: none"}'),
        (("send_mail", '"1"', "--kwargs", '{"subject": "hi"}'), b'{"value":"1: hi"}'),
        (("ship", '{"number": 1, "price": "9.99"}'), b'{"value":[{"number":1,"price":"9.99"},"2030-01-31"]}'),
    ],
)
def test_arguments_are_json_or_else_text(fq: Fq, work: Callable[[], int], arguments: tuple[str, ...], result: bytes) -> None:
    message_id = sent(fq, *arguments)
    work()

    assert sys.modules["tasks"].app.broker.result(message_id) == result


def test_a_delay_is_kept(fq: Fq) -> None:
    message_id = sent(fq, "add", "1", "--delay", "60000")

    assert sys.modules["tasks"].app.broker.status(message_id).state == "delayed"


def test_as_json_the_id_is_an_object(fq: Fq) -> None:
    printed = json.loads(fq("send", "tasks:app", "add", "1", "--json").stdout)

    assert list(printed) == ["message_id"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("addd", "1"), "no actor called addd: did you mean add?"),
        (("unheard",), "no actor called unheard; the app declares add, send_mail, log, fails, ship"),
        (("add", "one"), "add(a, b): a: expected int, found 'one'"),
        (("add",), "add() missing a required argument: 'a'"),
        (("add", "1", "2", "3"), "add() takes from 1 to 2 positional arguments but 3 were given"),
        (("add", "1", "--kwargs", '{"c": 3}'), "add() got an unexpected keyword argument 'c'"),
        (("add", "1", "--kwargs", "[1]"), "--kwargs: found [1], expected a JSON object"),
        (("add", "1", "--kwargs", "b=2"), "--kwargs: found b=2, expected a JSON object"),
        (("ship", '{"number": 1}'), "ship(order): order.price: expected Decimal, found nothing"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_sent(fq: Fq, arguments: tuple[str, ...], said: str, project: Path) -> None:
    ran = fq("send", "tasks:app", *arguments)

    assert (ran.exit_code, ran.stdout, ran.stderr) == (2, "", f"Error: {said}\n")
    assert not (project / "jobs.db").exists()


def while_working(fq: Fq, *arguments: str) -> tuple[int, str, str]:
    """Send a message while a worker runs in this process, and return what ``fq send`` says."""
    fq("stack", "tasks:app", "add")  # imports the application
    with sys.modules["tasks"].app.worker(threads=1):
        ran = fq("send", "tasks:app", *arguments, "--wait", "20000")
    return ran.exit_code, ran.stdout, ran.stderr


def test_waiting_prints_the_result_as_json(fq: Fq) -> None:
    assert while_working(fq, "add", "1", "2") == (0, "3\n", "")


def test_a_typed_result_is_printed_in_its_wire_form(fq: Fq) -> None:
    code, out, _ = while_working(fq, "ship", '{"number": 1, "price": "9.99"}', "--json")
    printed = json.loads(out)

    assert code == 0
    assert printed["succeeded"] is True
    assert printed["result"] == [{"number": 1, "price": "9.99"}, "2030-01-31"]


def test_a_task_that_fails_is_exit_code_1_and_one_line(fq: Fq) -> None:
    assert while_working(fq, "fails") == (1, "", "Error: the task failed with ValueError: out of paper\n")


def test_a_task_that_fails_is_json_too(fq: Fq) -> None:
    code, out, err = while_working(fq, "fails", "--json")
    printed = json.loads(out)

    assert (code, err) == (1, "")
    assert (printed["succeeded"], printed["error"]) == (False, "the task failed with ValueError: out of paper")


def test_an_actor_that_stores_nothing_cannot_be_waited_for(fq: Fq) -> None:
    ran = fq("send", "tasks:app", "log", "hello", "--wait", "5000")

    assert (ran.exit_code, ran.stderr) == (
        1,
        "Error: log stores no results: annotate its return type, or declare it with store_results=True\n",
    )


def test_waiting_in_vain_is_exit_code_1(fq: Fq) -> None:
    ran = fq("send", "tasks:app", "add", "1", "--wait", "20")

    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: no result of add ")
    assert ran.stderr.endswith(" within 20 ms: does a worker run? fq doctor and handle.status() say\n")


@pytest.mark.parametrize(
    ("actor", "arguments", "result"),
    [
        ("send_mail", ("12345",), b'{"value":"12345: none"}'),
        ("send_mail", ("null",), b'{"value":"null: none"}'),
        ("send_mail", ("1e5",), b'{"value":"1e5: none"}'),
        ("send_mail", ("[1,2]",), b'{"value":"[1,2]: none"}'),
        ("send_mail", ('{"a": 1}',), b'{"value":"{\\"a\\": 1}: none"}'),
        ("send_mail", ("007",), b'{"value":"007: none"}'),
        ("add", ("5",), b'{"value":15}'),
    ],
)
def test_text_that_looks_like_json_is_text_where_the_annotation_says_so(
    fq: Fq, work: Callable[[], int], actor: str, arguments: tuple[str, ...], result: bytes
) -> None:
    message_id = sent(fq, actor, *arguments)
    work()

    assert sys.modules["tasks"].app.broker.result(message_id) == result


def test_json_that_fits_no_better_than_text_is_refused_for_what_is_wrong_in_it(fq: Fq) -> None:
    ran = fq("send", "tasks:app", "ship", '{"number": "one", "price": "9.99"}')

    assert ran.exit_code == 2
    assert "order.number: expected int, found 'one'" in ran.stderr


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
def test_an_argument_that_is_nested_too_deeply_is_one_line(fq: Fq, depth: int) -> None:
    for arguments in (("add", "[" * depth + "]" * depth), ("add", "--kwargs", '{"a": ' + "[" * depth + "]" * depth + "}")):
        ran = fq("send", "tasks:app", *arguments)

        assert ran.exit_code == 2
        assert ran.stderr.count("\n") == 1
