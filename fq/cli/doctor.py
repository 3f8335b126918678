"""``fq doctor``."""

import click
from attrs import asdict
from rich.console import Console
from rich.table import Table

from fq.app import App
from fq.brokers.findings import Finding
from fq.cli.common import app_path, as_json, load_app, plain_errors, print_json

MARKS = {"good": "[green]good[/]", "warn": "[yellow]warn[/]", "bad": "[red]bad[/]"}


@click.command()
@app_path
@as_json
def doctor(app_path: str, as_json: bool) -> None:
    """Look at the broker of APP, its settings, queues and workers, and say what to do. Exit code 0: nothing bad; 1: something bad; 3: no broker."""
    with plain_errors():
        app = load_app(app_path)
        findings = (*app.broker.checkup(), *queues(app), *workers(app))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        Console().print(table(str(app.broker), findings))
    raise SystemExit(1 if any(finding.level == "bad" for finding in findings) else 0)


def table(title: str, findings: tuple[Finding, ...]) -> Table:
    """Return *findings* as a table."""
    drawn = Table("what", "", "found", "what to do", title=title, title_justify="left")
    for finding in findings:
        drawn.add_row(finding.what, MARKS[finding.level], finding.found, finding.advice)
    return drawn


def queues(app: App) -> list[Finding]:
    """Return what there is to say about queues: those that nobody declared, that are paused, and that hold dead letters."""
    findings = []
    for queue in app.broker.queues():
        what = f"queue {queue.queue_name}"
        waiting = queue.ready + queue.delayed
        if waiting and queue.queue_name not in app.queues:
            findings.append(
                Finding(what, "warn", f"{waiting} messages wait, and no actor here uses it", "start a worker with an app that does")
            )
        if queue.paused:
            findings.append(Finding(what, "warn", f"paused, {waiting} messages wait", f"fq resume APP {queue.queue_name}"))
        if queue.dead:
            findings.append(Finding(what, "warn", f"{queue.dead} dead letters", f"fq dead APP --queue {queue.queue_name}"))
    return findings or [Finding("queues", "good", f"{len(app.queues)} declared")]


def workers(app: App) -> list[Finding]:
    """Return what there is to say about workers: is there any, and is any lease about to run out?"""
    alive = app.broker.workers()
    waiting = sum(queue.ready for queue in app.broker.queues() if not queue.paused)
    if not alive:
        return [Finding("workers", "bad" if waiting else "warn", f"none is alive, {waiting} messages are ready", "fq worker APP")]
    late = [worker for worker in alive if worker.lease_left <= 0]
    held = sum(worker.in_flight for worker in alive)
    if late:
        names = ", ".join(worker.worker for worker in late)
        return [Finding("workers", "warn", f"the lease of {names} has run out", "the next turn of any worker takes its messages back")]
    return [Finding("workers", "good", f"{len(alive)} processes alive, {held} messages in flight")]
