"""Without access nothing is read or changed; another site's request changes nothing; each page keeps to itself."""

import base64

import pytest
from starlette.testclient import TestClient

from fq import App
from fq.errors import ConfigError, OptionError
from fq.web import basic_auth, read_only, web
from fq.web.access import ACTIONS, Permissions
from fq.web.pages import PAGES
from fq.web.serve import is_loopback, prepare
from tests.web.conftest import JSON, SAME_SITE, Site

PATHS = [page.path for page in PAGES] + ["/metrics", "/readyz"]


def login(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Watched:
    """A broker that may not be asked."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the broker was asked: {name}")


def paused(app: App) -> bool:
    return any(queue.paused for queue in app.broker.queues())


@pytest.mark.parametrize("path", PATHS)
def test_without_access_no_page_asks_the_broker(path: str) -> None:
    http = TestClient(web(App(broker=Watched()), access=lambda _: None))

    assert http.get(path).status_code == 403
    assert http.get(path, headers=JSON).status_code == 403
    assert http.get(path, headers={"accept": "text/event-stream"}).status_code == 403
    assert http.head(path).status_code in (403, 405)


def test_without_access_nothing_is_changed(memory_app: App) -> None:
    http = TestClient(web(memory_app, access=lambda _: None))
    answer = http.post("/act", data={"action": "pause", "id": "default"}, headers=SAME_SITE)

    assert (answer.status_code, paused(memory_app)) == (403, False)


def test_only_livez_and_the_style_are_open(memory_app: App) -> None:
    http = TestClient(web(memory_app, access=lambda _: None))

    assert [http.get(path).status_code for path in ("/livez", "/static/fq.css", "/static/fq.js")] == [200, 200, 200]
    assert http.get("/static/../pages/overview.py").status_code in (403, 404)
    assert http.get("/static/%2e%2e/asgi.py").status_code in (403, 404)
    assert http.post("/livez", headers=SAME_SITE).status_code == 403


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_who_may_only_read_changes_nothing(memory_app: App, action: str) -> None:
    answer = Site(memory_app, "read").act(action, "default", confirmed="1")

    assert (answer.status_code, paused(memory_app)) == (403, False)


def test_who_may_do_one_thing_may_do_no_other(memory_app: App) -> None:
    site = Site(memory_app, {"resume"})

    assert site.act("pause", "default").status_code == 403
    assert site.act("resume", "default").status_code == 303


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://testserver"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, True),  # no page can set the latter
        ({}, False),
    ],
)
def test_a_form_of_another_site_changes_nothing(memory_app: App, headers: dict[str, str], passes: bool) -> None:
    answer = Site(memory_app).http.post("/act", data={"action": "pause", "id": "default"}, headers=headers)

    assert (answer.status_code, paused(memory_app)) == ((303, True) if passes else (403, False))


def test_a_program_without_an_origin_sends_json(memory_app: App) -> None:
    answer = Site(memory_app).http.post("/act", json={"action": "pause", "id": ["default"]}, headers=JSON)

    assert (answer.json(), paused(memory_app)) == ({"action": "pause", "changed": 1, "more": False, "after": "", "query": ""}, True)


def test_a_get_changes_nothing(memory_app: App) -> None:
    assert Site(memory_app).http.get("/act?action=pause&id=default").status_code == 405
    assert not paused(memory_app)


@pytest.mark.parametrize("path", [*PATHS, "/static/fq.css", "/nowhere"])
def test_every_answer_has_a_strict_policy(memory_app: App, path: str) -> None:
    headers = Site(memory_app).http.get(path).headers
    policy = headers["content-security-policy"]

    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (headers["x-content-type-options"], headers["x-frame-options"], headers["referrer-policy"]) == ("nosniff", "DENY", "same-origin")


def test_a_login_is_asked_for_and_compared(memory_app: App) -> None:
    http = TestClient(web(memory_app, access=basic_auth("ann", "geheim ü"), asks_for_login=True))
    closed = http.get("/")

    assert (closed.status_code, closed.headers["www-authenticate"]) == (401, 'Basic realm="fq", charset="UTF-8"')
    assert http.get("/", headers=login("ann", "geheim ü")).status_code == 200
    for wrong in (login("ann", "geheim"), login("bob", "geheim ü"), {"authorization": "Basic ???"}, {"authorization": "Bearer geheim"}):
        assert http.get("/", headers=wrong).status_code == 401


def test_read_only_narrows_another_check(memory_app: App) -> None:
    http = TestClient(web(memory_app, access=read_only(basic_auth("ann", "geheim"))))

    assert http.get("/", headers=login("ann", "geheim")).status_code == 200
    assert http.get("/").status_code == 403
    assert http.post("/act", data={"action": "pause", "id": "a"}, headers={**SAME_SITE, **login("ann", "geheim")}).status_code == 403


def test_a_misspelt_permission_is_an_error() -> None:
    with pytest.raises(OptionError, match="found requeu, expected some of cancel"):
        Permissions.of({"requeu"})
    with pytest.raises(OptionError, match="found 'admin'"):
        Permissions.of("admin")


def test_the_link_sets_a_cookie_and_takes_the_token_out_of_the_address(memory_app: App) -> None:
    served = prepare(memory_app, "127.0.0.1", 8080)
    http = TestClient(served.asgi, base_url="http://127.0.0.1:8080", follow_redirects=False)

    assert http.get("/").status_code == 403
    assert http.get("/?token=wrong").status_code == 403
    opened = http.get(served.link.replace("/?", "/messages?state=dead&"))
    assert (opened.status_code, opened.headers["location"]) == (303, "/messages?state=dead")
    assert "httponly; " in opened.headers["set-cookie"].lower()
    assert "samesite=lax" in opened.headers["set-cookie"].lower()
    assert http.get("/").status_code == 200


def test_the_link_leads_to_no_other_host(memory_app: App) -> None:
    served = prepare(memory_app, "127.0.0.1", 8080)
    http = TestClient(served.asgi, base_url="http://127.0.0.1:8080", follow_redirects=False)
    token = served.link.partition("token=")[2]

    assert http.get(f"http://127.0.0.1:8080//evil.example/?token={token}").headers["location"] == "/evil.example/"


def test_a_program_sends_the_token_as_a_header(memory_app: App) -> None:
    served = prepare(memory_app, "127.0.0.1", 8080)
    token = served.link.partition("token=")[2]

    assert TestClient(served.asgi).get("/", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert len(token) >= 32
    assert prepare(memory_app, "127.0.0.1", 8080).link != served.link


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com", "127.0.0.1.example.com"])
def test_another_host_without_a_login_is_refused(memory_app: App, host: str) -> None:
    with pytest.raises(ConfigError, match=r"type --auth USER:PASSWORD, or set \$FQ_WEB_AUTH, or type --read-only"):
        prepare(memory_app, host, 8080)


def test_another_host_may_be_read_or_has_a_login(memory_app: App) -> None:
    reading = TestClient(prepare(memory_app, "0.0.0.0", 8080, reads_only=True).asgi)
    closed = TestClient(prepare(memory_app, "0.0.0.0", 8080, auth="ann:geheim").asgi)

    assert reading.get("/").status_code == 200
    assert reading.post("/act", data={"action": "pause", "id": "a"}, headers=SAME_SITE).status_code == 403
    assert (closed.get("/").status_code, closed.get("/", headers=login("ann", "geheim")).status_code) == (401, 200)


@pytest.mark.parametrize("auth", ["ann", "ann:", ":"])
def test_a_login_without_a_password_is_refused(memory_app: App, auth: str) -> None:
    with pytest.raises(ConfigError, match="found no password, expected USER:PASSWORD"):
        prepare(memory_app, "127.0.0.1", 8080, auth=auth)


def test_loopback_is_every_address_of_this_machine_alone() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "")))
