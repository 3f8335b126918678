"""Actors on the memory and the SQLite broker: what is sent, run and read back."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from returns.result import Success

from fq import (
    App,
    get_current_message,
)
from tests.calls.actors import Order


def test_a_sent_call_runs_and_its_result_is_read_back(app: App) -> None:
    @app.actor
    def add(a: int, b: int = 10) -> int:
        return a + b

    handles = [add.send(1, 2), add.send(1), add.send(a=1, b=2), add.send(b=1, a=5)]

    assert app.run_until_idle() == 4
    assert [handle.get() for handle in handles] == [Success(3), Success(11), Success(3), Success(6)]
    assert [handle.get_result() for handle in handles] == [3, 11, 3, 6]


def test_an_async_actor_runs_and_its_result_is_read_back(app: App) -> None:
    @app.actor
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    async def send() -> int:
        handle = await add.asend(1, 2)
        app_ran = await asyncio.to_thread(app.run_until_idle)
        assert app_ran == 1
        return (await handle.aget()).unwrap()

    assert asyncio.run(send()) == 3


def test_a_hundred_sends_are_a_hundred_runs(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def remember(n: int) -> None:
        ran.append(n)

    for n in range(100):
        remember.send(n)
    app.run_until_idle()

    assert ran == list(range(100))


def test_messages_of_a_lower_priority_run_sooner(app: App) -> None:
    ran: list[str] = []

    @app.actor(priority=10)
    def low() -> None:
        ran.append("low")

    @app.actor(priority=-10)
    def high() -> None:
        ran.append("high")

    for _ in range(10):
        low.send()
        high.send()
    app.run_until_idle()

    assert ran == 10 * ["high"] + 10 * ["low"]


def test_a_call_may_have_a_priority_and_a_queue_of_its_own(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def remember(n: int) -> None:
        ran.append(n)

    remember.send(1)
    remember.call(2).with_options(priority=-1).send()
    elsewhere = remember.call(3).with_options(queue="slow").send()

    assert elsewhere.status().queue_name == "slow"
    app.run_until_idle()
    assert sorted(ran) == [1, 2, 3]
    assert ran.index(2) < ran.index(1)


def test_delays_are_independent_of_the_order_of_sending(memory: App) -> None:
    ran: list[int] = []

    @memory.actor
    def remember(n: int) -> None:
        ran.append(n)

    remember.call(1).delay(1_500).send()
    remember.call(2).delay(timedelta(seconds=1)).send()
    memory.run_until_idle()

    assert ran == [2, 1]


def test_a_message_that_is_not_due_waits_where_no_clock_can_be_set(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/jobs.db")

    @app.actor
    def remember(n: int) -> None: ...

    handle = remember.call(1).delay(timedelta(hours=1)).send()

    assert app.run_until_idle() == 0
    assert handle.status().state == "delayed"
    app.broker.close()


def test_a_paused_queue_keeps_its_messages_until_it_is_resumed(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def remember(n: int) -> None:
        ran.append(n)

    app.broker.pause("default")
    remember.send(1)

    assert app.run_until_idle() == 0
    app.broker.resume("default")
    assert app.run_until_idle() == 1
    assert ran == [1]


def test_arguments_and_results_arrive_as_what_the_annotations_say(app: App) -> None:
    @app.actor
    def raised(order: Order, by: Decimal, on: list[Path]) -> tuple[Order, set[str]]:
        assert isinstance(on[0], Path)
        return Order(order.number, order.price + by), {path.name for path in on}

    handle = raised.send(Order(1, Decimal("9.99")), Decimal("0.01"), [Path("/a/b"), Path("c")])
    app.run_until_idle()

    assert handle.get_result() == (Order(1, Decimal("10.00")), {"b", "c"})


def test_open_options_of_actor_and_call_reach_the_actor(app: App) -> None:
    @app.actor(options={"tenant": "a", "region": "eu"})
    def options() -> dict[str, object]:
        message = get_current_message()
        assert message is not None
        return dict(message.options)

    plain, own = options.send(), options.call().with_options(options={"tenant": "b"}, max_retries=2).send()
    app.run_until_idle()

    assert plain.get_result() == {"tenant": "a", "region": "eu"}
    assert own.get_result() == {"tenant": "b", "region": "eu", "max_retries": 2}


def test_only_an_actor_sees_the_message_that_it_works_on(app: App) -> None:
    @app.actor
    def mine(n: int) -> tuple[str, list[int]]:
        message = get_current_message()
        assert message is not None
        return message.message_id, list(message.args)  # type: ignore[arg-type]

    @app.actor
    async def also_mine(n: int) -> tuple[str, list[int]]:
        return mine.fn(n)

    handles = [mine.send(1), also_mine.send(2), mine.send(3)]
    app.run_until_idle()

    assert [handle.get_result() for handle in handles] == [(handle.message_id, [n]) for n, handle in enumerate(handles, 1)]
    assert get_current_message() is None


def test_many_calls_are_sent_in_batches_and_handled_in_order(app: App) -> None:
    @app.actor
    def double(n: int) -> int:
        return 2 * n

    handles = app.send_many(double.call(n) for n in range(2_500))

    assert app.broker.queues()[0].ready == 2_500
    app.run_until_idle()
    assert [handle.get_result() for handle in handles[::500]] == [0, 1_000, 2_000, 3_000, 4_000]


def test_sending_nothing_sends_nothing(app: App) -> None:
    assert app.send_many([]) == []
    assert app.broker.queues() == ()


def test_a_call_can_be_sent_any_number_of_times(app: App) -> None:
    ran: list[int] = []

    @app.actor
    def remember(n: int) -> None:
        ran.append(n)

    call = remember.call(1)
    first, second = call.send(), call.send()
    app.run_until_idle()

    assert first.message_id != second.message_id
    assert ran == [1, 1]
