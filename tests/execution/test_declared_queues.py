"""Which queues the workers of an app claim from, and the warning about queues that none claims from."""

import logging

import pytest

from fq import App
from fq.core.events import Event, QueueDeclared
from fq.errors import DeclarationError
from fq.middleware.base import Middleware
from tests.wait_until import wait_until


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_call_for_a_queue_that_no_worker_of_the_app_claims_from_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    app = App("memory://", queues=["listed"])

    @app.actor(queue="own")
    def work() -> None: ...

    for queue in ("own", "listed", "slow", "slow"):
        work.call().with_options(queue=queue).send()

    (warning,) = warnings(caplog)
    assert warning.startswith("queue slow: no actor of this app uses it")
    assert "--queues slow" in warning
    assert "queues=['slow']" in warning


@pytest.mark.parametrize("settings", [{"queues": ["slow"]}, {}])
def test_a_worker_claims_from_the_queues_that_it_is_given_or_that_the_app_lists(settings: dict[str, list[str]]) -> None:
    app = App("memory://", queues=["slow"])

    @app.actor
    def work() -> int:
        return 1

    @app.actor
    async def awork() -> int:
        return 2

    handles = [call.with_options(queue="slow").send() for call in (work.call(), awork.call())]
    with app.worker(threads=1, **settings):  # type: ignore[arg-type]
        wait_until(lambda: all(handle.status().state == "done" for handle in handles))

    assert [handle.get_result() for handle in handles] == [1, 2]


def test_listed_queues_are_declared_like_those_of_actors() -> None:
    seen: list[str] = []

    class Watching(Middleware):
        def on_event(self, event: Event) -> None:
            if isinstance(event, QueueDeclared):
                seen.append(event.queue_name)

    app = App("memory://", middleware=Watching(), queues=("old", "older"))

    @app.actor(queue="old")
    def work() -> None: ...

    assert app.queues == ("old", "older")
    assert seen == ["old", "older"]


@pytest.mark.parametrize("queues", [("",), ("a b",), [3], "no,name"])
def test_a_listed_name_that_is_none_is_refused(queues: object) -> None:
    with pytest.raises(DeclarationError, match="found the queue name"):
        App("memory://", queues=queues)  # type: ignore[arg-type]
