"""The fixtures of every broker, and a site on top of one."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fq import App
from fq.brokers.records import Bury, ClaimRequest, Commit, EnqueueOp, Reschedule
from fq.core.fault import Fault
from fq.web import Access, web
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]

JSON = {"accept": "application/json"}
SAME_SITE = {"sec-fetch-site": "same-origin"}


class Site:
    """A site, as a person with *access* sees it. It follows no redirects."""

    def __init__(self, app: App, access: Access = "all") -> None:
        self.app = app
        self.http = TestClient(web(app, access=lambda _: access), follow_redirects=False)

    def html(self, path: str, status: int = 200) -> str:
        """Return a page."""
        answer = self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def json(self, path: str, status: int = 200) -> dict:
        """Return what a page shows, as JSON."""
        answer = self.http.get(path, headers=JSON)
        assert answer.status_code == status, answer.text
        return answer.json()

    def act(self, action: str, *ids: str, **fields: str):
        """Send a form, and return the answer."""
        return self.http.post("/act", data={"action": action, "id": list(ids), **fields}, headers=SAME_SITE)


@pytest.fixture
def app(harness: Harness) -> App:
    """An app on a broker of each kind."""
    return App(broker=harness.broker())


@pytest.fixture
def memory_app() -> App:
    """An app in memory, for what is the same for all brokers."""
    return App("memory://")


@pytest.fixture
def site(app: App) -> Site:
    """The pages of that app, with all access."""
    return Site(app)


@pytest.fixture
def static() -> Path:
    """The folder of the files that browsers get as they are."""
    import fq.web

    return Path(fq.web.__file__).parent / "static"


def claim(app: App, queue: str = "default", worker: str = "host:1:abc"):
    """Claim one message, and return its delivery."""
    (delivery,) = app.broker.turn([], ClaimRequest(worker, (queue,), 1)).deliveries
    return delivery


def fail(app: App, queue: str = "default", error: str = "ConnectionError", *, retry_in: int | None = None) -> str:
    """Let a message of *queue* fail, to be tried again in *retry_in* ms or to be dead, and return its id."""
    delivery = claim(app, queue)
    fault = Fault(error, "refused by smtp.example.com", f"Traceback (most recent call last):\n{error}: refused")
    op = EnqueueOp(delivery.message_id, queue, delivery.actor_name, 0, retry_in or 0, delivery.body)
    disposition = Bury(fault) if retry_in is None else Reschedule(op, fault)
    commit = Commit(delivery.message_id, queue, delivery.token, disposition)
    assert app.broker.turn([commit], ClaimRequest("host:1:abc", (queue,), 0)).stale == ()
    return delivery.message_id
