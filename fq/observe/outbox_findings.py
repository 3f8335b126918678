"""Findings of ``fq doctor`` about an outbox."""

from shlex import quote

from fq.brokers.findings import Finding
from fq.core.counted import counted
from fq.execution.message_source import MessageSource, SourceState

LATE_MS = 60_000
"""A row that has waited for longer is late: a worker moves it within seconds."""


def outbox_findings(state: SourceState, path: str) -> tuple[Finding, ...]:
    """Return findings about an outbox in *state*, of the app at *path*."""
    findings: list[Finding] = []
    if state.failed:
        found = f"{counted(state.failed, 'row')} put aside, as they cannot be sent: {state.error}"
        findings.append(Finding("outbox", "bad", found, f"see to the cause, then: fq outbox {quote(path)} --retry"))
    if state.oldest_age > LATE_MS:
        found = f"{counted(state.waiting, 'row')}, the oldest has waited for {state.oldest_age // 1_000} s"
        findings.append(Finding("outbox", "bad", found, f"start a worker, fq worker {quote(path)}, or look at its log"))
    if not findings:
        findings.append(Finding("outbox", "good", f"{counted(state.waiting, 'row')} to move"))
    return tuple(findings)


def find_in_source(source: MessageSource | None, path: str) -> tuple[Finding, ...]:
    """Ask *source*, the outbox of the app at *path*, and return findings about it; none if there is no outbox."""
    if source is None:
        return ()
    try:
        return outbox_findings(source.state(), path)
    except Exception as error:
        found = f"cannot be read: {type(error).__name__}: {error}"
        return (Finding("outbox", "bad", found, "start the database, or make the table: Outbox.create_table"),)
