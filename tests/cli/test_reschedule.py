"""``fq reschedule``, and what ``fq dead --requeue`` says of dead letters whose keys are held."""

from datetime import UTC, datetime, timedelta

import pytest

from fq import App
from fq.brokers.memory import MemoryBroker
from fq.cli.dead import Refusals
from tests.cli.conftest import Fq, sent


@pytest.mark.parametrize("arguments", [("--now",), ("--delay", "0"), ("--at", "1999-01-01T00:00+00:00")], ids=str)
def test_a_delayed_message_is_made_ready(fq: Fq, broker, arguments: tuple[str, ...]) -> None:
    message_id = sent(fq, "add", "1", "--delay", "60000")

    assert fq("reschedule", "tasks:app", message_id, *arguments).exit_code == 0
    assert broker.status(message_id).state == "ready"


def test_messages_get_another_time_and_priority(fq: Fq, broker) -> None:
    ids = [sent(fq, "add", "1"), sent(fq, "add", "2", "--delay", "60000")]
    at = datetime.now(UTC) + timedelta(days=1)

    assert fq("reschedule", "tasks:app", *ids, "--at", at.isoformat(), "--priority", "-4").exit_code == 0
    for message_id in ids:
        entry = broker.peek(message_id)
        assert (entry.status.state, entry.priority) == ("delayed", -4)
        assert abs(entry.status.due - at.timestamp() * 1_000) < 5_000


def test_a_message_that_does_not_wait_is_exit_code_1(fq: Fq) -> None:
    ran = fq("reschedule", "tasks:app", "nobody", "--now")

    assert (ran.exit_code, ran.stderr) == (1, "nobody does not wait: it is unknown\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "found nothing to change, expected --now, --delay, --at or --priority"),
        (("--now", "--delay", "5"), "found more than one of --now, --delay and --at"),
        (("--at", "tomorrow"), "--at: found 'tomorrow', expected a time with its offset from UTC"),
        (("--at", "2030-03-01T09:00"), "--at: found '2030-03-01T09:00', expected a time with its offset from UTC"),
    ],
    ids=str,
)
def test_a_mistake_is_exit_code_2(fq: Fq, arguments: tuple[str, ...], said: str) -> None:
    ran = fq("reschedule", "tasks:app", "m1", *arguments)

    assert ran.exit_code == 2
    assert said in ran.stderr


def test_dead_letters_that_stay_are_named_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    app = App(broker=MemoryBroker())

    @app.actor(max_retries=0)
    def fails() -> None:
        raise ValueError

    first = fails.call().unique("k").send()
    app.run_until_idle()
    fails.call().unique("k").send()
    refusals = Refusals(app.broker)

    assert refusals.requeue([first.message_id]) == 0
    assert refusals.summary == "; 1 stayed, since their unique keys are held"
    assert capsys.readouterr().err == f"{first.message_id} stays a dead letter: another message holds its unique key 'k'\n"
