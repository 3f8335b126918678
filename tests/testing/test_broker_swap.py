"""`memory` and `drain`."""

import pytest

from fq import App, age_limit, compose, default_middleware
from fq.brokers.clock import ManualClock
from fq.brokers.records import EnqueueOp
from fq.testing import DeadLetterError, drain, memory


@pytest.fixture
def app() -> App:
    """An app whose own broker is unreachable."""
    return App("redis://nowhere.invalid")


def test_an_app_with_a_lent_broker_never_asks_its_own(app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    own = app.broker
    with memory(app) as broker:
        handle = add.send(1, 2)
        assert app.broker is broker
        assert drain(app) == 1
        assert handle.get_result() == 3

    assert app.broker is own


def test_the_own_broker_comes_back_after_an_error(app: App) -> None:
    own = app.broker
    with pytest.raises(ZeroDivisionError), memory(app):
        raise ZeroDivisionError

    assert app.broker is own


def test_a_broker_may_be_lent_inside_another_loan(app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    with memory(app, clock=ManualClock(5_000)) as outer:
        with memory(app):
            add.send(1, 2)
        assert drain(app) == 0
        handle = add.send(3, 4)
        assert app.broker is outer
        assert handle.message_id.startswith(f"{5_000:08x}"[:4])


def test_messages_are_dated_by_the_lent_clock() -> None:
    app = App("memory://", middleware=default_middleware.replace(age_limit(max_age=1_000)))

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    with memory(app, clock=ManualClock(now=10_000)) as broker:
        in_time, too_late = add.send(1, 2), add.call(1, 2).delay(1_000).send()
        app.run_until_idle()

        assert in_time.status().state == "done"
        assert too_late.status().state == "dead"
        assert broker.now() == 11_000


def test_a_worker_in_this_process_uses_the_lent_broker(app: App) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    with memory(app), app.worker(threads=1):
        assert add.send(1, 2).get_result(block=True) == 3


def test_draining_raises_the_first_dead_letter_after_all_have_run() -> None:
    app = App("memory://", middleware=compose())
    ran = []

    @app.actor
    def fails(n: int) -> None:
        ran.append(n)
        if n:
            raise ValueError(f"not {n}")

    with memory(app):
        for n in (0, 1, 2):
            fails.send(n)
        with pytest.raises(DeadLetterError, match=r"fails\(1\) is a dead letter: ValueError: not 1") as error:
            drain(app)

        assert ran == [0, 1, 2]
        assert 'raise ValueError(f"not {n}")' in str(error.value)
        assert error.value.letter.fault.type == "ValueError"
        assert drain(app) == 0, "dead letters of before are no news"


def test_draining_raises_for_what_is_no_message_at_all(app: App) -> None:
    with memory(app) as broker:
        broker.enqueue([EnqueueOp("m1", "default", "add", 0, 0, b"?")])

        with pytest.raises(DeadLetterError, match="add m1 is a dead letter: DecodeError"):
            drain(app)
