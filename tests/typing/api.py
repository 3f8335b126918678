"""
The types of the public interface, as mypy and pyright see them. Never run.

``assert_type`` states what must come out. A line that must be an error carries an ignore, and both checkers are told that an ignore
which hides nothing is itself an error (``warn_unused_ignores`` in mypy.ini, ``reportUnnecessaryTypeIgnoreComment`` in pyproject.toml):
so each such line proves its error, to both.
"""

from collections.abc import Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Any, assert_type

from attrs import frozen
from returns.result import Failure, Result, Success

from fq import (
    Actor,
    AgeLimit,
    App,
    Attempt,
    Call,
    Fault,
    Handle,
    MessagePage,
    MessageRecord,
    Missing,
    NotStored,
    Retries,
    RunCounts,
    Stack,
    TaskError,
    TimedOut,
    actor,
    age_limit,
    compose,
    default_middleware,
    keep,
    results,
    retries,
)

app = App("memory://")


@frozen
class Order:
    number: int
    price: Decimal


# --- what a decorator makes of a function --------------------------------------------------------


@app.actor
def add(a: int, b: int = 0) -> int:
    return a + b


@app.actor
async def fetch(url: str) -> bytes:
    return url.encode()


@app.actor
def divide(a: int, b: int) -> Result[float, ZeroDivisionError]:
    return Success(a / b) if b else Failure(ZeroDivisionError())


@app.actor
async def look_up(name: str) -> Result[Order, KeyError]:
    return Failure(KeyError(name))


@app.actor
def parse(page: bytes, *, limit: int = 10) -> list[str]:
    return page.decode().split()[:limit]


@app.actor
def shorten(page: bytes, length: int, *, ellipsis: str = "...") -> str:
    return page.decode()[:length] + ellipsis


@app.actor
def log(text: str) -> None: ...


@app.actor
def ship(order: Order, express: bool = False) -> list[Order]:
    return [order]


@app.actor(max_retries=3, time_limit=timedelta(seconds=30), queue="mail")
def send_mail(to: str, subject: str) -> int:
    return len(to + subject)


@app.actor(retries(max_retries=5), age_limit(max_age=1_000), priority=-1)
async def poll(url: str) -> bytes:
    return b""


@actor(name="free", throws=(KeyError, ValueError), retry_when=lambda retries, error: retries < 3)
def free(n: int) -> int:
    return n


@app.actor(stack=lambda stack: stack.without(AgeLimit).replace(retries(max_retries=1)))
def edited(n: int) -> int:
    return n


assert_type(add, Actor[[int, int], int, int])  # type: ignore[assert-type]  # names and defaults of parameters belong to the type, too
assert_type(add.send(1, 2), Handle[int])
assert_type(add.send(1), Handle[int])
assert_type(add.call(1).follow(), Handle[int])
assert_type(app.group([add.call(1)]).follow(always=True), Handle[list[int]])
assert_type(add.send(a=1, b=2), Handle[int])
assert_type(add.call(1, 2), Call[int])
assert_type(send_mail.send("a@example.com", "hello"), Handle[int])
assert_type(free.send(1), Handle[int])
assert_type(edited.call(1), Call[int])
assert_type(log.send("x"), Handle[None])
assert_type(ship.send(Order(1, Decimal(3))), Handle[list[Order]])


# --- async actors: the coroutine is not the result ------------------------------------------------

assert_type(fetch.send("https://example.com"), Handle[bytes])
assert_type(fetch.call("https://example.com"), Call[bytes])
assert_type(poll.send("https://example.com"), Handle[bytes])


# --- actors that return a Result: its success is the result --------------------------------------

assert_type(divide.send(1, 2), Handle[float])
assert_type(look_up.send("a"), Handle[Order])
assert_type(divide.call(1, 2), Call[float])
assert_type(look_up.call("a"), Call[Order])


# --- a plain call keeps its own type -------------------------------------------------------------

assert_type(add(1, 2), int)
assert_type(divide(1, 2), Result[float, ZeroDivisionError])
assert_type(send_mail("a", "b"), int)
fetching: Coroutine[Any, Any, bytes] = fetch("https://example.com")
polling: Coroutine[Any, Any, bytes] = poll("https://example.com")
looking_up: Coroutine[Any, Any, Result[Order, KeyError]] = look_up("a")
wrongly_fetched: bytes = fetch("https://example.com")  # type: ignore[assignment]


async def plain_calls_of_async_actors() -> None:
    assert_type(await fetch("https://example.com"), bytes)
    assert_type(await poll("https://example.com"), bytes)
    assert_type(await look_up("a"), Result[Order, KeyError])


# --- arguments -----------------------------------------------------------------------------------

add.send("1", 2)  # type: ignore[arg-type]
add.send(1, 2, 3)  # type: ignore[call-arg]
add.send()  # type: ignore[call-arg]
add.send(1, c=3)  # type: ignore[call-arg]
add.send(1, b="2")  # type: ignore[arg-type]
add.call("1")  # type: ignore[arg-type]
add.call()  # type: ignore[call-arg]
fetch.send(b"https://example.com")  # type: ignore[arg-type]
fetch.send()  # type: ignore[call-arg]
divide.send(1)  # type: ignore[call-arg]
look_up.call(3)  # type: ignore[arg-type]
parse.send(b"a b", 3)  # type: ignore[call-arg]
parse.send(b"a b", limit="3")  # type: ignore[arg-type]
ship.send({"number": 1})  # type: ignore[arg-type]
send_mail.send("a@example.com")  # type: ignore[call-arg]
poll.send(url=3)  # type: ignore[arg-type]
add("1")  # type: ignore[arg-type]


async def arguments_of_asend() -> None:
    assert_type(await add.asend(1, 2), Handle[int])
    assert_type(await fetch.asend("https://example.com"), Handle[bytes])
    assert_type(await look_up.asend("a"), Handle[Order])
    await add.asend("1")  # type: ignore[arg-type]
    await fetch.asend()  # type: ignore[call-arg]
    assert_type(await add.call(1).asend(), Handle[int])


# --- handles -------------------------------------------------------------------------------------


def what_a_handle_gives(handle: Handle[int]) -> None:
    assert_type(handle.get(), Result[int, TaskError])
    assert_type(handle.get(timeout=timedelta(seconds=1)), Result[int, TaskError])
    assert_type(handle.get(5_000).unwrap(), int)
    assert_type(handle.get().failure(), Fault | TimedOut | Missing | NotStored)
    assert_type(handle.get_result(), int)
    assert_type(handle.get_result(block=True, timeout=5_000), int)
    assert_type(handle.status().state, str)
    handle.get(timeout="5s")  # type: ignore[arg-type]
    handle.get_result(True)  # type: ignore[call-arg]
    wider: Handle[float] = handle
    narrower: Handle[bool] = handle  # type: ignore[assignment]


async def what_a_handle_gives_to_async_callers(handle: Handle[bytes]) -> None:
    assert_type(await handle.aget(timeout=1), Result[bytes, TaskError])


# --- options -------------------------------------------------------------------------------------


def needs_one_argument(retries: int) -> bool:
    return retries < 3


def returns_no_stack(stack: Stack) -> int:
    return len(stack)


app.actor(max_retries=None, min_backoff=timedelta(seconds=1), max_backoff=5, time_limit=float("inf"), max_age=None)
app.actor(throws=ValueError, max_deliveries=3, store_results=True, result_ttl=timedelta(hours=1), queue="q", priority=3, name="n")
app.actor(options={"tenant": "a"}, interval=100, pipe_ignore=True)
app.actor(max_retrys=3)  # type: ignore[call-overload]
app.actor(max_retries="3")  # type: ignore[call-overload]
app.actor(min_backoff="1s")  # type: ignore[call-overload]
app.actor(time_limit=None)  # type: ignore[call-overload]
app.actor(queue=3)  # type: ignore[call-overload]
app.actor(throws=ValueError("no"))  # type: ignore[call-overload]
app.actor(retry_when=needs_one_argument)  # type: ignore[arg-type]
app.actor(stack=returns_no_stack)  # type: ignore[arg-type]


@app.actor(max_retries=3, time_limt=30_000)  # type: ignore[call-overload, untyped-decorator]
def misspelt(n: int) -> int:
    return n


assert_type(add.call(1).with_options(max_retries=1, priority=3, queue="q", options={"tenant": "a"}), Call[int])
assert_type(add.call(1).delay(5).delay(timedelta(seconds=1)), Call[int])
assert_type(add.call(1).with_options(max_age=timedelta(hours=1)).send(), Handle[int])
add.call(1).with_options(max_retrys=1)  # type: ignore[call-arg]
add.call(1).with_options(max_retries="1")  # type: ignore[arg-type]
add.call(1).with_options(name="other")  # type: ignore[call-arg]
add.call(1).with_options(throws=ValueError)  # type: ignore[call-arg]
add.call(1).delay("5s")  # type: ignore[arg-type]
add.call(1).delay(1.5)  # type: ignore[arg-type]


# --- the factory form keeps every kind of function apart -----------------------------------------


@app.actor(max_retries=1)
async def optioned_async(url: str) -> Result[int, OSError]:
    return Success(len(url))


@app.actor(results(store_results=True))
def layered(n: int) -> Result[str, ValueError]:
    return Success(str(n))


assert_type(optioned_async.send("a"), Handle[int])
optioned_plainly: Coroutine[Any, Any, Result[int, OSError]] = optioned_async("a")
assert_type(layered.send(1), Handle[str])
assert_type(layered(1), Result[str, ValueError])
optioned_async.send(1)  # type: ignore[arg-type]
layered.send("1")  # type: ignore[arg-type]


# --- pipelines -----------------------------------------------------------------------------------

assert_type(fetch.call("https://example.com") | parse, Call[list[str]])
assert_type(fetch.call("https://example.com").then(parse), Call[list[str]])
assert_type(fetch.call("https://example.com").then(parse, limit=3), Call[list[str]])
assert_type(fetch.call("https://example.com").then(shorten, 20), Call[str])
assert_type(fetch.call("https://example.com").then(shorten, 20, ellipsis="").then(log), Call[None])
assert_type(look_up.call("a") | ship, Call[list[Order]])
assert_type(divide.call(1, 2).send(), Handle[float])
assert_type((add.call(1, 2) | add | free).send(), Handle[int])
assert_type((add.call(1) | free).with_options(max_retries=1).delay(5), Call[int])

add.call(1) | parse  # type: ignore[operator]
fetch.call("https://example.com") | add  # type: ignore[operator]
look_up.call("a") | parse  # type: ignore[operator]
fetch.call("https://example.com") | shorten  # type: ignore[operator]
fetch.call("https://example.com").then(add)  # type: ignore[arg-type]
fetch.call("https://example.com").then(parse, limit="3")  # type: ignore[arg-type]
fetch.call("https://example.com").then(parse, length=3)  # type: ignore[call-arg]
fetch.call("https://example.com").then(shorten, "20")  # type: ignore[arg-type]
fetch.call("https://example.com").then(shorten)  # type: ignore[call-arg]
fetch.call("https://example.com").then(len)  # type: ignore[arg-type]


# --- many at once --------------------------------------------------------------------------------

assert_type(app.send_many(add.call(n) for n in range(3)), list[Handle[int]])
assert_type(app.send_many([fetch.call("a"), fetch.call("b")]), list[Handle[bytes]])
app.send_many([add.send(1)])  # type: ignore[arg-type]
app.send_many(add.call(str(n)) for n in range(3))  # type: ignore[arg-type]


# --- apps ----------------------------------------------------------------------------------------

App("sqlite:///jobs.db", middleware=compose(retries()))
App(middleware=default_middleware.without(Retries))
App(middleware=retries())
App(middleware=[retries()])  # type: ignore[arg-type]
App(3)  # type: ignore[arg-type]
app.include(free)
app.include(print)  # type: ignore[arg-type]
assert_type(app.run_until_idle(), int)


# --- history -------------------------------------------------------------------------------------

assert_type(add.send(1).history(), MessageRecord | None)
assert_type(add.send(1).attempts(), tuple[Attempt, ...])
assert_type(app.messages(state="finished", outcome="dead", tag="a"), MessagePage)
assert_type(app.counters(minutes=5), tuple[RunCounts, ...])
app.actor(keep(ttl=timedelta(days=1), count=5, failures="only", redact=["password"]), tags=["a"], sample=3)
add.call(1).with_options(tags=("a", "b"))
app.messages(state="gone")  # type: ignore[arg-type]
app.messages(outcome="fine")  # type: ignore[arg-type]
app.counters(minutes="5")  # type: ignore[arg-type]
keep(failures="none")  # type: ignore[arg-type]
keep(redact=3)  # type: ignore[arg-type]


async def an_async_caller_reads_the_same(handle: Handle[int]) -> None:
    assert_type(await handle.ahistory(), MessageRecord | None)
    assert_type(await handle.aattempts(), tuple[Attempt, ...])
    assert_type(await app.amessages(), MessagePage)


def a_task_error_is_one_of_four(error: TaskError) -> str:
    match error:
        case Fault(kind, text, traceback):
            return kind + text + traceback
        case TimedOut(timeout):
            return f"{timeout}"
        case Missing(message_id):
            return message_id
        case NotStored(actor_name):
            return actor_name
