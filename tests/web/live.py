"""A site with something on each page, served in this process on a free port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from attrs import frozen

from fq import App, Schedule, concurrency_limit, default_middleware, every, group, keep
from fq.execution.worker_orders import Order
from fq.execution.worker_reports import WorkerReport
from fq.middleware.stack import compose
from fq.web import web
from fq.web.serve import listen
from fq.worker.order_desk import OrderDesk
from tests.wait_until import wait_until
from tests.web.conftest import claim, fail


@frozen
class Live:
    """The *url* of a site, and the *paths* of its pages by name."""

    url: str
    paths: dict[str, str]


@contextmanager
def live() -> Iterator[Live]:
    """Serve a site."""
    app, paths = filled_app()
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(web(app, access=lambda _: "all"), log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        wait_until(lambda: server.started, what="the server")
        yield Live(f"http://127.0.0.1:{listener.getsockname()[1]}", paths)
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()


def filled_app() -> tuple[App, dict[str, str]]:
    """Return an app with messages in each state, and the paths of its pages by name."""
    app = App("memory://", middleware=compose(keep(), default_middleware))

    @app.actor(queue="payments", max_retries=0, tags=["billing"])
    def charge(order: int, card: str) -> int:
        raise ConnectionError(f"the bank does not answer for order {order}")

    @app.actor(concurrency_limit(limit=2, key="printer"), queue="mail")
    def mail(to: str) -> None: ...

    @app.actor(queue="reports", max_retries=0)
    def fetch(day: str) -> int:
        if day == "tue":
            raise ValueError("row 17 has 3 columns, expected 4")
        return 1

    @app.actor(queue="reports")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    app.send_many(charge.call(n, "4000-1234") for n in range(4))
    app.run_until_idle()
    handle = (group([fetch.call("mon"), fetch.call("tue")]) | total).send()
    app.run_until_idle()
    app.schedules.put(Schedule("poll", every(60_000), fetch.call("mon")), Schedule("fail", every(60_000), fetch.call("tue")))
    app.run_until_idle(until=120_001)
    app.send_many(mail.call(f"{n}@example.com") for n in range(6))
    fail(app, "mail", retry_in=60_000)
    claim(app, "mail")
    mail.call("ann@example.com").delay(60_000).send()
    report(app)
    app.broker.pause("payments")
    dead = app.messages(state="dead", actor="charge").records[0].message_id
    step = list(handle.message_ids())[1]
    states = {f"messages-{state}": f"/messages?state={state}" for state in ("ready", "running", "delayed", "retrying", "dead", "finished")}
    pages = {name: f"/{name}" for name in ("queues", "workers", "schedules", "doctor")}
    return app, {
        "overview": "/",
        "message": f"/message?id={dead}",
        "values": f"/message?id={dead}&values=1",
        "edit": f"/edit?id={dead}",
        "workflow": f"/workflow?id={step}",
        "stacks": "/stacks?id=host:1:abc",
        "done": "/queues?done=pause&count=1",
        "error": "/message?id=nope",
        **states,
        **pages,
    }


def report(app: App) -> None:
    """Let the worker that `claim` makes report itself, and answer where its threads are."""
    desk = OrderDesk("host:1:program")
    worker = WorkerReport(
        program=desk.program, pid=7, version="1.2", python="3.11", memory=84_000_000, uptime=90_000, threads=8, concurrency=100, heartbeat=100_000,
        is_quiet=True, is_draining=True,
    )  # fmt: skip
    desk.answer("host:1:abc", Order("o1"), 'Thread main\n  File "a.py", line 1')
    desk.heartbeat(app.broker, ["host:1:abc"], 3_600_000, {"host:1:abc": worker})
