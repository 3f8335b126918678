"""``fq doctor``: asks the broker, and prints what ``fq.cli.diagnosis`` and the broker itself have to say."""

import os
from collections.abc import Callable
from typing import TypeVar

import click
from attrs import asdict, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success
from rich.text import Text

from fq.app.app import App
from fq.brokers.findings import Finding, refusal
from fq.brokers.protocol import Broker
from fq.cli.common import NoBroker, as_json, load_app, plain_errors, print_json
from fq.cli.diagnosis import Site, about_queues, about_workers
from fq.cli.tables import Kind, show
from fq.errors import BrokerUnavailable, FqError

T = TypeVar("T")

COLUMNS: dict[str, Kind] = {"what": "name", "": "name", "found": "text", "what to do": "text"}
COLOURS = {"good": "green", "warn": "yellow", "bad": "red"}


@frozen
class Examination:
    """What was found, and whether the broker can be used at all."""

    findings: tuple[Finding, ...]
    is_usable: bool

    @property
    def exit_code(self) -> int:
        """What to tell the shell."""
        if not self.is_usable:
            return NoBroker.exit_code
        return int(any(finding.level == "bad" for finding in self.findings))


@click.command()
@click.argument("app_path", metavar="[APP]", required=False)
@as_json
def doctor(app_path: str | None, as_json: bool) -> None:
    """
    Look at the broker of APP, its settings, queues and workers, and say what to do.

    Without APP, look at the broker that App() uses here: that of $FQ_URL, or else sqlite:///fq.db.

    Exit codes: 0 nothing bad, 1 something bad, 2 wrong use, 3 the broker cannot be used.
    """
    with plain_errors():
        app = load_app(app_path) if app_path else App()
    site = Site(app_path, app.queues) if app_path else Site()
    examination = examine(app.broker, site, () if app_path else (which(app.broker),))
    if as_json:
        print_json([asdict(finding) for finding in examination.findings])
    else:
        show(str(app.broker), COLUMNS, list(map(_row, examination.findings)))
    raise SystemExit(examination.exit_code)


def which(broker: Broker) -> Finding:
    """Return which broker it is that is looked at where no application was named."""
    why = "that of $FQ_URL" if os.environ.get("FQ_URL") else "the default, since $FQ_URL is not set"
    return Finding("broker", "good", f"{broker}, {why}")


def examine(broker: Broker, site: Site, known: tuple[Finding, ...] = ()) -> Examination:
    """Ask *broker* for all there is to say, beside what is *known*. What it refuses is a finding by itself, and the rest is looked at nevertheless."""
    settings = asked(broker.checkup)
    workers = asked(broker.workers, settings)
    queues = asked(broker.queues, settings, workers)
    findings = [*known, *settings.value_or(())]
    if is_successful(workers):
        findings += about_workers(workers.unwrap(), queues.value_or(None), site)
    if is_successful(queues):
        findings += about_queues(queues.unwrap(), workers.value_or(None), site)
    parts: dict[str, Result[object, FqError]] = {"broker": settings, "workers": workers, "queues": queues}
    failures = {what: part.failure() for what, part in parts.items() if not is_successful(part)}
    findings += [refusal(what, failure) for what, failure in _distinct(failures).items()]
    return Examination(tuple(findings), len(failures) < len(parts))


def asked(call: Callable[[], T], *before: Result[object, FqError]) -> Result[T, FqError]:
    """Return what *call* returns, or what it raises; a broker that was away *before* is not waited for again."""
    for earlier in before:
        if not is_successful(earlier) and isinstance(earlier.failure(), BrokerUnavailable):
            return Failure(earlier.failure())
    try:
        return Success(call())
    except FqError as error:
        return Failure(error)


def _distinct(failures: dict[str, FqError]) -> dict[str, FqError]:
    """Return *failures* without those that another one before them says already."""
    texts = [str(failure) for failure in failures.values()]
    return {what: failure for at, (what, failure) in enumerate(failures.items()) if texts.index(str(failure)) == at}


def _row(finding: Finding) -> tuple[str | Text, ...]:
    return finding.what, Text(finding.level, style=COLOURS[finding.level]), finding.found, finding.advice
