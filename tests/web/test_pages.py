"""What each page shows, on every broker, as HTML and as JSON."""

import json
import re
from html import unescape
from urllib.parse import quote

import pytest

from fq import App, ConcurrencyLimit, concurrency_limit, default_middleware, group, keep, progress
from fq.middleware.stack import compose
from fq.web.pages import PAGES
from fq.wire.codec import decode
from tests.brokers.harness import Harness
from tests.wait_until import wait_until
from tests.web.conftest import JSON, Site, claim, fail

NASTY = "<script>alert('x')</script><b>&amp;</b> \x1b[31mred"


@pytest.fixture
def mail(app: App):
    """An actor that is never run: tests say what becomes of its messages."""

    @app.actor(queue="mail")
    def mail(to: str, subject: str = "") -> None: ...

    return mail


def test_the_overview_groups_failures_by_actor_and_error(site: Site, app: App, mail, harness: Harness) -> None:
    for _ in range(3):
        mail.send("ann@example.com")
        fail(app, "mail")
        harness.advance(1_000)
    mail.send("bob@example.com")
    fail(app, "mail", "TimeoutError")
    mail.send("bob@example.com")
    fail(app, "mail", retry_in=60_000)
    groups = {group["error"]: group for group in site.json("/")["failures"]["groups"]}

    assert {error: (group["dead"], group["retrying"]) for error, group in groups.items()} == {
        "ConnectionError": (3, 1),
        "TimeoutError": (1, 0),
    }
    assert groups["ConnectionError"]["last"] - groups["ConnectionError"]["first"] >= 2_000
    assert groups["ConnectionError"]["next_try"] > app.broker.now()
    html = site.html("/")
    assert html.count("Requeue all") == 2
    assert html.count("Retry now") == 1


def test_the_overview_shows_each_queue(site: Site, app: App, mail) -> None:
    mail.send("ann@example.com")
    mail.call("bob@example.com").delay(60_000).send()
    mail.send("bob@example.com")
    fail(app, "mail", retry_in=60_000)
    app.broker.pause("mail")
    (queue,) = site.json("/")["queues"]

    assert {name: queue[name] for name in ("queue_name", "ready", "delayed", "retrying", "dead", "paused")} == {
        "queue_name": "mail",
        "ready": 1,
        "delayed": 2,
        "retrying": 1,
        "dead": 0,
        "paused": True,
    }
    assert "paused" in site.html("/")


def test_the_overview_draws_the_runs_of_two_hours(app: App, site: Site) -> None:
    @app.actor(max_retries=0)
    def work(n: int) -> None:
        if n:
            raise ValueError(n)

    app.send_many(work.call(n) for n in (0, 0, 1))
    app.run_until_idle()
    shown = site.json("/")

    assert (shown["throughput"]["sum"], shown["throughput"]["sum_failed"], len(shown["throughput"]["processed"])) == (3, 1, 120)
    assert (sum(shown["queues"][0]["processed"]), sum(shown["queues"][0]["failed"])) == (3, 1)
    assert 'class="failed"' in site.html("/")


def test_messages_are_listed_by_state(site: Site, app: App, mail) -> None:
    ids = {}
    for state in ("dead", "retrying", "running", "delayed", "ready"):
        sent = mail.call("ann@example.com").delay(60_000 if state == "delayed" else 0).send().message_id
        if state in ("dead", "retrying"):
            fail(app, "mail", retry_in=60_000 if state == "retrying" else None)
        if state == "running":
            claim(app, "mail")
        ids[state] = sent
    shown = {state: [each["message_id"] for each in site.json(f"/messages?state={state}")["messages"]] for state in ids}

    assert sorted(shown.pop("delayed")) == sorted((ids["delayed"], ids["retrying"]))
    assert shown == {state: [sent] for state, sent in ids.items() if state != "delayed"}
    counts = {state["name"]: state["count"] for state in site.json("/messages")["states"]}
    assert counts == {"ready": 1, "running": 1, "delayed": 2, "retrying": None, "dead": 1, "finished": 0}


def test_messages_are_found_by_queue_actor_error_tag_and_argument(site: Site, app: App) -> None:
    @app.actor(queue="a", tags=["billing"])
    def charge(order: int, card: dict[str, object]) -> None: ...

    @app.actor(queue="b")
    def ship(order: int) -> None: ...

    for n in range(3):
        charge.send(n, {"owner": {"id": n + 100}})
        ship.send(n)

    def found(query: str) -> int:
        return len(site.json(f"/messages?{query}")["messages"])

    assert [found("queue=a"), found("actor=ship"), found("tag=billing"), found("tag=none")] == [3, 3, 3, 0]
    assert [found("argument=order%3D1"), found("argument=order%3D1&actor=ship"), found("argument=card.owner.id%3D102")] == [2, 1, 1]
    assert [found("argument=2"), found("argument=order%3D9"), found("argument=nothing%3D1")] == [2, 0, 0]
    fail(app, "a", "KeyError")
    assert [found("state=dead&error=KeyError"), found("state=dead&error=OSError")] == [1, 0]


def test_pages_of_messages_follow_one_another(site: Site, app: App, mail) -> None:
    app.send_many(mail.call(f"{n}@example.com") for n in range(120))
    ids, after = [], ""
    for size in (50, 50, 20):
        page = site.json(f"/messages?after={after}")
        assert len(page["messages"]) == size
        ids += [each["message_id"] for each in page["messages"]]
        after = page["after"]

    assert (len(set(ids)), after) == (120, "")


def test_pages_of_a_search_follow_one_another(site: Site, app: App, mail) -> None:
    app.send_many(mail.call("ann" if n % 2 else "bob") for n in range(240))
    ids, after = [], ""
    for size in (50, 50, 20):
        page = site.json(f"/messages?argument=to%3Dann&after={after}")
        assert len(page["messages"]) == size
        ids += [each["message_id"] for each in page["messages"]]
        after = page["after"]

    assert (len(set(ids)), after) == (120, "")


def test_a_search_says_how_many_it_has_looked_at_and_goes_on(site: Site, app: App, mail) -> None:
    app.send_many(mail.call("common") for _ in range(3_000))
    mail.send("rare")
    path = "/messages?argument=to%3Drare"
    first = site.json(path)
    more = f"{path}&after={quote(first['after'])}&seen={first['looked_at']}"
    second = site.json(more)

    assert (first["messages"], first["looked_at"], first["total"]) == ([], 3_000, 3_001)
    assert "Looked at 3,000 of 3,001 ready messages." in site.html(path)
    assert "Go on searching" in site.html(path)
    assert (len(second["messages"]), second["looked_at"], second["after"]) == (1, 3_001, "")
    assert "Looked at 3,001 of 3,001 ready messages." in site.html(more)


def test_a_message_shows_its_call_traceback_layers_and_what_they_do(site: Site, app: App) -> None:
    @app.actor(max_retries=7)
    def mail(to: str) -> None: ...

    mail.call("ann@example.com").with_options(time_limit=5_000).send()
    message_id = fail(app)
    shown = site.json(f"/message?id={message_id}")

    assert (shown["call"], shown["record"]["state"], shown["record"]["error"]["type"]) == ("mail(str of 15)", "dead", "ConnectionError")
    assert "ConnectionError: refused" in shown["traceback"]
    options = {option["name"]: (option["value"], option["from"]) for layer in shown["layers"] for option in layer["options"]}
    assert (options["max_retries"], options["time_limit"], options["max_age"]) == ((7, "actor"), (5_000, "message"), (None, "stack"))
    assert "outcome: tried again in" in shown["explained"]
    assert [event["what"] for event in shown["timeline"]] == ["made", "failed", "dead letter"]


def test_a_message_shows_every_attempt_where_records_are_kept(harness: Harness) -> None:
    app = App(broker=harness.broker(), middleware=compose(keep(), default_middleware))

    @app.actor(max_retries=2, min_backoff=1)
    def fails() -> None:
        raise ValueError("no paper")

    sent = fails.send()
    for _ in range(40):
        app.run_until_idle()
        if app.broker.status(sent.message_id).state == "dead":
            break
        harness.advance(1_000)
    shown = Site(app).json(f"/message?id={sent.message_id}")

    attempts = [event for event in shown["timeline"] if event["what"].startswith("attempt")]
    assert [(attempt["kind"], attempt["error"]["message"]) for attempt in attempts] == [("failed", "no paper")] * 3
    assert "no paper" in attempts[0]["traceback"]
    assert Site(app).json("/messages?state=finished")["messages"][0]["outcome"] == "dead"


def test_a_running_message_shows_its_progress(memory_app: App) -> None:
    seen: list[object] = []

    @memory_app.actor
    def export() -> None:
        progress(5, of=10, note="page 5")
        wait_until(lambda: Site(memory_app).json(f"/message?id={sent.message_id}").get("progress"), what="the progress")
        seen.append(Site(memory_app).json(f"/message?id={sent.message_id}")["progress"])
        assert '<progress max="1" value="0.5"' in Site(memory_app).html(f"/message?id={sent.message_id}")

    sent = export.send()
    with memory_app.worker(threads=1):
        wait_until(lambda: seen, what="the page")

    assert [(each["text"], each["fraction"]) for each in seen] == [("5 of 10: page 5", 0.5)]


def test_a_result_is_shown_like_an_argument(site: Site, app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    sent = add.send(1, 2)
    app.run_until_idle()

    assert site.json(f"/message?id={sent.message_id}")["result"] == {"succeeded": True, "value": "int"}
    assert site.json(f"/message?id={sent.message_id}&values=1")["result"] == {"succeeded": True, "value": "3"}
    assert "Only its result is kept" in site.html(f"/message?id={sent.message_id}")


def test_an_unknown_message_is_not_found(site: Site) -> None:
    assert "no message m9" in site.json("/message?id=m9", 404)["error"]
    assert "no message m9" in site.html("/message?id=m9", 404)
    assert site.html("/message", 404)


def test_values_are_shown_only_to_those_who_may_see_them(app: App) -> None:
    @app.actor
    def pay(card: str) -> None: ...

    message_id = pay.send("4000-1234").message_id
    paths = [f"/message?id={message_id}", "/messages", "/workers", f"/message?id={message_id}&values=1", "/messages?values=1"]

    assert all("4000-1234" not in Site(app, "read").html(path) + str(Site(app, "read").json(path)) for path in paths)
    assert all("4000-1234" not in Site(app).html(path) for path in paths[:3])
    assert all("4000-1234" in Site(app).html(path) for path in paths[3:])
    assert "you cannot search for one" in Site(app, "read").json("/messages?argument=4000-1234", 403)["error"]
    assert [Site(app, access).http.get(f"/edit?id={message_id}").status_code for access in ({"edit"}, {"values"})] == [403, 403]


def test_what_the_layers_do_shows_no_arguments(harness: Harness) -> None:
    app = App(broker=harness.broker(), middleware=compose(keep(), default_middleware))

    @app.actor
    def pay(card: str) -> None: ...

    pay.send("4000-1234")
    message_id = fail(app, retry_in=60_000)
    reader = Site(app, "read")

    assert "tried again in" in reader.json(f"/message?id={message_id}")["explained"]
    assert "4000-1234" not in reader.html(f"/message?id={message_id}") + str(reader.json(f"/message?id={message_id}"))


def test_any_text_can_be_edited_and_is_plain_ascii_for_programs(site: Site, app: App) -> None:
    @app.actor
    def mail(to: str) -> None: ...

    odd = "Zoë \x9b31m \x85 \u202e \ud800 \U000e0001"
    path = f"/edit?id={mail.send(odd).message_id}"
    shown = re.search(r'<textarea id="args"[^>]*>(.*?)</textarea>', site.html(path), re.DOTALL)

    assert shown is not None
    assert "Zoë" in shown[1]
    assert json.loads(unescape(shown[1])) == json.loads(site.json(path)["args"]) == [odd]
    assert site.http.get(path, headers=JSON).content.isascii()


@pytest.mark.parametrize("path", ["/messages?live=", "/messages?actor=a&seen=", "/?done=purge&count="])
def test_a_number_of_any_length_is_read(site: Site, path: str) -> None:
    site.html(path + "9" * 5_000)


def test_an_app_may_show_values_to_all(harness: Harness) -> None:
    app = App(broker=harness.broker(), redact=lambda name, value: "***" if name == "card" else value)

    @app.actor
    def pay(order: int, card: str) -> None: ...

    pay.send(17, "4000-1234")

    assert Site(app, "read").json("/messages")["messages"][0]["call"] == "pay(17, '***')"


def test_everything_from_a_message_is_text(site: Site, app: App) -> None:
    @app.actor(queue="mail", tags=[NASTY])
    def mail(to: str) -> None: ...

    mail.call(NASTY).with_options(options={NASTY: NASTY}).send()
    message_id = fail(app, "mail", NASTY)
    paths = [
        "/",
        "/messages?state=dead&values=1",
        f"/message?id={message_id}&values=1",
        f"/edit?id={message_id}",
        f"/workflow?id={message_id}",
    ]
    paths += [f"/messages?state=dead&{name}={quote(NASTY)}" for name in ("queue", "actor", "error", "tag", "argument")]

    for path in paths:
        html = site.html(path)
        assert "<script>alert" not in html
        assert "<b>" not in html
        assert "\x1b" not in html


def test_the_queues_show_limits_with_their_holders_and_their_line(site: Site, app: App, harness: Harness) -> None:
    @app.actor(concurrency_limit(limit=2, key="printer"))
    def print_label(order: int) -> None: ...

    @app.actor(queue="mail")
    def mail() -> None: ...

    layer = next(layer for layer in app.stack_of(print_label) if isinstance(layer, ConcurrencyLimit))
    ids = []
    for number in range(4):
        ids.append(print_label.send(number).message_id)
        layer.enter(decode(claim(app).body))
        harness.advance(10)
    shown = site.json("/queues")

    assert [queue["queue_name"] for queue in shown["queues"]] == ["default", "mail"]
    (limit,) = shown["limits"]
    assert (limit["key"], limit["limit"], limit["actors"]) == ("printer", 2, ["print_label"])
    assert (sorted(limit["holders"]), limit["waiting"]) == (sorted(ids[:2]), ids[2:])


def test_the_doctor_says_what_is_wrong_first(site: Site, app: App, mail) -> None:
    mail.send("ann@example.com")
    findings = site.json("/doctor")["findings"]

    assert findings[0]["level"] == "bad"
    assert [finding["found"] for finding in findings if finding["what"] == "workers"] == ["none alive, 1 message ready"]


def test_a_workflow_shows_every_step_with_its_state(harness: Harness) -> None:
    app = App(broker=harness.broker())

    @app.actor(max_retries=0)
    def part(n: int) -> int:
        return 1 // n

    @app.actor
    def total(parts: list[int]) -> int:
        return sum(parts)

    @app.actor
    def publish(number: int) -> None: ...

    handle = (group([part.call(1), part.call(0)]) | total | publish).send()
    ids = list(handle.message_ids())
    site = Site(app)
    before = site.json(f"/workflow?id={ids[0]}")

    assert [step.get("actor_name", "group") for step in before["steps"]] == ["group", "total", "publish"]
    assert before["steps"][0]["members"][1][0] == {"message_id": ids[1], "actor_name": "part", "state": "ready"}
    assert before["ids"] == ids
    assert (before["waiting"], before["svg"].count("<rect"), before["svg"].count("<path")) == (2, 4, 3)
    app.run_until_idle()
    after = site.json(f"/workflow?id={ids[1]}")
    assert (after["dead"][0], after["waiting"]) == (ids[1], 0)
    assert 'href="/workflow?id=' in site.html(f"/message?id={ids[1]}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_is_json_for_a_program(site: Site, app: App, mail, page) -> None:
    message_id = mail.send("ann@example.com").message_id
    claim(app, "mail", "host7:123:abc")
    path = f"{page.path}?id={'host7:123:abc' if page.name == 'stacks' else message_id}"

    assert isinstance(site.json(path), dict)
    assert site.http.get(path, headers=JSON).headers["content-type"] == "application/json"
    assert site.html(path).startswith("<!doctype html>")


def test_a_wrong_parameter_is_an_error_that_says_so(site: Site) -> None:
    assert "found 'bogus', expected one of ready" in site.json("/messages?state=bogus", 400)["error"]
    assert site.html("/messages?after=bogus", 400)
    assert site.html("/nowhere", 404)
