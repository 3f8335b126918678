"""Text from outside, in names, arguments and errors, changes no terminal and forges no line."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from fq import App
from fq.brokers.records import EnqueueOp
from fq.worker.log_setup import JsonFormatter, TextFormatter
from tests.cli.conftest import Fq

EVIL = "\x1b]0;owned\x07\x1b[2J[red]red[/red]\r\n2030-01-01 00:00:00,000 INFO forged \u202e\x9b31m \udc80"


def raised() -> logging.LogRecord:
    """Return a record of an error whose text is not to be trusted."""
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        return logging.LogRecord("fq", logging.ERROR, __file__, 1, "%s failed", (EVIL,), (type(error), error, error.__traceback__))


def is_text(text: str) -> bool:
    return all(each.isprintable() or each in "\n\t" for each in text)


def is_harmless(text: str) -> bool:
    return is_text(text) and not any(line.startswith("2030") for line in text.splitlines())


@pytest.mark.parametrize(
    "command",
    [
        ("show", "evil"),
        ("dead",),
        ("dead", "--values"),
        ("ls",),
        ("ls", "--values"),
        ("tail", "--no-follow"),
        ("queues",),
        ("doctor",),
        ("workers",),
        ("top", "--once"),
    ],
)
def test_a_dead_letter_of_foreign_text_is_shown_as_text(fq: Fq, work: Callable[[], int], command: tuple[str, ...]) -> None:
    body = json.dumps({"message_id": "evil", "actor_name": "fails", "args": [EVIL[:-1]]}).encode()
    App("sqlite:///jobs.db").broker.enqueue([EnqueueOp("evil", "q" + EVIL[:20], "fails", 0, 0, body)])
    App("sqlite:///jobs.db").broker.enqueue([EnqueueOp("evil2", "default", "fails", 0, 0, b"{" + EVIL[:-1].encode())])
    fq("send", "tasks:app", "log", "x")
    work()
    ran = fq(command[0], "tasks:app", *command[1:])

    assert ran.exit_code in (0, 1)
    assert is_harmless(ran.stdout)
    assert is_harmless(ran.stderr)


@pytest.mark.parametrize(
    "command",
    [
        ("cancel", "tasks:app", EVIL[:-1], "--yes"),
        ("show", "tasks:app", EVIL[:-1]),
        ("pause", "tasks:app", EVIL[:-1]),
        ("purge", "tasks:app", EVIL[:-1], "--yes"),
        ("send", "tasks:app", "add", EVIL[:-1]),
        ("send", "tasks:app", EVIL[:-1]),
        ("stack", "tasks:app", EVIL[:-1]),
        ("stack", "tasks:app", "add", "--with", f"x{EVIL[:-1]}=1"),
        ("doctor", f"tasks{EVIL[:-1]}:app"),
    ],
)
def test_what_was_typed_is_repeated_as_text(fq: Fq, command: tuple[str, ...]) -> None:
    ran = fq(*command)

    assert ran.exit_code != 0 or command[0] == "purge"
    assert is_text(ran.stdout)
    assert is_text(ran.stderr)


def test_the_error_of_a_failed_task_is_printed_as_text(fq: Fq, project: Path) -> None:
    tasks = (project / "tasks.py").read_text()
    (project / "tasks.py").write_text(f"{tasks}\n@app.actor(max_retries=0)\ndef evil() -> int:\n    raise ValueError({EVIL[:-1]!r})\n")
    App("sqlite:///jobs.db").broker.enqueue([EnqueueOp("e", "default", "evil", 0, 0, b'{"message_id":"e","actor_name":"evil"}')])
    fq("queues", "tasks:app")
    import sys

    sys.modules["tasks"].app.run_until_idle()

    for command in (("show", "tasks:app", "e"), ("dead", "tasks:app")):
        assert "owned" in fq(*command).stdout
        assert is_harmless(fq(*command).stdout)


def test_a_record_of_the_text_log_cannot_look_like_two() -> None:
    text = TextFormatter("%(asctime)s %(message)s").format(raised())

    assert is_harmless(text)
    assert "forged" in text
    assert all(line.startswith("  ") for line in text.splitlines()[1:])


def test_a_record_of_the_json_log_is_one_line_of_ascii() -> None:
    text = JsonFormatter().format(raised())

    assert text.isascii()
    assert text.isprintable()
    assert EVIL in json.loads(text)["message"]
