"""Acting on one message, on many, on all that match; on queues and schedules; and the trace that each action leaves."""

import logging
from html import unescape
from urllib.parse import parse_qsl, quote

import pytest

from fq import App, group
from fq.core.events import Event, Operated
from fq.middleware.base import Middleware
from fq.web import act
from tests.brokers.harness import Harness
from tests.web.conftest import JSON, SAME_SITE, Site, claim, fail


@pytest.fixture
def mail(app: App):
    """An actor that is never run: tests say what becomes of its messages."""

    @app.actor(queue="mail", max_retries=3)
    def mail(to: str, subject: str = "") -> None: ...

    return mail


def state(app: App, message_id: str) -> str:
    return app.broker.status(message_id).state


def dead(app: App, mail, count: int, error: str = "ConnectionError") -> list[str]:
    for n in range(count):
        mail.send(f"{n}@example.com")
    return [fail(app, "mail", error) for _ in range(count)]


def test_one_dead_letter_is_requeued_at_once(site: Site, app: App, mail) -> None:
    (message_id,) = dead(app, mail, 1)
    answer = site.act("requeue", message_id, page="message", query=f"id={message_id}")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/message?id={quote(message_id)}&done=requeue&count=1")
    assert state(app, message_id) == "ready"
    assert "1 dead letter requeued." in " ".join(site.html(answer.headers["location"]).split())


def test_many_are_changed_only_after_a_page_that_says_how_many(site: Site, app: App, mail) -> None:
    ids = dead(app, mail, 3)
    asked = site.act("requeue", *ids[:2])

    assert asked.status_code == 200
    assert "Requeue 2 dead letters?" in asked.text
    assert {state(app, each) for each in ids} == {"dead"}
    assert site.act("requeue", *ids[:2], confirmed="1").status_code == 303
    assert [state(app, each) for each in ids] == ["ready", "ready", "dead"]


def test_all_that_match_are_changed_and_no_others(site: Site, app: App, mail) -> None:
    ids, others = dead(app, mail, 3), dead(app, mail, 2, "KeyError")
    wanted = {"all": "1", "state": "dead", "actor": "mail", "error": "ConnectionError"}
    asked = site.act("requeue", **wanted)

    assert "Requeue 3 dead letters?" in asked.text
    until = asked.text.partition('name="until" value="')[2].partition('"')[0]
    assert site.act("requeue", **wanted, until=until, most="3", confirmed="1").headers["location"].endswith("done=requeue&count=3")
    assert {state(app, each) for each in ids} == {"ready"}
    assert {state(app, each) for each in others} == {"dead"}


def test_what_dies_after_the_question_is_left_alone(site: Site, app: App, mail, harness: Harness) -> None:
    (before,) = dead(app, mail, 1)
    until = site.json("/messages?state=dead")["messages"][0]["since"]
    harness.advance(5_000)
    (after,) = dead(app, mail, 1)
    site.act("discard", all="1", state="dead", until=str(until), confirmed="1")

    assert (state(app, before), state(app, after)) == ("unknown", "dead")


def test_no_more_are_changed_than_were_confirmed(site: Site, app: App, mail) -> None:
    dead(app, mail, 4)
    answer = site.act("discard", all="1", state="dead", most="3", confirmed="1")

    path, _, query = answer.headers["location"].partition("?")
    fields = dict(parse_qsl(query))
    assert (fields["done"], fields["count"]) == ("discard", "3")
    assert "There may be more that match" in site.html(f"{path}?{query}")
    assert "Discard 1 message?" in site.act("discard", all="1", **dict(parse_qsl(fields["more"]))).text


def test_what_is_cancelled_is_not_found_again_by_going_on(site: Site, app: App, mail) -> None:
    handles = app.send_many(mail.call(f"{n}@example.com") for n in range(5))
    first = site.act("cancel", all="1", state="ready", most="3", confirmed="1").headers["location"]
    more = dict(parse_qsl(dict(parse_qsl(first.partition("?")[2]))["more"]))
    second = site.http.post("/act", json={"action": "cancel", "all": 1, "confirmed": 1, **more}, headers={**SAME_SITE, **JSON}).json()

    assert len(handles) == 5
    assert (second["changed"], second["more"]) == (2, False)


def test_a_search_that_found_nothing_so_far_goes_on(site: Site, app: App, mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act, "MOST_CALLS", 1)
    app.send_many(mail.call("common") for _ in range(1_000))
    mail.send("rare")
    wanted = {"all": "1", "state": "ready", "argument": "to=rare"}
    asked = site.act("discard", **wanted)
    after = unescape(asked.text.partition('name="after" value="')[2].partition('"')[0])

    assert "1,000 messages were looked at, and there are more. None of them match." in asked.text
    assert "Go on searching" in asked.text
    assert "Discard 1 message?" in site.act("discard", **wanted, after=after).text


def test_one_request_changes_a_bounded_number(site: Site, app: App, mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act, "MOST_CHANGED", 2)
    dead(app, mail, 3)
    asked = site.act("discard", all="1", state="dead")

    assert "Discard 2 messages?" in asked.text
    assert "2 messages were looked at, and there are more." in asked.text


def test_a_delayed_message_runs_now_with_its_error_kept(site: Site, app: App, mail) -> None:
    later = mail.call("ann@example.com").delay(60_000).send().message_id
    mail.send("bob@example.com")
    retried = fail(app, "mail", retry_in=60_000)
    site.act("run_now", all="1", state="delayed", confirmed="1")

    assert (state(app, later), state(app, retried)) == ("ready", "ready")
    assert app.broker.peek(retried).status.fault.type == "ConnectionError"


def test_a_waiting_message_is_cancelled_or_discarded(site: Site, app: App, mail) -> None:
    first, second = (mail.send("ann@example.com").message_id for _ in range(2))
    assert site.act("cancel", first).status_code == 200  # asks first
    site.act("cancel", first, confirmed="1")
    site.act("discard", second, confirmed="1")

    assert state(app, second) == "unknown"
    assert claim(app, "mail").interrupted == "cancelled"


def test_a_queue_is_paused_resumed_and_purged(site: Site, app: App, mail) -> None:
    mail.send("ann@example.com")
    mail.call("ann@example.com").delay(9_000).send()
    site.act("pause", "mail")
    assert app.broker.queues()[0].paused
    site.act("resume", "mail")
    assert not app.broker.queues()[0].paused
    asked = site.act("purge", "mail").text
    assert "2 messages wait there" in asked
    assert "Purge 1 queue" in asked
    assert site.http.post("/act", json={"action": "purge", "id": "mail"}, headers=JSON).json()["messages"] == 2
    assert site.act("purge", "mail", confirmed="1", page="queues").headers["location"] == "/queues?done=purge&count=2"


def test_a_workflow_is_cancelled_with_what_follows_its_groups(harness: Harness) -> None:
    app = App(broker=harness.broker())
    ran = []

    @app.actor
    def part(n: int) -> int:
        ran.append(n)
        return n

    @app.actor
    def total(parts: list[int]) -> None:
        ran.append("total")

    handle = (group([part.call(1), part.call(2)]) | total).send()
    shown = Site(app).json(f"/workflow?id={next(iter(handle.message_ids()))}")
    form = {"action": "cancel", "id": shown["ids"], "group": shown["groups"], "confirmed": "1", "page": "workflow"}
    answer = Site(app).http.post("/act", data=form, headers=SAME_SITE)
    app.run_until_idle()

    assert (answer.status_code, ran) == (303, [])


def test_a_schedule_is_paused_resumed_run_and_removed(harness: Harness) -> None:
    app = App(broker=harness.broker())

    @app.actor
    def poll() -> None: ...

    from fq import Schedule, every

    app.schedules.put(Schedule("every minute", every(60_000), poll.call()))
    site = Site(app)
    (shown,) = site.json("/schedules")["schedules"]
    assert (shown["when"], shown["actors"], shown["state"], len(shown["next"])) == ("every minute", ["poll"], "active", 3)
    site.act("pause_schedule", "every minute")
    assert site.json("/schedules")["schedules"][0]["state"] == "paused"
    site.act("resume_schedule", "every minute")
    assert site.json("/schedules")["schedules"][0]["state"] == "active"
    site.act("run_schedule", "every minute")
    assert app.run_until_idle() == 1
    assert "Remove" in site.html("/schedules")
    site.act("remove_schedule", "every minute", confirmed="1")
    assert site.json("/schedules")["schedules"] == []


def test_an_edited_call_is_checked_and_sent_as_a_message_of_its_own(site: Site, app: App) -> None:
    sent = []

    @app.actor(queue="mail", max_retries=0, tags=["billing"])
    def mail(to: str, copies: int = 1) -> None:
        sent.append((to, copies))
        if to == "ann":
            raise ValueError(to)

    old = mail.call("ann").with_options(time_limit=5_000).send().message_id
    app.run_until_idle()
    wrong = site.act("edit", old, args='["bob", "many"]', kwargs="{}")
    assert wrong.status_code == 400
    assert "copies: expected int" in wrong.text
    assert "not JSON" in site.act("edit", old, args="[", kwargs="{}").text
    answer = site.act("edit", old, args='["bob", 2]', kwargs="{}")
    assert answer.status_code == 303
    new = answer.headers["location"].partition("id=")[2].partition("&")[0]
    shown = site.json(f"/message?id={new}")
    app.run_until_idle()

    assert sent == [("ann", 1), ("bob", 2)]
    assert (shown["record"]["tags"], shown["options"]) == (["billing"], [{"name": "time_limit", "value": "5000"}])
    assert state(app, old) == "dead"


def test_a_form_that_is_sent_twice_sends_one_message(site: Site, app: App, mail) -> None:
    old = mail.send("ann@example.com").message_id
    form = {"args": '["bob@example.com"]', "new_id": site.json(f"/edit?id={old}")["new_id"]}
    first, second = (site.act("edit", old, **form).headers["location"] for _ in range(2))
    other = site.act("edit", old, args='["bob@example.com"]').headers["location"]

    assert first == second != other
    assert f"id={form['new_id']}" in first
    assert app.broker.queues()[0].ready == 3
    assert "expected a UUID" in site.act("edit", old, args='["bob@example.com"]', new_id="m1").text


def test_what_is_done_before_an_error_is_told_to_the_audit(memory_app: App, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fq.web"):
        answer = Site(memory_app).act("pause", "mail", "\0", confirmed="1")

    assert answer.status_code == 400
    assert [record.getMessage() for record in caplog.records if record.name == "fq.web"] == ["testclient: pause of mail, 1 changed"]


def test_every_action_is_an_event_and_a_line_of_the_log(memory_app: App, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    class Audit(Middleware):
        def on_event(self, event: Event) -> None:
            seen.append(event)

    memory_app.edit_stack(lambda stack: stack.add(Audit()))
    with caplog.at_level(logging.INFO, "fq.web"):
        Site(memory_app).act("pause", "mail")

    assert [event for event in seen if isinstance(event, Operated)] == [Operated("testclient", "pause", ("mail",))]
    (record,) = (record for record in caplog.records if record.name == "fq.web")
    assert record.getMessage() == "testclient: pause of mail, 1 changed"
    assert (record.who, record.action, record.ids, record.changed) == ("testclient", "pause", ["mail"], 1)


def test_a_program_gets_the_number_before_it_confirms(site: Site, app: App, mail) -> None:
    dead(app, mail, 2)
    order = {"action": "requeue", "all": True, "state": "dead"}
    asked = site.http.post("/act", json=order, headers=JSON)
    done = site.http.post("/act", json=order | {"confirmed": True, "until": asked.json()["until"]}, headers=JSON)

    assert (asked.status_code, asked.json()["count"]) == (409, 2)
    assert (done.status_code, done.json()["changed"]) == (200, 2)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"[]", "neither a form nor a JSON object"),
        (b"\xff", "neither a form nor a JSON object"),
        (b'{"action": "explode", "id": ["m"]}', "found &#39;explode&#39;, expected one of edit, requeue"),
        (b'{"action": "requeue"}', "nothing is chosen"),
        (b'{"action": "edit", "all": 1}', "nothing is chosen"),
        (b'{"action": "requeue", "all": 1, "state": "dead", "query": "\\ud800"}', "neither a form nor a JSON object"),
        (b'{"action": "requeue", "all": 1, "state": "finished"}', "messages that have ended do not change"),
        (b'{"x": "' + b"y" * act.MOST_BODY + b'"}', "more than 1000000 bytes"),
    ],
)
def test_a_wrong_order_is_an_error_that_says_so(memory_app: App, body: bytes, error: str) -> None:
    answer = Site(memory_app).http.post("/act", content=body, headers={"content-type": "application/json", **SAME_SITE})

    assert answer.status_code == 400
    assert error in answer.text


def test_going_back_leads_nowhere_else(memory_app: App) -> None:
    site = Site(memory_app)

    assert site.act("pause", "mail", page="//evil.example").headers["location"] == "/?done=pause&count=1"
    assert site.act("pause", "mail", query="a=1\r\nset-cookie: b=2").headers["location"].startswith("/?a=1%0D%0Aset-cookie")
