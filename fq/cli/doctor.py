"""``fq doctor``: asks the broker, and prints its findings and those of ``fq.cli.diagnosis``."""

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
from fq.cli.common import UnusableBroker, as_json, load_app, plain_errors, print_json
from fq.cli.diagnosis import Target, queue_findings, worker_findings
from fq.cli.tables import Kind, show
from fq.errors import BrokerUnavailable, FqError

T = TypeVar("T")

COLUMNS: dict[str, Kind] = {"what": "name", "": "name", "found": "text", "what to do": "text"}
COLOURS = {"good": "green", "warn": "yellow", "bad": "red"}


@frozen
class HealthReport:
    """The findings, and whether the broker can be used at all."""

    findings: tuple[Finding, ...]
    is_usable: bool

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        if not self.is_usable:
            return UnusableBroker.exit_code
        return int(any(finding.level == "bad" for finding in self.findings))


@click.command()
@click.argument("app_path", metavar="[APP]", required=False)
@as_json
def doctor(app_path: str | None, as_json: bool) -> None:
    """
    Check the broker, queues and workers of APP, and say what to do.

    Without APP, check the broker that App() uses here: the one at $FQ_URL, or sqlite:///fq.db.

    Exit codes: 0 no finding is bad, 1 a finding is bad, 2 wrong usage, 3 the broker cannot be used.
    """
    with plain_errors():
        app = load_app(app_path) if app_path else App()
    target = Target(app_path, app.queues) if app_path else Target()
    result = diagnose(app.broker, target, () if app_path else (default_broker(app.broker),))
    if as_json:
        print_json([asdict(finding) for finding in result.findings])
    else:
        show(str(app.broker), COLUMNS, list(map(_row, result.findings)))
    raise SystemExit(result.exit_code)


def default_broker(broker: Broker) -> Finding:
    """Return a finding that names the broker that is checked when no application is given."""
    why = "from $FQ_URL" if os.environ.get("FQ_URL") else "the default, because $FQ_URL is not set"
    return Finding("broker", "good", f"{broker}, {why}")


def diagnose(broker: Broker, target: Target, known: tuple[Finding, ...] = ()) -> HealthReport:
    """Check *broker*, and return all findings after those already *known*. A part that cannot be checked is a finding, too."""
    settings = ask(broker.diagnose)
    workers = ask(broker.workers, settings)
    queues = ask(broker.queues, settings, workers)
    findings = [*known, *settings.value_or(())]
    if is_successful(workers):
        findings += worker_findings(workers.unwrap(), queues.value_or(None), target)
    if is_successful(queues):
        findings += queue_findings(queues.unwrap(), workers.value_or(None), target)
    parts: dict[str, Result[object, FqError]] = {"broker": settings, "workers": workers, "queues": queues}
    failures = {what: part.failure() for what, part in parts.items() if not is_successful(part)}
    findings += [refusal(what, failure) for what, failure in _distinct(failures).items()]
    return HealthReport(tuple(findings), len(failures) < len(parts))


def ask(call: Callable[[], T], *before: Result[object, FqError]) -> Result[T, FqError]:
    """Return what *call* returns or raises. A broker that was unavailable *before* is not asked again."""
    for earlier in before:
        if not is_successful(earlier) and isinstance(earlier.failure(), BrokerUnavailable):
            return Failure(earlier.failure())
    try:
        return Success(call())
    except FqError as error:
        return Failure(error)


def _distinct(failures: dict[str, FqError]) -> dict[str, FqError]:
    """Return *failures* without repeated texts."""
    texts = [str(failure) for failure in failures.values()]
    return {what: failure for at, (what, failure) in enumerate(failures.items()) if texts.index(str(failure)) == at}


def _row(finding: Finding) -> tuple[str | Text, ...]:
    return finding.what, Text(finding.level, style=COLOURS[finding.level]), finding.found, finding.advice
