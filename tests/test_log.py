"""fq's own log: what an application's handlers and filters do costs records, never threads."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from returns.result import Success

from fq import App, Interrupt, cancellation, default_middleware, hooks
from fq.brokers.memory import MemoryBroker
from fq.log import logger
from tests.until import until


class Away(logging.Handler):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error


class Refuses(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise ConnectionError("no filter today")


@pytest.fixture(params=["handler", "filter", "exit"])
def broken(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """The loggers that a worker uses, with a handler or a filter that raises."""
    target = logging.getLogger("fq.worker")
    handler = Away(SystemExit(3) if request.param == "exit" else ConnectionError("the log server is away"))
    refuses = Refuses()
    target.addFilter(refuses) if request.param == "filter" else target.addHandler(handler)
    yield target
    target.removeHandler(handler)
    target.removeFilter(refuses)


def test_a_handler_or_filter_that_raises_is_reported_on_standard_error(broken: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logger("fq.worker").error("%d is lost", 7)

    assert "the record is lost: 7 is lost" in capsys.readouterr().err


def test_a_standard_error_that_is_closed_costs_nothing_but_the_report(broken: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    logger("fq.worker").error("lost")
    with open("/dev/null", "w") as closed:  # noqa: PTH123  # any file
        pass
    monkeypatch.setattr(sys, "stderr", closed)
    logger("fq.worker").error("lost")


def test_a_record_names_the_line_that_logs(caplog: pytest.LogCaptureFixture) -> None:
    logger("fq.worker").error("here")

    assert caplog.records[-1].pathname == __file__


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Interrupt])
def test_what_is_struck_into_the_thread_is_no_matter_of_the_log(kind: type[BaseException]) -> None:
    handler = Away(kind())
    logging.getLogger("fq.worker").addHandler(handler)
    try:
        with pytest.raises(kind):
            logger("fq.worker").error("lost")
    finally:
        logging.getLogger("fq.worker").removeHandler(handler)


class Nosy:
    """Class-style middleware, a hook of which raises, which is logged."""

    def before_ack(self, broker: object, message: object) -> None:
        raise RuntimeError("nosy")


def failing(app: App) -> Callable[[], object]:
    @app.actor(max_retries=1, min_backoff=1)
    def fail() -> int:
        raise RuntimeError("boom")

    @app.actor(max_retries=1, min_backoff=1)
    async def afail() -> int:
        raise RuntimeError("boom")

    return lambda: [actor.send().get() for actor in (fail, afail)]


def test_a_worker_goes_on_when_none_of_its_failures_can_be_logged(broken: logging.Logger) -> None:
    app = App(broker=MemoryBroker(), middleware=default_middleware.add(hooks(Nosy())).add(cancellation()))
    fail = failing(app)

    @app.actor
    def ok() -> int:
        return 1

    @app.actor
    async def aok() -> int:
        return 1

    with app.worker(threads=1) as worker:
        for _ in range(3):
            fail()
        assert [ok.send().get(), aok.send().get()] == [Success(1), Success(1)]
        assert worker.pump.alive
    until(lambda: not any(thread.name.startswith("fq-worker") for thread in threading.enumerate()))
