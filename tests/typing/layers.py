"""The types of layers, messages and outcomes, as mypy and pyright see them. Never run: see ``api.py``."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import assert_type

from attrs import field, frozen
from returns.result import Failure, Result, Success

from fq import (
    App,
    Around,
    Call,
    Dead,
    Drop,
    Enqueue,
    Handle,
    Handler,
    Key,
    Message,
    Middleware,
    Outcome,
    Retries,
    Retry,
    Setback,
    Stack,
    Step,
    Store,
    age_limit,
    compose,
    default_middleware,
    explain,
    get_current_message,
    retries,
    time_limit,
)
from fq.testing import message

# --- layers --------------------------------------------------------------------------------------


class Tenant(Step):
    tenant: str = ""

    def before(self, message: Message) -> Message | Outcome:
        return message if self.tenant else Outcome.drop("no tenant")

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return outcome.alt(lambda setback: Drop("tolerated") if isinstance(setback, Dead) else setback)


class Wrong(Step):
    def before(self, message: Message) -> str:  # type: ignore[override]
        return "no"


class Raw(Middleware):
    def wrap(self, next: Handler) -> Handler:
        return lambda message: next(message).also(Enqueue(message, 5))


@contextmanager
def span(message: Message) -> Iterator[None]:
    yield


def no_manager(message: Message) -> int:
    return 3


def manager_of_text(text: str) -> AbstractContextManager[None]:
    return span(message(text))


Around(span)
Around(no_manager)  # type: ignore[arg-type]
Around(manager_of_text)  # type: ignore[arg-type]

assert_type(compose(Tenant(), Raw(), retries()), Stack)
assert_type(default_middleware.get(Retries), Retries | None)
assert_type(default_middleware.update(Retries, lambda layer: retries(max_retries=(layer.max_retries or 0) + 1)), Stack)
assert_type(default_middleware.replace(time_limit(time_limit=5)).outside(Retries, Tenant(), Raw()), Stack)
compose(Retries)  # type: ignore[arg-type]
compose("retries")  # type: ignore[arg-type]
retries(max_retries="3")  # type: ignore[arg-type]
retries(3)  # type: ignore[call-arg]
retries(max_retrys=3)  # type: ignore[call-arg]
age_limit(max_age="1h")  # type: ignore[arg-type]


# --- messages, outcomes, explanations ------------------------------------------------------------

ATTEMPTS = Key("attempts", int, 0)
assert_type(ATTEMPTS.get(message("add")), int)
ATTEMPTS.set(message("add"), "3")  # type: ignore[arg-type]

assert_type(Outcome.success(3).result, Result[object, Setback])
assert_type(explain(default_middleware, message("add"), 3).outcome, Outcome)
assert_type(get_current_message(), Message | None)
Outcome.success(3).also(Store("m1", Success(3), 5), Enqueue(message("add")))
Outcome.success(3).also(message("add"))  # type: ignore[arg-type]
Outcome.failure("no")  # type: ignore[arg-type]
Outcome(Failure(ValueError("no")))  # type: ignore[arg-type]
message("add").priority = 3  # type: ignore[misc]


def a_setback_is_one_of_three(setback: Setback) -> str:
    match setback:
        case Retry(again, delay, error):
            assert_type(again, Message)
            assert_type(delay, int)
            return str(error)
        case Dead():
            return "dead"
        case Drop(reason):
            assert_type(reason, str)
            return reason


# --- options of a layer of one's own ---------------------------------------------------------------


app = App("memory://")


@frozen
class OfficeHours(Step):
    opens: int = field(default=0)
    closes: int = 24

    def before(self, message: Message) -> Message | Outcome:
        return message


@app.actor(OfficeHours.options(opens=9), max_retries=3)
def report(day: str) -> str:
    return day


@app.actor(OfficeHours(opens=9, closes=17), Retries.options(min_backoff=timedelta(seconds=1)), retries(max_retries=3))
async def areport(day: str) -> str:
    return day


assert_type(report.send("monday"), Handle[str])
assert_type(report.call("monday").with_options(OfficeHours.options(opens=0, closes=24), priority=3), Call[str])
OfficeHours.options(opens="9")  # type: ignore[arg-type]
OfficeHours.options(open=9)  # type: ignore[call-arg]
OfficeHours.options(0, 24, 3)  # type: ignore[call-arg]
Retries.options(max_retries="3")  # type: ignore[arg-type]
Retries.options(max_retrys=3)  # type: ignore[call-arg]
report.call("monday").with_options(OfficeHours(opens=0))  # type: ignore[arg-type]
report.call("monday").with_options(OfficeHours.options(opens=0), prioriti=3)  # type: ignore[call-arg]
