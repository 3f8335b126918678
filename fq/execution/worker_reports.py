"""`WorkerReport`: what a worker process says about itself with each heartbeat, in a mark that ends soon after the process."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, field, fields, frozen

from fq.brokers.marks import MarkStore
from fq.brokers.operations import Mark, SetMarkOp

KEPT_HEARTBEATS = 6
"""A report is believed for this many heartbeats."""


def _pairs(running: Iterable[Iterable[Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((str(message_id), int(ms)) for message_id, ms in running)


@frozen(kw_only=True)
class WorkerReport:
    """
    A worker process, as it was at its latest heartbeat. Times in ms.

    Attributes:
        program: the ``fq worker`` that it belongs to, or itself, inside a process of yours. Orders go to that.

        pid: the process id.

        version, python: the versions of fq and of Python.

        memory: its resident memory in bytes; 0 if that is not known.

        uptime: how long it has been there.

        threads, concurrency: how many sync and async actors it runs at once.

        heartbeat: how often it reports, and learns of orders.

        is_quiet: does it claim nothing, because somebody asked for that?

        is_draining: does it only finish what it runs?

        stops: can it be stopped by an order? Not inside a process of yours.

        running: the ids of messages that run, each with how long. Of async actors it has those that are at work or overdue.

        at: when it was written, ms since the epoch on the broker's clock.
    """

    program: str
    pid: int
    version: str
    python: str
    memory: int
    uptime: int
    threads: int
    concurrency: int
    heartbeat: int
    is_quiet: bool = False
    is_draining: bool = False
    stops: bool = True
    running: tuple[tuple[str, int], ...] = field(default=(), converter=_pairs)
    at: int = 0


def report_key(worker: str) -> str:
    """Return the key of the mark with the report of *worker*."""
    return f"worker-report:{worker}"


def report_op(worker: str, report: WorkerReport) -> SetMarkOp:
    """Return the operation that publishes *report*."""
    body = json.dumps(asdict(report, filter=lambda attribute, _: attribute.name != "at")).encode()
    return SetMarkOp(report_key(worker), body, ttl=KEPT_HEARTBEATS * report.heartbeat)


def read_reports(broker: MarkStore, workers: Iterable[str]) -> Mapping[str, WorkerReport]:
    """Return the reports of those of *workers* that have one, by name."""
    keys = {report_key(worker): worker for worker in workers}
    found = broker.marks(list(keys)) if keys else {}
    reports = {keys[key]: _read(mark) for key, mark in found.items()}
    return {worker: report for worker, report in reports.items() if report is not None}


def _read(mark: Mark) -> WorkerReport | None:
    """Return the report in *mark*; None if another version of fq has written something else."""
    try:
        written = json.loads(mark.body)
        known = {each.name for each in fields(WorkerReport)} - {"at"}
        values = {name: value for name, value in written.items() if name in known}
        return WorkerReport(**values, at=mark.until - KEPT_HEARTBEATS * written["heartbeat"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
