"""Log records of actors name their message."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from fq import App, MessageFilter, add_message_fields
from fq.brokers.memory import MemoryBroker
from fq.execution.log_context import fields_of
from fq.testing import message
from fq.worker.log_setup import TEXT, JsonFormatter, TextFormatter


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(stream: io.StringIO) -> Iterator[logging.Logger]:
    logger = logging.getLogger("shop")
    handler = logging.StreamHandler(stream)
    handler.addFilter(MessageFilter())
    logger.addHandler(handler)
    logger.propagate = False
    yield logger
    logger.removeHandler(handler)
    logger.propagate = True


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_record_inside_an_actor_has_the_message_and_one_outside_has_none(
    colour: str, logger: logging.Logger, stream: io.StringIO
) -> None:
    logger.handlers[0].setFormatter(logging.Formatter("[%(message_id)s %(actor)s %(queue)s %(attempt)s] %(message)s"))
    app = App(broker=MemoryBroker())

    def work() -> None:
        logger.warning("inside")

    async def awork() -> None:
        logger.warning("inside")

    handle = app.actor(name="work", queue="mail")(work if colour == "sync" else awork).send()  # type: ignore[arg-type]
    app.run_until_idle()
    logger.warning("outside")

    assert stream.getvalue() == f"[{handle.message_id} work mail 1] inside\n[   ] outside\n"


def test_lines_of_fq_worker_name_the_message_as_text_and_as_json(logger: logging.Logger, stream: io.StringIO) -> None:
    app = App(broker=MemoryBroker())

    @app.actor
    def work() -> None:
        logger.warning("inside")

    for form in (TextFormatter(TEXT), JsonFormatter()):
        logger.handlers[0].setFormatter(form)
        ids = [work.send().message_id]
        app.run_until_idle()
        line = stream.getvalue().splitlines()[-1]
        if isinstance(form, TextFormatter):
            assert line.endswith(f"shop: inside (work {ids[0]})")
        else:
            assert {"message_id": ids[0], "actor": "work", "queue": "default", "attempt": 1}.items() <= json.loads(line).items()

    logger.warning("outside")
    assert "message_id" not in json.loads(stream.getvalue().splitlines()[-1])


def test_the_processor_adds_the_same_fields_and_keeps_those_of_the_caller() -> None:
    app, events = App(broker=MemoryBroker()), []

    @app.actor
    def work() -> None:
        events.append(dict(add_message_fields(None, "info", {"event": "one", "actor": "mine"})))

    handle = work.send()
    app.run_until_idle()

    assert events == [{"event": "one", "message_id": handle.message_id, "actor": "mine", "queue": "default", "attempt": 1}]


def test_an_option_of_a_foreign_producer_raises_nothing() -> None:
    assert fields_of(message("add", retries="many"))["attempt"] == "?"


def test_what_an_application_gives_as_extra_is_a_field_of_json() -> None:
    record = logging.getLogger("mine").makeRecord("mine", logging.INFO, "f", 1, "paid", (), None, extra={"order": 17, "level": "of water"})
    fields = json.loads(JsonFormatter().format(record))

    assert (fields["order"], fields["level"], fields["message"]) == (17, "INFO", "paid")
    assert "args" not in fields
    assert "message_id" not in fields
