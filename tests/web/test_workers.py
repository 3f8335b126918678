"""The pages of workers and of their stacks, and the orders that a person gives there. On every broker."""

import pytest

from fq import App, Middleware
from fq.core.events import Event, Operated
from fq.execution.worker_orders import Orders
from fq.execution.worker_reports import WorkerReport
from fq.worker.order_desk import OrderDesk
from tests.brokers.harness import Harness
from tests.web.conftest import SAME_SITE, Site, claim

NAME, PROGRAM = "host7:123:abc-1", "host7:123:def-program"


@pytest.fixture
def mail(app: App):
    @app.actor(queue="mail")
    def mail(to: str) -> None: ...

    return mail


@pytest.fixture
def desk() -> OrderDesk:
    return OrderDesk(PROGRAM)


def beat(app: App, desk: OrderDesk, *, running: tuple[tuple[str, int], ...] = (), **fields: bool) -> Orders:
    """Let the worker report."""
    report = WorkerReport(
        program=PROGRAM, pid=77, version="1.2", python="3.13.1", memory=84_000_000, uptime=3_600_000, threads=8, concurrency=100,
        heartbeat=5_000, running=running, **fields,
    )  # fmt: skip
    return desk.heartbeat(app.broker, [NAME], 30_000, {NAME: report})


def test_a_worker_that_has_not_reported_is_shown_with_what_it_holds_since_when(site: Site, app: App, mail, harness: Harness) -> None:
    sent = mail.send("ann@example.com")
    claim(app, "mail", "host7:123:abc")
    harness.advance(3_000)
    (worker,) = site.json("/workers")["workers"]
    (process,) = worker["processes"]
    (held,) = process["running"]

    assert (worker["host"], worker["name"], worker["is_alive"], worker["queues"]) == ("host7", "host7:123", True, ["mail"])
    assert (worker["takes_orders"], process["pid"], process["memory"]) == (False, None, None)
    assert (held["message_id"], held["call"], held["deliveries"]) == (sent.message_id, "mail(str of 15)", 1)
    assert app.broker.now() - held["since"] >= 3_000
    assert 'name="action" value="stop_worker"' not in site.html("/workers")


def test_a_worker_is_shown_as_it_reports_itself(site: Site, app: App, mail, desk: OrderDesk) -> None:
    sent = mail.send("ann@example.com")
    claim(app, "mail", NAME)
    beat(app, desk, running=((sent.message_id, 60_000),), is_quiet=True)
    (worker,) = site.json("/workers")["workers"]
    (process,) = worker["processes"]
    (held,) = process["running"]

    assert (worker["worker"], worker["version"], worker["python"], worker["memory"], worker["is_quiet"]) == (
        PROGRAM, "1.2", "3.13.1", 84_000_000, True,
    )  # fmt: skip
    assert (process["worker"], process["pid"], process["uptime"], process["threads"]) == (NAME, 77, 3_600_000, 8)
    assert (held["is_known_to_run"], held["claimed"] - held["since"] >= 50_000) == (True, True)
    assert "84 MB" in site.html("/workers")
    assert "A worker sees an order at its next heartbeat, within 5.0 s." in site.html("/workers")
    assert "its next heartbeat" not in Site(app, "read").html("/workers")


def test_the_processes_of_one_worker_are_shown_together(site: Site, app: App, mail, desk: OrderDesk) -> None:
    for name in (NAME, "host7:123:abc-2"):
        mail.send("ann@example.com")
        claim(app, "mail", name)
    report = WorkerReport(program=PROGRAM, pid=1, version="1", python="3", memory=1, uptime=1, threads=1, concurrency=1, heartbeat=5_000)
    desk.heartbeat(app.broker, [NAME, "host7:123:abc-2"], 30_000, {NAME: report, "host7:123:abc-2": report})
    (worker,) = site.json("/workers")["workers"]

    assert [process["worker"] for process in worker["processes"]] == [NAME, "host7:123:abc-2"]
    assert (worker["in_flight"], worker["memory"]) == (2, 2)


@pytest.mark.parametrize(("action", "wanted"), [("quiet_worker", "quiet"), ("resume_worker", "active")])
def test_a_worker_gets_the_order_with_the_name_of_the_person(site: Site, app: App, mail, desk: OrderDesk, action: str, wanted: str) -> None:
    mail.send("ann@example.com")
    claim(app, "mail", NAME)
    beat(app, desk)
    answer = site.act(action, PROGRAM, page="workers")
    page = site.html("/workers")
    order = beat(app, desk).wanted

    assert answer.headers["location"] == f"/workers?done={action}&count=1"
    assert (order.wanted, order.who) == (wanted, "testclient")
    assert ("asked to be quiet" if wanted == "quiet" else "asked to claim again") in page


def test_a_stop_is_asked_about_first(site: Site, app: App, mail, desk: OrderDesk) -> None:
    mail.send("ann@example.com")
    claim(app, "mail", NAME)
    beat(app, desk)
    asked = site.act("stop_worker", PROGRAM, page="workers")
    assert "Stop 1 worker?" in asked.text
    assert beat(app, desk).wanted.wanted == ""

    site.act("stop_worker", PROGRAM, page="workers", confirmed="1")
    assert beat(app, desk).wanted.wanted == "stop"


def test_the_stacks_of_a_process_are_asked_for_and_shown(site: Site, app: App, mail, desk: OrderDesk) -> None:
    mail.send("ann@example.com")
    claim(app, "mail", NAME)
    beat(app, desk)
    assert "No answer yet" in site.html(f"/stacks?id={NAME}")

    site.act("stacks", NAME, page="stacks", query=f"id={NAME}")
    assert "answers at the next heartbeat, within 5.0 s" in site.html(f"/stacks?id={NAME}")

    desk.answer(NAME, beat(app, desk).stacks[NAME], "Thread <script>\x1b[31m")
    beat(app, desk)
    page = site.html(f"/stacks?id={NAME}")
    assert "Thread &lt;script&gt;\\x1b[31m" in page
    assert "answers at the next heartbeat" not in page


def test_who_may_only_read_can_order_nothing(app: App, mail, desk: OrderDesk) -> None:
    mail.send("ann@example.com")
    claim(app, "mail", NAME)
    beat(app, desk)
    reader, quieter = Site(app, "read"), Site(app, {"quiet_worker"})

    assert [reader.act(action, PROGRAM, confirmed="1").status_code for action in ("quiet_worker", "stop_worker", "stacks")] == [403] * 3
    assert "<form" not in reader.html("/workers").replace('<form class="filters"', "")
    assert quieter.act("stop_worker", PROGRAM, confirmed="1").status_code == 403
    assert quieter.act("quiet_worker", PROGRAM).status_code == 303
    assert beat(app, desk).wanted.wanted == "quiet"


def test_another_site_can_order_nothing(site: Site, app: App, mail, desk: OrderDesk) -> None:
    mail.send("ann@example.com")
    claim(app, "mail", NAME)
    beat(app, desk)
    form = {"action": "stop_worker", "id": PROGRAM, "confirmed": "1"}
    crossed = site.http.post("/act", data=form, headers={"sec-fetch-site": "cross-site"})

    assert crossed.status_code == 403
    assert beat(app, desk).wanted.wanted == ""


def test_an_order_is_an_event(app: App, mail, desk: OrderDesk) -> None:
    seen: list[Event] = []

    class Audit(Middleware):
        def on_event(self, event: Event) -> None:
            seen.append(event)

    app.edit_stack(lambda stack: stack.add(Audit()))
    mail.send("ann@example.com")
    claim(app, "mail", NAME)
    beat(app, desk)
    Site(app).act("quiet_worker", PROGRAM)

    assert Operated("testclient", "quiet_worker", (PROGRAM,)) in seen


def test_an_order_to_a_worker_that_is_gone_is_an_error_that_says_so(site: Site, app: App, mail) -> None:
    answer = site.http.post("/act", json={"action": "quiet_worker", "id": ["nope"]}, headers={**SAME_SITE, "accept": "application/json"})

    assert (answer.status_code, answer.json()["error"]) == (400, "found no worker called 'nope': no worker has a lease")


def test_the_overview_says_how_many_messages_of_a_queue_can_run_at_once(site: Site, app: App, mail, desk: OrderDesk) -> None:
    @app.actor(queue="chat")
    async def chat(to: str) -> None: ...

    chat.send("ann")
    mail.send("ann@example.com")
    claim(app, "mail", NAME)
    claim(app, "chat", NAME)
    beat(app, desk)

    assert {queue["queue_name"]: queue["places"] for queue in site.json("/")["queues"]} == {"chat": 100, "mail": 8}
