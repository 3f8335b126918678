"""`ShutdownNotifications`: which actors get `Shutdown` when their worker stops, and where their messages go."""

import asyncio
import threading
import time
from itertools import product

import pytest
from returns.result import Failure

from fq import (
    App,
    OptionError,
    Outcome,
    Retry,
    Shutdown,
    ShutdownNotifications,
    StackError,
    compose,
    default_middleware,
    retries,
    shutdown,
    shutdown_notifications,
)
from fq.testing import message

STOPPED = Outcome.failure(Shutdown("the worker is stopping"))


def test_the_message_of_an_interrupted_actor_is_handed_back_and_no_attempt_is_used_up() -> None:
    handle = compose(shutdown_notifications(notify_shutdown=True), retries()).wrap(lambda _: STOPPED)
    sent = message("work", retries=2)

    assert handle(sent).result == Failure(Retry(sent, 0, None))


def test_other_failures_are_none_of_its_business() -> None:
    layer = shutdown_notifications(notify_shutdown=True)
    for outcome in (Outcome.failure(ValueError("no")), Outcome.success(3), Outcome.drop("no")):
        assert layer.wrap(lambda _, outcome=outcome: outcome)(message("work")) == outcome


def test_an_actor_that_did_not_ask_and_raises_shutdown_by_itself_has_failed() -> None:
    assert shutdown_notifications().wrap(lambda _: STOPPED)(message("work")) == STOPPED


CHOICES = {True: {"notify_shutdown": True}, False: {"notify_shutdown": False}, None: {}}


@pytest.mark.parametrize(("of_message", "of_actor"), list(product(CHOICES, CHOICES)))
def test_the_message_has_its_way_then_the_actor_then_the_stack(of_message: bool | None, of_actor: bool | None) -> None:
    app = App("memory://")

    @app.actor(**CHOICES[of_actor])  # type: ignore[arg-type]
    def work() -> int:
        return 1

    layer = app.stack_of(work).get(ShutdownNotifications)
    expected = of_message if of_message is not None else bool(of_actor)

    assert layer is not None
    assert layer.notifies(message("work", **CHOICES[of_message])) is expected


def test_shutdown_is_the_layer_that_tells_every_actor() -> None:
    assert shutdown() == shutdown_notifications(notify_shutdown=True)
    assert shutdown().notifies(message("work"))
    assert not shutdown().notifies(message("work", notify_shutdown=False))


def test_it_must_be_outside_retries() -> None:
    with pytest.raises(StackError, match="ShutdownNotifications must be outside Retries: a shutdown is not a failure"):
        compose(retries(), shutdown_notifications())


def test_none_means_false() -> None:
    assert shutdown_notifications(notify_shutdown=None) == shutdown_notifications()


@pytest.mark.parametrize("value", [1, "yes"])
def test_anything_but_a_flag_or_a_function_is_refused(value: object) -> None:
    with pytest.raises(OptionError, match="expected True, False, or a function"):
        ShutdownNotifications(notify_shutdown=value)  # type: ignore[arg-type]


class InterruptedActors:
    """Mutable: an app with actors that wait for `Shutdown`, and the names of those that got it."""

    def __init__(self) -> None:
        self.app = App("memory://")
        self.interrupted: list[str] = []
        self.began = threading.Semaphore(0)
        app, interrupted, began = self.app, self.interrupted, self.began

        @app.actor(notify_shutdown=True)
        def wait_for_shutdown() -> int:
            try:
                began.release()
                while True:
                    time.sleep(0.002)
            except Shutdown:
                interrupted.append("wait_for_shutdown")
                raise
            return 1

        @app.actor(notify_shutdown=True)
        async def await_shutdown() -> int:
            try:
                began.release()
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                interrupted.append("await_shutdown")
                raise
            return 1

        @app.actor
        def calm() -> int:
            began.release()
            time.sleep(0.3)
            return 1

        @app.actor(notify_shutdown=True)
        def quick() -> int:
            began.release()
            return 1

        self.wait_for_shutdown, self.await_shutdown, self.calm, self.quick = wait_for_shutdown, await_shutdown, calm, quick


@pytest.mark.parametrize("name", ["wait_for_shutdown", "await_shutdown"])
def test_an_actor_that_asked_is_interrupted_once_and_its_message_waits_for_another_worker(name: str) -> None:
    actors = InterruptedActors()
    handle = actors.app.get_actor(name).send()

    with actors.app.worker(threads=2):
        assert actors.began.acquire(timeout=60)

    status = handle.status()
    assert actors.interrupted == [name]
    assert (status.state, status.deliveries) == ("ready", 0)
    assert actors.app.broker.dead_letters() == ()


def test_an_actor_that_did_not_ask_finishes() -> None:
    actors = InterruptedActors()
    handle = actors.calm.send()

    with actors.app.worker(threads=2):
        assert actors.began.acquire(timeout=60)

    assert handle.get_result() == 1


def test_an_actor_that_has_finished_is_not_interrupted() -> None:
    actors = InterruptedActors()
    quick, wait_for_shutdown = actors.quick.send(), actors.wait_for_shutdown.send()

    with actors.app.worker(threads=2):
        assert actors.began.acquire(timeout=60)
        assert actors.began.acquire(timeout=60)
        assert quick.get_result(block=True) == 1

    assert actors.interrupted == ["wait_for_shutdown"]
    assert wait_for_shutdown.status().state == "ready"


def test_a_message_may_ask_for_itself() -> None:
    actors = InterruptedActors()
    handle = actors.calm.call().with_options(notify_shutdown=True).send()

    with actors.app.worker(threads=2):
        assert actors.began.acquire(timeout=60)

    assert handle.status().state == "ready"


def test_a_function_in_the_stack_of_the_app_is_called_when_a_worker_stops() -> None:
    calls: list[str] = []
    app = App("memory://", middleware=default_middleware.replace(shutdown_notifications(notify_shutdown=lambda: calls.append("stopping"))))

    with app.worker():
        assert calls == []

    assert calls == ["stopping"]


def test_and_if_it_raises_the_worker_stops_all_the_same() -> None:
    def boom() -> None:
        raise ValueError("no")

    app = App("memory://", middleware=default_middleware.replace(shutdown_notifications(notify_shutdown=boom)))
    with app.worker() as worker:
        pass

    assert not worker.dispatcher.alive
