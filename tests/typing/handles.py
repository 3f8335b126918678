"""The types of unique messages, of handles from ids, and of calls at a time, as mypy and pyright see them. Never run; see ``api.py``."""

from datetime import UTC, datetime, timedelta
from typing import assert_type

from fq import App, Call, Duplicate, Group, Handle, unique

app = App("memory://")


@app.actor(unique(by=("account",), until="start", window=timedelta(minutes=1), on_conflict="replace", max_wait=5_000))
def sync(account: int, reason: str = "") -> list[str]:
    return [reason]


@app.actor(unique(by=lambda message: message.actor_name), across="jobs")
async def async_sync(account: int) -> float:
    return 1.0


@app.actor(unique(), until="start", on_conflict="after", by="all", window=5)
def with_options(n: int) -> int:
    return n


unique(until="never")  # type: ignore[arg-type]
unique(on_conflict="drop")  # type: ignore[arg-type]
unique(by=5)  # type: ignore[arg-type]
unique(window="5 minutes")  # type: ignore[arg-type]
unique(("account",))  # type: ignore[call-arg]

# --- unique calls keep the type of their result --------------------------------------------------

assert_type(sync.send(7), Handle[list[str]])
assert_type(sync.send(7).is_duplicate, bool)
assert_type(sync.call(7).unique("k", until="start", window=5, on_conflict="raise"), Call[list[str]])
assert_type(sync.call(7).unique(None), Call[list[str]])
assert_type(sync.call(7).with_id("pay:7", remember=timedelta(days=1)), Call[list[str]])
assert_type(sync.call(7).with_id("pay:7").send(), Handle[list[str]])
assert_type(async_sync.call(1).at(datetime(2030, 1, 1, tzinfo=UTC)).delay(5), Call[float])
assert_type(app.group([sync.call(1)]).at(datetime(2030, 1, 1, tzinfo=UTC)), Group[list[list[str]]])
assert_type(with_options.call(1).with_options(until="end", on_conflict="keep"), Call[int])

sync.call(7).unique(7)  # type: ignore[arg-type]
sync.call(7).unique("k", until="never")  # type: ignore[arg-type]
sync.call(7).unique("k", on_conflict="drop")  # type: ignore[arg-type]
sync.call(7).with_id(7)  # type: ignore[arg-type]
sync.call(7).at(1_900_000_000)  # type: ignore[arg-type]
sync.call(7).at("2030-01-01")  # type: ignore[arg-type]

# --- handles from ids ----------------------------------------------------------------------------

assert_type(app.handle("m1"), Handle[object])
assert_type(app.handle("m1", returns=int), Handle[int])
assert_type(app.handle("m1", returns=list[int]).get_result(), list[int])
assert_type(sync.handle("m1"), Handle[list[str]])
assert_type(async_sync.handle("m1").get_result(), float)
assert_type(sync.call(1).handle("m1"), Handle[list[str]])
assert_type(app.group([sync.call(1)]).handle("g1"), Handle[list[list[str]]])
assert_type(sync.send(1).root_id, str)

app.handle(5)  # type: ignore[call-overload]
sync.handle()  # type: ignore[call-arg]


async def session(handle: Handle[int]) -> None:
    assert_type(await handle.aget_result(block=True), int)
    assert_type(await handle.acancel(), bool)
    assert_type(await handle.arun_now(), bool)
    assert_type(await handle.areschedule(delay=5, priority=1), bool)
    assert_type(await app.asend_many([sync.call(1)]), list[Handle[list[str]]])
    await handle.await_completion(timeout=timedelta(seconds=1))


def reschedule(handle: Handle[int], error: Duplicate) -> None:
    assert_type(handle.reschedule(at=datetime(2030, 1, 1, tzinfo=UTC)), bool)
    assert_type(handle.reschedule(delay=timedelta(seconds=1), priority=-5), bool)
    assert_type(handle.run_now(), bool)
    assert_type(error.message_id, str)
    handle.reschedule(delay="soon")  # type: ignore[arg-type]
    handle.reschedule(at=5)  # type: ignore[arg-type]
    handle.reschedule(5)  # type: ignore[call-arg]
