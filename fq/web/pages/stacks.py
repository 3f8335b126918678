"""Stacks: where each thread and each task of a worker process is, as it has answered the latest time it was asked."""

from fq.app.worker_processes import worker_processes
from fq.execution.worker_orders import pending, read_stacks
from fq.web.site import NotFound, Page, Query, Site, View


def view(site: Site, query: Query) -> View:
    """Return the stacks of the worker process that is asked for."""
    name = query.text("id") or ""
    process = next((each for each in worker_processes(site.app.broker) if each.name == name), None)
    stacks = read_stacks(site.app.broker, [name]).get(name) if name else None
    if process is None and stacks is None:
        raise NotFound(f"no worker process called {name!r}: it has ended, or there never was one")
    report = process.report if process else None
    return {
        "worker": name,
        "is_alive": process is not None and process.is_alive,
        "is_asked": name in pending(site.app.broker, (), [name]),
        "heartbeat": report.heartbeat if report else 0,
        "text": stacks.text if stacks else "",
        "at": stacks.at if stacks else 0,
    }


STACKS = Page("stacks", "/stacks", "", view)
