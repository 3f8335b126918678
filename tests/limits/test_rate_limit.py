"""`RateLimit`: a limit on messages per time. ``test_stores.py`` tests the stores that count them."""

import asyncio
from datetime import timedelta

import pytest

from fq import App, LayerError, Message, Outcome, RateLimit, Retries, Retry, TimeLimit, compose, default_middleware, rate_limit, retries
from fq.brokers import MemoryBroker
from fq.brokers.clock import ManualClock
from fq.errors import BrokerUnavailable, OptionError
from fq.limits import limiter_backend
from fq.limits.limits import Limits
from fq.testing import message


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(clock: ManualClock) -> App:
    return App(broker=MemoryBroker(clock=clock))


def succeed(_: Message) -> Outcome:
    return Outcome.success("called")


async def asucceed(_: Message) -> Outcome:
    return Outcome.success("called")


def never(_: Message) -> Outcome:
    raise AssertionError


def numbered(n: int, **kwargs: object) -> Message:
    return message("call_api", message_id=f"m{n}", kwargs=kwargs)


def handlers(layer: RateLimit):
    """Both colours of *layer*, called the same way."""
    awrapped = layer.awrap(asucceed)
    return {"sync": layer.wrap(succeed), "async": lambda sent: asyncio.run(awrapped(sent))}


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_so_many_pass_in_a_window_and_the_next_is_put_back_until_there_is_room(app: App, clock: ManualClock, colour: str) -> None:
    handle = handlers(rate_limit(limit=2, window=60_000, backend=app))[colour]

    assert [handle(numbered(n)) for n in range(2)] == [Outcome.success("called")] * 2
    clock.advance(10_000)
    assert handle(numbered(2)).result.failure() == Retry(numbered(2), 50_000)
    clock.advance(50_000)
    assert handle(numbered(2)) == Outcome.success("called")


def test_a_refusal_uses_up_no_attempt_and_calls_nobody(app: App) -> None:
    limit = rate_limit(limit=1, window=60_000, backend=app)
    limit.wrap(succeed)(numbered(1))

    outcome = compose(retries(max_retries=0), limit).wrap(never)(numbered(2))

    assert outcome.result.failure() == Retry(numbered(2), 60_000, None)


def test_those_who_wait_are_told_different_times(app: App) -> None:
    handle = rate_limit(limit=2, window=60_000, backend=app).wrap(succeed)
    delays = [handle(numbered(n)).result.failure().delay for n in range(8) if n > 1 or not handle(numbered(n))]

    assert delays == [60_000, 90_000, 120_000, 150_000, 180_000, 210_000]


def test_every_attempt_counts(app: App) -> None:
    handle = rate_limit(limit=2, window=60_000, backend=app).wrap(succeed)

    assert [handle(numbered(1)).succeeded for _ in range(3)] == [True, True, False]


def test_each_actor_has_a_limit_of_its_own_unless_they_share_a_key(app: App) -> None:
    own, shared = rate_limit(limit=1, window=60_000, backend=app), rate_limit(limit=1, window=60_000, key="api", backend=app)

    assert [own.wrap(succeed)(message(name)).succeeded for name in ("a", "b", "a")] == [True, True, False]
    assert [shared.wrap(succeed)(message(name)).succeeded for name in ("a", "b", "a")] == [True, False, False]


def test_the_key_may_be_worked_out_from_the_message(app: App) -> None:
    handle = rate_limit(limit=1, window=60_000, key=lambda sent: sent.kwargs["tenant"], backend=app).wrap(succeed)

    assert [handle(numbered(n, tenant=tenant)).succeeded for n, tenant in enumerate("aabb")] == [True, False, True, False]


@pytest.mark.parametrize("key", [None, 3, "", b"a"])
def test_a_key_that_is_none_is_an_ordinary_failure(app: App, key: object) -> None:
    handle = rate_limit(limit=1, window=60_000, key=lambda _: key, backend=app).wrap(never)
    error = handle(numbered(1)).error

    assert isinstance(error, LayerError)
    assert str(error) == f"RateLimit raised OptionError: key: found {key!r}, expected a printable text that is not empty"


def test_a_layer_without_app_and_backend_says_what_to_write() -> None:
    error = rate_limit(limit=1, window=60_000).wrap(never)(numbered(1)).error

    assert "found RateLimit(key=None, limit=1, window=60000) in no app and without a backend" in str(error)
    assert "write backend=app" in str(error)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_backend_that_cannot_be_asked_is_a_failure_to_be_tried_again(colour: str) -> None:
    class Gone:
        def take(self, request: object) -> None:
            raise BrokerUnavailable("gone")

    stack = compose(retries(max_retries=3), rate_limit(limit=1, window=60_000, backend=Limits(Gone())))  # type: ignore[arg-type]
    handle = stack.wrap(never) if colour == "sync" else lambda sent: asyncio.run(stack.awrap(asucceed)(sent))
    setback = handle(numbered(1)).result.failure()

    assert isinstance(setback, Retry)
    assert str(setback.error) == "RateLimit raised BrokerUnavailable: gone"
    assert setback.message.options == {"retries": 1}


def test_in_an_app_the_limit_is_counted_by_its_broker(app: App) -> None:
    @app.actor(rate_limit(limit=1, window=60_000))
    def call_api() -> None: ...

    layer = app.stack_of(call_api).get(RateLimit)

    assert layer is not None
    assert layer.limits is limiter_backend(app.broker)


def test_a_backend_that_is_named_is_kept(app: App) -> None:
    elsewhere = App("memory://")

    @app.actor(rate_limit(limit=1, window=60_000, backend=elsewhere))
    def call_api() -> None: ...

    layer = app.stack_of(call_api).get(RateLimit)

    assert layer is not None
    assert layer.limits is limiter_backend(elsewhere)


def test_a_stack_that_moves_to_another_app_is_counted_there(app: App) -> None:
    limit = rate_limit(limit=1, window=60_000)
    first = App(broker=app.broker, middleware=default_middleware.inside(Retries, limit))
    second = App("memory://", middleware=first.stack)
    found = [one.stack.get(RateLimit) for one in (first, second)]

    assert [layer.limits for layer in found if layer] == [limiter_backend(first), limiter_backend(second)]


def test_an_actor_gets_the_layer_inside_retries() -> None:
    app = App("memory://")

    @app.actor(rate_limit(limit=1, window=60_000))
    def call_api() -> None: ...

    kinds = [type(layer) for layer in app.stack_of(call_api)]

    assert kinds.index(Retries) < kinds.index(TimeLimit) < kinds.index(RateLimit)


def test_several_limits_hold_at_once(app: App, clock: ManualClock) -> None:
    stack = compose(
        rate_limit(limit=2, window=timedelta(seconds=1), backend=app), rate_limit(limit=3, window=timedelta(hours=1), backend=app)
    )
    passed = []
    for n in range(12):
        if stack.wrap(succeed)(numbered(n)).succeeded:
            passed.append(clock.now)
        clock.advance(400)

    assert len(passed) == 3


def test_no_message_changes_the_limit(app: App) -> None:
    handle = rate_limit(limit=1, window=60_000, backend=app).wrap(succeed)
    greedy = [message("call_api", message_id=f"m{n}", limit=1_000, window=1, key=f"k{n}") for n in range(2)]

    assert [handle(sent).succeeded for sent in greedy] == [True, False]
    assert RateLimit.option_names() == frozenset()


def test_a_layer_is_a_value_that_reads_as_it_is_written(app: App) -> None:
    layer = rate_limit(limit=5, window=timedelta(minutes=1), key="api", backend=app)

    assert layer == RateLimit(limit=5, window=60_000, key="api")
    assert eval(repr(compose(layer))) == compose(layer)
    assert str(compose(layer)) == "RateLimit(key='api', limit=5, window=60000)\n  actor"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"limit": 0}, "limit: found 0, expected a whole number from 1"),
        ({"window": 0}, "found 0, expected a duration"),
        ({"window": -1}, "found -1, expected a duration"),
        ({"key": 3}, "key: found 3, expected a printable text"),
    ],
)
def test_bad_input_is_one_clear_error(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        rate_limit(**{"limit": 1, "window": 60_000, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_messages_of_an_actor_run_at_the_rate_and_all_of_them_do(app: App, clock: ManualClock, asynchronous: bool) -> None:
    started: list[int] = []
    if asynchronous:

        @app.actor(rate_limit(limit=3, window=60_000), max_retries=0)
        async def call_api(n: int) -> None:
            started.append(clock.now)
    else:

        @app.actor(rate_limit(limit=3, window=60_000), max_retries=0)
        def call_api(n: int) -> None:
            started.append(clock.now)

    app.send_many(call_api.call(n) for n in range(30))
    runs = app.run_until_idle()

    assert len(started) == 30
    assert all(later - earlier >= 60_000 for earlier, later in zip(started, started[3:], strict=False))
    assert started[-1] - started[0] <= 10 * 60_000
    assert runs < 4 * 30
