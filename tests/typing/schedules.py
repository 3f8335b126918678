"""The types of schedules; see ``api.py`` for how a line proves its error."""

from datetime import datetime, timedelta
from typing import assert_type
from zoneinfo import ZoneInfo

from fq import App, Cron, Every, Schedule, StoredSchedule, cron, current_tick, every, group

app = App("memory://")


@app.actor
def add(a: int, b: int = 0) -> int:
    return a + b


assert_type(cron("0 9 * * *", tz="Europe/Berlin"), Cron)
assert_type(cron("0 9 * * *", tz=ZoneInfo("Europe/Berlin")), Cron)
assert_type(every(timedelta(seconds=1)), Every)
assert_type(app.every(1_000, add.call(1, 2), name="a", grace=timedelta(hours=1), overlap="skip", catch_up="all", splay=5), Schedule)
assert_type(app.cron("0 9 * * *", add.call(1) | add, name="b", tz="UTC"), Schedule)
assert_type(app.every(1_000, group([add.call(1)]), name="c"), Schedule)
assert_type(app.schedules.put(Schedule("d", every(1_000), add.call(1))), None)
assert_type(app.schedules.get("d"), StoredSchedule)
assert_type(app.schedules.list(), tuple[StoredSchedule, ...])
assert_type(app.schedules.run_now("d"), str)
assert_type(current_tick(), datetime | None)
assert_type(app.run_until_idle(until=timedelta(days=1)), int)


async def twins() -> None:
    assert_type(await app.schedules.aget("d"), StoredSchedule)
    assert_type(await app.schedules.arun_now("d"), str)


app.every(1_000, add.call(1))  # type: ignore[call-arg]  # it has no name
app.every("1 s", add.call(1), name="a")  # type: ignore[arg-type]
app.every(1_000, add, name="a")  # type: ignore[arg-type]  # an actor is no call
app.every(1_000, add.call(1), name="a", overlap="never")  # type: ignore[arg-type]
app.every(1_000, add.call(1), name="a", grase=5)  # type: ignore[call-arg]
Schedule("a", "0 9 * * *", add.call(1))  # type: ignore[arg-type]
Schedule("a", every(1), add.call(1), "all")  # type: ignore[call-arg]  # options are keywords
app.run_until_idle(until="tomorrow")  # type: ignore[arg-type]
