"""The web pages behind a login of Django, with `wsgi.py` and with `asgi.py`; their entry in the admin."""

import asyncio
import io
import logging
import sys
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.test import AsyncClient, Client, override_settings
from django.test.client import AsyncRequestFactory
from shop.tasks import confirm

from fq import App
from fq.django import bridge, views
from fq.django.views import access_of
from fq.web.access import ACTIONS
from tests.django import sample_tasks as tasks

HTML = {"accept": "text/html"}
SAME_SITE = {"sec-fetch-site": "same-origin", **HTML}


@pytest.fixture
def staff(database: None) -> User:
    """A member of staff without permissions."""
    return User.objects.create_user("ann", is_staff=True)


@pytest.fixture
def admin(database: None) -> User:
    """A superuser."""
    return User.objects.create_superuser("root")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, **fields: str):
    """Send a form as a browser does."""
    return client.post("/fq/act", urlencode(fields), content_type="application/x-www-form-urlencoded", headers=SAME_SITE)


def allow(user: User, *codenames: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames, content_type__app_label="fq"))


def test_without_a_login_a_person_is_sent_to_that_of_the_admin(app: App, database: None) -> None:
    answer = Client().get("/fq/messages?state=dead", headers=HTML)

    assert answer.status_code == 302
    assert answer.headers["location"] == "/admin/login/?next=/fq/messages%3Fstate%3Ddead"


def test_without_a_login_a_program_or_a_post_is_refused(app: App, database: None) -> None:
    assert Client().get("/fq/", headers={"accept": "application/json"}).status_code == 403
    assert Client().post("/fq/act", {"action": "purge", "id": "default"}, headers=SAME_SITE).status_code == 403


def test_a_person_without_permission_is_refused(app: App, staff: User) -> None:
    customer = User.objects.create_user("eve")
    allow(customer, "view_pages")

    assert client_of(staff).get("/fq/", headers=HTML).status_code == 403
    assert client_of(customer).get("/fq/", headers=HTML).status_code == 403


def test_a_superuser_sees_each_page_with_its_links_below_the_prefix(app: App, admin: User) -> None:
    sent = tasks.double.enqueue(1)
    client = client_of(admin)
    page = client.get("/fq/messages", headers=HTML)

    assert page.status_code == 200
    assert sent.id in page.content.decode()
    assert 'href="/fq/queues"' in page.content.decode()
    assert client.get("/fq/static/fq.css").headers["content-type"].startswith("text/css")
    assert client.get("/fq/message", {"id": sent.id}, headers=HTML).status_code == 200
    assert client.get("/fq/nothing", headers=HTML).status_code == 404


def test_the_headers_of_the_pages_are_kept(app: App, admin: User) -> None:
    answer = client_of(admin).get("/fq/", headers=HTML)

    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-frame-options"] == "DENY"


def test_a_person_who_may_only_read_changes_nothing(app: App, staff: User) -> None:
    allow(staff, "view_pages")
    confirm.send(1)
    client = client_of(staff)

    assert client.get("/fq/queues", headers=HTML).status_code == 200
    assert act(client, action="pause", id="mail").status_code == 403
    assert app.broker.queues()[0].paused is False


def test_a_person_who_may_operate_pauses_a_queue(app: App, staff: User, caplog: pytest.LogCaptureFixture) -> None:
    allow(staff, "view_pages", "operate_pages")
    confirm.send(1)
    with caplog.at_level(logging.INFO, "fq.web"):
        answer = act(client_of(staff), action="pause", id="mail", page="queues")

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/fq/queues")
    assert [queue.paused for queue in app.broker.queues() if queue.queue_name == "mail"] == [True]
    assert [record.who for record in caplog.records if record.name == "fq.web"] == ["ann"]


def test_a_post_from_another_site_is_refused(app: App, admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    answer = client.post("/fq/act", {"action": "pause", "id": "mail"}, headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403


def test_permissions_are_those_of_the_user(staff: User, admin: User) -> None:
    def access(user: User) -> object:
        request = AsyncRequestFactory().get("/fq/")
        request.user = User.objects.get(pk=user.pk)
        return access_of(request)

    assert access(admin) == "all"
    assert access(staff) is None
    allow(staff, "view_pages")
    assert access(staff) == frozenset()
    allow(staff, "see_values")
    assert access(staff) == {"values"}
    allow(staff, "operate_pages")
    assert access(staff) == {*ACTIONS, "values"}


def read_for_all(request: object) -> str:
    """Let all read."""
    return "read"


def test_the_project_may_decide_itself(app: App, database: None) -> None:
    with override_settings(FQ={"URL": "memory://", "ACCESS": "tests.django.test_pages.read_for_all"}):
        assert Client().get("/fq/", headers=HTML).status_code == 200


def test_behind_wsgi_no_thread_is_held_for_the_refresh(app: App, admin: User) -> None:
    assert client_of(admin).get("/fq/", headers={"accept": "text/event-stream"}).status_code == 204


def test_behind_asgi_the_pages_refresh_themselves(app: App, admin: User) -> None:
    async def story() -> tuple[str, bytes]:
        client = AsyncClient()
        await client.aforce_login(admin)
        answer = await client.get("/fq/?live=1", headers={"accept": "text/event-stream"})
        first = await anext(aiter(answer.streaming_content))
        return answer.headers["content-type"], first

    kind, first = asyncio.run(story())

    assert kind.startswith("text/event-stream")
    assert first.startswith(b"data: ")


def test_a_reader_that_goes_away_ends_the_stream() -> None:
    ended = []

    async def stream(scope, receive, send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
                await asyncio.sleep(0.001)
        finally:
            ended.append("ended")

    async def story() -> list[bytes]:
        answer = await bridge.answer(stream, AsyncRequestFactory().get("/fq/"), "/fq", {})
        chunks = aiter(answer.streaming_content)
        read = [await anext(chunks), await anext(chunks)]
        await chunks.aclose()
        return read

    assert asyncio.run(story()) == [b"data: 1\n\n"] * 2
    assert ended == ["ended"]


def test_an_app_that_fails_before_it_answers_is_an_error_of_the_request() -> None:
    async def broken(scope, receive, send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(bridge.answer(broken, AsyncRequestFactory().get("/fq/"), "/fq", {}))


def test_without_the_extra_the_view_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fq.web", None)
    views.site.cache_clear()
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'fq\[django,web\]'"):
        views.site()
    views.site.cache_clear()


def test_the_admin_links_to_the_pages_for_those_who_may_see_them(app: App, staff: User, admin: User) -> None:
    link = 'href="/admin/fq/pages/"'

    assert link in client_of(admin).get("/admin/").content.decode()
    assert link not in client_of(staff).get("/admin/").content.decode()
    allow(staff, "view_pages")
    assert link in client_of(staff).get("/admin/").content.decode()
    assert client_of(staff).get("/admin/fq/pages/").headers["location"] == "/fq/"


def test_the_admin_has_no_entry_if_the_pages_are_not_in_the_urls(app: App, admin: User) -> None:
    with override_settings(ROOT_URLCONF="tests.django.urls_without_pages"):
        assert "/admin/fq/" not in client_of(admin).get("/admin/").content.decode()


def test_a_project_may_have_a_transaction_around_each_request(app: App, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)

    assert client_of(admin).get("/fq/", headers=HTML).status_code == 200


def test_the_entry_in_the_admin_has_no_page_for_one_object(app: App, admin: User) -> None:
    assert client_of(admin).get("/admin/fq/pages/1/change/").status_code == 302


@pytest.mark.parametrize("every", [False, True])
def test_all_data_of_a_project_can_be_dumped(app: App, every: bool) -> None:
    text = io.StringIO()
    call_command("dumpdata", use_base_manager=every, stdout=text)

    assert '"auth.permission"' in text.getvalue()
    assert '"fq.pages"' not in text.getvalue()
