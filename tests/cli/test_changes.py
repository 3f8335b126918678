"""``fq retry``, ``fq promote`` and ``fq discard``: one message, or all that are selected."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import EnqueueOp
from tests.cli.conftest import Fq, die, sent


def test_dead_letters_are_retried_by_id_without_a_question(fq: Fq, broker: Broker) -> None:
    message_id = die(fq, broker)

    assert fq("retry", "tasks:app", message_id, "--yes").stdout == "1 message retried\n"
    assert broker.status(message_id).state == "ready"


def test_what_is_selected_is_counted_and_asked_about(fq: Fq, broker: Broker) -> None:
    ids = [die(fq, broker), die(fq, broker)]
    ran = fq("retry", "tasks:app", "--error", "ValueError")  # nothing answers the question

    assert ran.exit_code == 1
    assert "Retry 2 messages of sqlite:///" in ran.stderr
    assert {broker.status(each).state for each in ids} == {"dead"}
    assert fq("retry", "tasks:app", "--error", "KeyError", "--yes").stdout == "0 messages retried\n"
    assert fq("retry", "tasks:app", "--error", "ValueError", "--actor", "fails", "--yes").stdout == "2 messages retried\n"
    assert {broker.status(each).state for each in ids} == {"ready"}


def test_a_delayed_message_is_promoted(fq: Fq, broker: Broker) -> None:
    message_id = sent(fq, "add", "1", "--delay", "60000")

    assert fq("promote", "tasks:app", "--queue", "default", "--yes").stdout == "1 message promoted\n"
    assert broker.status(message_id).state == "ready"


def test_messages_are_discarded_in_one_state_only(fq: Fq, broker: Broker) -> None:
    dead, ready, delayed = die(fq, broker), sent(fq, "add", "1"), sent(fq, "add", "1", "--delay", "60000")

    assert fq("discard", "tasks:app", "--all", "--yes").stdout == "1 message discarded\n"
    assert [broker.status(each).state for each in (dead, ready, delayed)] == ["done", "ready", "delayed"]  # its result is kept
    assert fq("discard", "tasks:app", "--all", "--state", "delayed", "--yes").stdout == "1 message discarded\n"
    assert fq("discard", "tasks:app", ready, "--yes").stdout == "1 message discarded\n"
    assert broker.queues()[0].ready == 0


@pytest.mark.parametrize("command", ["retry", "promote", "discard"])
def test_what_could_not_be_changed_is_said_with_exit_code_1(command: str, fq: Fq) -> None:
    ran = fq(command, "tasks:app", "no-such-id", "--yes")

    assert ran.exit_code == 1
    assert ran.stdout.startswith("0 messages ")
    assert ran.stdout.endswith("; 1 message could not be\n")


@pytest.mark.parametrize("arguments", [(), ("some-id", "--all")])
def test_ids_or_a_selection_but_not_both(arguments: tuple[str, ...], fq: Fq) -> None:
    ran = fq("discard", "tasks:app", *arguments)

    assert ran.exit_code == 2
    assert "expected one of them: ids, or --queue, --actor, --error, --tag or --all" in ran.stderr


def test_a_thousand_and_more_are_changed_in_batches(fq: Fq, broker: Broker) -> None:
    broker.enqueue([EnqueueOp(f"m{n}", "default", "add", 0, 0, b"{}") for n in range(1_005)])

    assert fq("discard", "tasks:app", "--state", "ready", "--actor", "add", "--yes").stdout == "1005 messages discarded\n"


@pytest.mark.parametrize(("command", "done"), [("promote", "promoted"), ("cancel", "cancelled"), ("discard", "discarded")])
def test_a_message_that_is_named_twice_is_changed_once(command: str, done: str, fq: Fq) -> None:
    message_id = sent(fq, "add", "1", "--delay", "60000")
    ran = fq(command, "tasks:app", message_id, "no-such-id", message_id, "--yes")

    assert ran.stdout == f"1 message {done}; 1 message could not be\n"
    assert ("no-such-id neither waits nor runs" in ran.stderr) == (command == "cancel")


def test_many_messages_are_cancelled_in_few_transactions(fq: Fq, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.enqueue([EnqueueOp(f"m{number}", "default", "add", 0, 0, b"{}") for number in range(50)])
    calls: list[int] = []
    cancel_all = type(broker).cancel_all

    def counted(self: Broker, message_ids: list[str], groups: tuple[str, ...] = ()) -> int:
        calls.append(len(message_ids))
        return cancel_all(self, message_ids, groups)

    monkeypatch.setattr(type(broker), "cancel_all", counted)

    assert fq("cancel", "tasks:app", "--all", "--state", "ready", "--yes").stdout == "50 messages cancelled\n"
    assert calls == [50]
