"""The log of fq: handlers and filters of an application that fail lose records, but no thread ends."""

import io
import logging
import logging.config
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from returns.result import Success

from fq import App, Interrupt, cancellation, default_middleware, hooks
from fq.brokers.memory import MemoryBroker
from fq.runtime.logger import logger
from fq.worker.log_setup import LogSettings, QuietStreamHandler


class FailingHandler(logging.Handler):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error


class FailingFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise ConnectionError("no filter today")


@pytest.fixture(params=["handler", "filter", "exit"])
def broken(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """The loggers that a worker uses, with a handler or a filter that raises."""
    target = logging.getLogger("fq.worker")
    handler = FailingHandler(SystemExit(3) if request.param == "exit" else ConnectionError("the log server is away"))
    failing_filter = FailingFilter()
    target.addFilter(failing_filter) if request.param == "filter" else target.addHandler(handler)
    yield target
    target.removeHandler(handler)
    target.removeFilter(failing_filter)


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
def test_an_interrupt_of_the_thread_passes_the_log(kind: type[BaseException]) -> None:
    handler = FailingHandler(kind())
    logging.getLogger("fq.worker").addHandler(handler)
    try:
        with pytest.raises(kind):
            logger("fq.worker").error("lost")
    finally:
        logging.getLogger("fq.worker").removeHandler(handler)


class FailingHook:
    """Class-style middleware with a hook that raises; fq logs the error."""

    def before_ack(self, broker: object, message: object) -> None:
        raise RuntimeError("hook")


def failing(app: App) -> Callable[[], object]:
    @app.actor(max_retries=1, min_backoff=1)
    def fail() -> int:
        raise RuntimeError("boom")

    @app.actor(max_retries=1, min_backoff=1)
    async def afail() -> int:
        raise RuntimeError("boom")

    return lambda: [actor.send().get() for actor in (fail, afail)]


def test_a_worker_goes_on_when_none_of_its_failures_can_be_logged(broken: logging.Logger) -> None:
    app = App(broker=MemoryBroker(), middleware=default_middleware.add(hooks(FailingHook())).add(cancellation()))
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
        assert worker.dispatcher.alive


INI = """
[loggers]
keys=root
[handlers]
keys=h
[formatters]
keys=
[logger_root]
level=INFO
handlers=h
[handler_h]
class=StreamHandler
args=(sys.stderr,)
"""
ROOT = {"handlers": {"h": {"class": "logging.StreamHandler"}}, "root": {"level": "INFO", "handlers": ["h"]}}
HOW = {
    "a dictionary": lambda: logging.config.dictConfig({"version": 1, **ROOT}),
    "a dictionary without handlers": lambda: logging.config.dictConfig({"version": 1}),
    "a file": lambda: logging.config.fileConfig(io.StringIO(INI)),
}
each_way = pytest.mark.parametrize("configure", HOW.values(), ids=HOW.keys())


@pytest.fixture
def untouched() -> Iterator[None]:
    """Restore what logging configuration changes."""
    both = logging.getLogger(), logging.getLogger("fq")
    before = [(target, target.level, target.handlers[:]) for target in both]
    yield
    for target, level, handlers in before:
        target.setLevel(level)
        for handler in target.handlers:
            if isinstance(handler, QuietStreamHandler) and handler.stream is not sys.stderr:
                handler.stream.close()
        target.handlers[:] = handlers
    for found in logging.root.manager.loggerDict.values():
        if isinstance(found, logging.Logger):
            found.disabled = False


@each_way
def test_an_application_that_configures_logging_silences_others_and_not_fq(untouched: None, configure: Callable[[], None]) -> None:
    loud, other = logger("fq.loud"), logging.getLogger("other")
    configure()

    assert other.disabled
    assert loud.isEnabledFor(logging.ERROR)


@each_way
def test_a_logger_of_fq_that_is_silenced_by_name_stays_silent(untouched: None, configure: Callable[[], None]) -> None:
    disabled, quiet = logger("fq.disabled"), logger("fq.quiet")
    logging.getLogger("fq.disabled").disabled = True
    logging.getLogger("fq.quiet").setLevel(logging.CRITICAL)
    configure()

    assert not disabled.isEnabledFor(logging.ERROR)
    assert not quiet.isEnabledFor(logging.ERROR)
    logging.getLogger("fq.disabled").disabled = False
    assert disabled.isEnabledFor(logging.ERROR)


@each_way
def test_the_log_file_has_fqs_records_once_whether_the_application_configures_or_not(
    untouched: None, tmp_path: Path, configure: Callable[[], None]
) -> None:
    LogSettings(logging.INFO, "text", tmp_path / "log").set_up()
    logger("fq.worker").info("before")
    logging.getLogger("mine").info("theirs")
    configure()
    logger("fq.worker").error("after")
    text = (tmp_path / "log").read_text()

    assert [text.count(word) for word in ("before", "theirs", "after")] == [1, 1, 1]
