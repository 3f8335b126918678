"""Workers: each ``fq worker`` with its processes, their memory and versions, and what each runs since when; buttons to quiet and to stop it."""

from collections.abc import Iterable, Mapping, Sequence

from attrs import asdict

from fq.app.worker_processes import WorkerProcess, worker_processes
from fq.brokers.records import WorkerStats
from fq.calls.message_record import MessageRecord
from fq.execution.worker_orders import Order, pending
from fq.execution.worker_reports import WorkerReport
from fq.web.rows import call_text
from fq.web.site import Page, Query, Site, View

LIMIT = 200
"""How many running messages are shown."""


def view(site: Site, query: Query) -> View:
    """Return the workers, each with its processes, and these with their messages, the longest running first."""
    running = site.app.messages(state="running", limit=LIMIT)
    processes = with_holders(worker_processes(site.app.broker), running)
    programs: dict[str, list[WorkerProcess]] = {}
    for process in processes:
        programs.setdefault(process.program, []).append(process)
    orders = pending(site.app.broker, list(programs), [process.name for process in processes]) if programs else {}
    held: dict[str, list[MessageRecord]] = {}
    for record in running:
        held.setdefault(record.worker, []).append(record)
    rows = {process.name: _process(site, process, held.get(process.name, []), orders, query) for process in processes}
    shown = [_worker(program, own, [rows[each.name] for each in own], orders) for program, own in programs.items()]
    heartbeat = max((process.report.heartbeat for process in processes if process.report), default=0)
    return {"workers": shown, "heartbeat": heartbeat, "more": bool(running.after), "shows_values": query.shows_values}


def with_holders(processes: Sequence[WorkerProcess], running: Iterable[MessageRecord]) -> list[WorkerProcess]:
    """Return *processes* with those that hold messages of *running* and have no lease any more."""
    known = {process.name for process in processes}
    gone: dict[str, int] = {}
    for record in running:
        if record.worker not in known:
            gone[record.worker] = gone.get(record.worker, 0) + 1
    return [*processes, *(WorkerProcess(WorkerStats(name, 0, count)) for name, count in gone.items())]


def _worker(program: str, processes: Sequence[WorkerProcess], rows: list[View], orders: Mapping[str, Order]) -> View:
    first = processes[0]
    reports = [process.report for process in processes if process.report is not None]
    return {
        "worker": program,
        "name": first.worker,
        "host": first.host,
        "is_alive": any(process.is_alive for process in processes),
        "is_quiet": any(report.is_quiet for report in reports),
        "takes_orders": bool(reports),
        "stops": any(report.stops for report in reports),
        "asked_to_be": orders[program].wanted if program in orders else "",
        "version": ", ".join(sorted({report.version for report in reports})),
        "python": ", ".join(sorted({report.python for report in reports})),
        "memory": sum(report.memory for report in reports),
        "heartbeat": max((report.heartbeat for report in reports), default=0),
        "queues": sorted({name for process in processes for name in process.stats.queues}),
        "in_flight": sum(process.stats.in_flight for process in processes),
        "processes": rows,
    }


REPORTED = ("pid", "memory", "uptime", "threads", "concurrency", "is_draining")


def _process(site: Site, process: WorkerProcess, held: Iterable[MessageRecord], orders: Mapping[str, Order], query: Query) -> View:
    report = process.report
    runs = _starts(report)
    messages = [_message(site, record, runs.get(record.message_id), query.shows_values) for record in held]
    facts = {name: value for name, value in asdict(report).items() if name in REPORTED} if report else {}
    return {
        **asdict(process.stats),
        **{name: facts.get(name) for name in REPORTED},
        "is_alive": process.is_alive,
        "takes_orders": report is not None and process.is_alive,
        "is_asked_for_stacks": process.name in orders,
        "running": sorted(messages, key=lambda message: int(message["since"])),  # type: ignore[call-overload]  # a number
    }


def _starts(report: WorkerReport | None) -> Mapping[str, int]:
    """Return when the messages began that *report* says run, ms since the epoch, by id."""
    return {} if report is None else {message_id: report.at - ms for message_id, ms in report.running}


def _message(site: Site, record: MessageRecord, started: int | None, shows_values: bool) -> View:
    return {
        "message_id": record.message_id,
        "actor_name": record.actor_name,
        "queue_name": record.queue_name,
        "claimed": record.since,
        "since": record.since if started is None else started,
        "is_known_to_run": started is not None,
        "deliveries": record.deliveries,
        "call": call_text(site, record, shows_values),
    }


WORKERS = Page("workers", "/workers", "Workers", view, "w")
