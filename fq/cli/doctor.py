"""``fq doctor``: asks the broker, and prints its findings and those of ``fq.observe.diagnosis``."""

import os

import click
from attrs import asdict, evolve
from rich.text import Text

from fq.app.app import App
from fq.brokers.findings import Finding
from fq.brokers.protocol import Broker
from fq.cli.common import as_json, load_app, plain_errors, print_json
from fq.cli.of_project import as_typed
from fq.cli.own_command import find_shadow
from fq.cli.tables import Kind, show
from fq.observe.checkup import diagnose
from fq.observe.diagnosis import Target
from fq.observe.outbox_findings import find_in_source

COLUMNS: dict[str, Kind] = {"what": "name", "": "name", "found": "text", "what to do": "text"}
COLOURS = {"good": "", "warn": "bold magenta", "bad": "bold red"}


@click.command()
@click.argument("app_path", metavar="[APP]", required=False)
@as_json
def doctor(app_path: str | None, as_json: bool) -> None:
    """
    Check the broker, queues, workers and schedules of APP, and say what to do.

    Without APP, check the broker that App() uses here: the one at $FQ_URL, or sqlite:///fq.db.

    Exit codes: 0 no finding is bad, 1 a finding is bad, 2 wrong usage, 3 the broker cannot be used.
    """
    with plain_errors():
        app = load_app(app_path) if app_path else App()
    target = Target(app_path, app.queues, app.actors) if app_path else Target()
    known = find_in_source(app.registry.source, target.path) if app_path else (default_broker(app.broker),)
    shadow = find_shadow()
    result = diagnose(app.broker, target, known if shadow is None else (*known, shadow), app.schedules)
    findings = [evolve(finding, advice=as_typed(finding.advice)) for finding in result.findings]
    if as_json:
        print_json(list(map(asdict, findings)))
    else:
        show(str(app.broker), COLUMNS, list(map(_row, findings)))
    raise SystemExit(result.exit_code)


def default_broker(broker: Broker) -> Finding:
    """Return a finding that names the broker that is checked when no application is given."""
    why = "from $FQ_URL" if os.environ.get("FQ_URL") else "the default, because $FQ_URL is not set"
    return Finding("broker", "good", f"{broker}, {why}")


def _row(finding: Finding) -> tuple[str | Text, ...]:
    return finding.what, Text(finding.level, style=COLOURS[finding.level]), finding.found, finding.advice
