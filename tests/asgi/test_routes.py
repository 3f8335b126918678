"""What a client sees of a task by GET, on every broker."""

import asyncio

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.testclient import TestClient

from fq import App, ConfigError, Handle
from fq.asgi import TaskRoutes
from fq.brokers.memory import MemoryBroker
from fq.errors import BrokerUnavailable
from tests.asgi.conftest import SECRET, declare

UNKNOWN = "01a22996-cdfa-75c2-a8e6-3b23363c222b"


class Client:
    """Who has the signed links of the tasks of *app*."""

    def __init__(self, app: App, **settings: object) -> None:
        self.app = app
        self.tasks = TaskRoutes(app, **{"secret": SECRET, **settings})
        self.http = TestClient(self.tasks)

    def see(self, handle: Handle, query: str = "") -> dict:
        answer = self.http.get(f"/{self.tasks.link(handle)}{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, actor: str, *args: object) -> Handle:
        return self.app.get_actor(actor).send(*args)


def test_a_task_waits_and_succeeds(app: App) -> None:
    client = Client(app)
    handle = client.send("add", 1, 2)
    before = client.see(handle)
    app.run_until_idle()

    link = client.tasks.link(handle)
    assert before == {"id": link, "state": "waiting", "progress": None, "result": None, "error": None}
    assert client.see(handle) == {"id": link, "state": "succeeded", "progress": None, "result": 3, "error": None}


def test_a_running_task_shows_its_progress(app: App) -> None:
    client, seen = Client(app), []

    @app.actor
    def work() -> int:
        from fq import progress

        progress(3, of=4, note="nearly")
        seen.append(client.see(handle))
        return 1

    handle = work.send()
    app.run_until_idle()

    assert seen[0]["state"] == "running"
    assert seen[0]["progress"] == {"done": 3, "of": 4, "note": "nearly", "fraction": 0.75}


def test_a_failed_task_shows_the_type_of_its_error_and_no_more(app: App, silent: None) -> None:
    client = Client(app)
    handle = client.send("fail", "1234")
    app.run_until_idle()
    answer = client.http.get(f"/{client.tasks.link(handle)}")

    assert (answer.json()["state"], answer.json()["error"]) == ("failed", {"type": "ConnectionError"})
    assert "1234" not in answer.text
    assert "Traceback" not in answer.text


def test_show_error_and_show_result_decide_what_is_shown(app: App, silent: None) -> None:
    client = Client(app, show_error=lambda fault: fault.message, show_result=lambda result: {"sum": result})
    failed, succeeded = client.send("fail", "1234"), client.send("add", 1, 2)
    app.run_until_idle()

    assert client.see(failed)["error"] == "the password is 1234"
    assert client.see(succeeded)["result"] == {"sum": 3}


def test_a_cancelled_task_says_so(app: App, silent: None) -> None:
    client = Client(app)
    handle = client.send("add", 1, 2)
    handle.cancel()
    app.run_until_idle()

    assert client.see(handle)["state"] == "cancelled"


def test_a_task_that_stores_no_result_ends_or_fails(app: App, silent: None) -> None:
    client = Client(app)
    ended, failed = client.send("nothing"), client.send("nothing", True)
    app.run_until_idle()

    assert client.see(ended)["state"] == "ended"
    assert client.see(failed)["state"] == "failed"


def test_a_result_is_json(app: App) -> None:
    client = Client(app)
    handle = client.send("point", 1)
    app.run_until_idle()

    assert client.see(handle)["result"] == {"x": 1, "y": 1}


def test_a_pipeline_waits_while_an_earlier_step_does(app: App, silent: None) -> None:
    client = Client(app)
    add, fail = app.get_actor("add"), app.get_actor("fail")
    handle, broken = (add.call(1, 2) | add.call(3)).send(), (fail.call("x") | add.call(3)).send()
    before = client.see(handle)["state"]
    app.run_until_idle()

    assert before == "waiting"
    assert (client.see(handle)["state"], client.see(handle)["result"]) == ("succeeded", 6)
    assert client.see(broken)["state"] == "failed"


def test_an_unsigned_id_and_one_that_does_not_exist_are_answered_alike(app: App) -> None:
    client = Client(app)
    known = client.send("add", 1, 2).message_id
    answers = [client.http.get(path) for path in (f"/{known}", f"/{known}/events", f"/{UNKNOWN}", "/", "/events", f"/{known}.AAAA")]

    assert {(answer.status_code, answer.text) for answer in answers} == {(404, '{"error":"no such task"}')}


@pytest.mark.parametrize("is_async", [True, False])
def test_access_decides_about_each_request(memory_app: App, is_async: bool) -> None:
    owners = {}

    def access(request: Request, message_id: str) -> bool:
        return owners.get(message_id) == request.headers.get("x-user")

    async def aaccess(request: Request, message_id: str) -> bool:
        return access(request, message_id)

    tasks = TaskRoutes(memory_app, access=aaccess if is_async else access)
    handle = memory_app.get_actor("add").send(1, 2)
    owners[handle.message_id] = "ann"
    client = TestClient(tasks)

    assert client.get(f"/{tasks.link(handle)}", headers={"x-user": "ann"}).json()["state"] == "waiting"
    assert client.get(f"/{tasks.link(handle)}", headers={"x-user": "bob"}).status_code == 404


def test_access_may_return_the_handle_of_a_workflow(app: App) -> None:
    add = app.get_actor("add")
    group = app.group([add.call(1, 2), add.call(3, 4)]).send()
    client = TestClient(TaskRoutes(app, access=lambda request, message_id: {"sums": group}.get(message_id)))
    before = client.get("/sums").json()
    app.run_until_idle()

    assert (before["id"], before["state"]) == ("sums", "running")
    assert before["progress"]["of"] == 2
    assert client.get("/sums").json()["result"] == [3, 7]
    assert client.get("/others").status_code == 404


def test_what_a_group_collects_shows_no_text_of_errors(app: App, silent: None) -> None:
    group = app.group([app.get_actor("add").call(1, 2), app.get_actor("fail").call("1234")], on_member_failure="collect").send()
    app.run_until_idle()
    answer = TestClient(TaskRoutes(app, access=lambda *_: group)).get("/sums")

    assert answer.json()["result"] == [3, {"error": {"type": "ConnectionError"}}]
    assert "1234" not in answer.text


def test_with_a_secret_and_access_both_must_allow_it(memory_app: App) -> None:
    client = Client(memory_app, access=lambda request, _: "x-user" in request.headers)
    path = f"/{client.tasks.link(client.send('add', 1, 2))}"

    assert client.http.get(path).status_code == 404
    assert client.http.get(path, headers={"x-user": "ann"}).status_code == 200
    assert client.http.get(f"/{UNKNOWN}", headers={"x-user": "ann"}).status_code == 404


@pytest.mark.parametrize("truthy", [1, "yes", object()])
def test_only_true_is_access(memory_app: App, truthy: object) -> None:
    client = Client(memory_app, access=lambda *_: truthy)

    assert client.http.get(f"/{client.tasks.link(client.send('add', 1, 2))}").status_code == 404


def test_without_a_secret_and_access_there_are_no_routes(memory_app: App) -> None:
    with pytest.raises(ConfigError, match="ids of messages can be guessed"):
        TaskRoutes(memory_app)


def test_wait_returns_at_the_end_of_the_task(app: App) -> None:
    client = Client(app)
    with app.worker(threads=1):
        states = [client.see(client.send(*call), "?wait=20000")["state"] for call in (("add", 1, 2), ("nothing",))]

    assert states == ["succeeded", "ended"]


def test_wait_is_bounded(memory_app: App) -> None:
    client = Client(memory_app, max_wait=20)

    assert client.see(client.send("add", 1, 2), "?wait=999999999999999999999")["state"] == "waiting"


@pytest.mark.parametrize(
    ("wait", "received"),
    [(600_000, {"type": "http.disconnect"}), (20, {"type": "http.request", "body": b"", "more_body": False})],
    ids=["the client leaves", "a middleware repeats the body"],
)
def test_a_wait_ends_whatever_is_received(memory_app: App, wait: int, received: dict) -> None:
    client, sent = Client(memory_app, max_wait=600_000), []
    path = f"/{client.tasks.link(client.send('add', 1, 2))}"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": f"wait={wait}".encode(), "headers": []}

    async def receive() -> dict:
        return received

    async def send(message: dict) -> None:
        sent.append(message["type"])

    asyncio.run(asyncio.wait_for(client.tasks(scope, receive, send), 60))

    assert sent == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("wait", ["-1", "1.5", "soon", "", "²"])
def test_a_wait_that_is_no_number_is_refused(memory_app: App, wait: str) -> None:
    client = Client(memory_app)
    answer = client.http.get(f"/{client.tasks.link(client.send('add', 1, 2))}", params={"wait": wait})

    assert (answer.status_code, answer.json()["error"]) == (400, f"wait: found {wait!r}, expected ms")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_nothing_but_get_is_allowed(memory_app: App, method: str) -> None:
    client = Client(memory_app)

    assert client.http.request(method, f"/{client.tasks.link(client.send('add', 1, 2))}").status_code == 405


def test_a_view_stays_out_of_caches_and_referrers(memory_app: App) -> None:
    client = Client(memory_app)
    headers = client.http.get(f"/{client.tasks.link(client.send('add', 1, 2))}").headers

    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")


def test_a_broker_that_is_away_is_told_apart_from_a_task_that_is_not_there(silent: None) -> None:
    class Away(MemoryBroker):
        def result(self, message_id: str) -> bytes | None:
            raise BrokerUnavailable("no server at secret.example")

        def wait_result(self, message_id: str, timeout: int) -> bytes | None:
            raise BrokerUnavailable("no server at secret.example")

    client = Client(declare(App(broker=Away())))
    answer = client.http.get(f"/{client.tasks.link(client.send('add', 1, 2))}")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "secret.example" not in answer.text


@pytest.mark.parametrize("prefix", ["", "/proxied"])
def test_it_can_be_mounted_below_any_path(memory_app: App, prefix: str) -> None:
    tasks = TaskRoutes(memory_app, secret=SECRET)
    handle = memory_app.get_actor("add").call(1, 2).with_id("a/b c").send()
    fastapi, nested = FastAPI(), FastAPI()
    fastapi.mount("/deep/tasks", tasks)
    nested.mount("/deep", Starlette(routes=[Mount("/tasks", tasks)]))
    sites = (fastapi, nested, Starlette(routes=[Mount("/deep/tasks", tasks)]))
    path = f"{prefix}/deep/tasks/{tasks.link(handle)}"

    assert [TestClient(site, root_path=prefix).get(path).json()["state"] for site in sites] == ["waiting"] * 3


def test_it_can_be_mounted_where_a_proxy_cuts_the_path(memory_app: App) -> None:
    tasks = TaskRoutes(memory_app, secret=SECRET)
    site = FastAPI()
    site.mount("/tasks", tasks)

    assert (
        TestClient(site, root_path="/proxied").get(f"/tasks/{tasks.link(memory_app.get_actor('add').send(1, 2))}").json()["state"]
        == "waiting"
    )
