"""``fq schedules``: lists, pauses, resumes, runs and removes the schedules of an app."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches

import click

from fq.app.app import App
from fq.app.schedules import Schedules
from fq.cli.common import UsageError, app_path, as_json, completing, confirm, load_app, plain_errors, print_json, print_text
from fq.cli.tables import Kind, show
from fq.core.counted import counted
from fq.core.printable import printable
from fq.errors import ScheduleNotFound
from fq.observe.schedule_findings import is_overdue
from fq.schedules.stored import StoredSchedule, as_json_object
from fq.schedules.when import in_words

COLUMNS: dict[str, Kind] = {"schedule": "name", "when": "name", "in words": "text", "next": "text", "last": "name", "state": "name"}

WITH_NAME: Mapping[str, Callable[[Schedules, str], object]] = {
    "pause": Schedules.pause,
    "resume": Schedules.resume,
    "run": Schedules.run_now,
    "remove": Schedules.remove,
}
"""The actions on one schedule."""

NEW = "waits for a worker"
"""The state of a schedule that is declared in code, and that no worker has stored yet."""


@click.command()
@app_path
@click.argument("action", type=click.Choice(["list", *WITH_NAME, "prune"]), default="list")
@click.argument("name", required=False, shell_complete=completing(lambda app: (schedule.name for schedule in app.schedules.list())))
@click.option("--yes", is_flag=True, help="Do not ask before removing or pruning.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="List at most this many.")
@as_json
def schedules(app_path: str, action: str, name: str | None, yes: bool, limit: int, as_json: bool) -> None:
    """
    Show the schedules of APP, or change one.

    list, the default, shows them, those that fire next first: the next three times, in their time zone and in words, and the last one. pause and
    resume NAME: let it not fire, or fire again. run NAME: send its call once, now, and print the id of the message. remove NAME: delete it.
    prune: delete the schedules of code that is gone.
    """
    with plain_errors():
        app = load_app(app_path)
        if action in WITH_NAME:
            _change(app, app_path, action, name, yes, as_json)
        elif name is not None:
            raise UsageError(f"found the name {name!r}, expected none after {action}")
        elif action == "prune":
            _prune(app, yes, as_json)
        else:
            _list(app, limit, as_json)


def _change(app: App, app_path: str, action: str, name: str | None, yes: bool, as_json: bool) -> None:
    if name is None:
        raise UsageError(f"expected the name of a schedule: fq schedules {app_path} {action} NAME")
    try:
        if action == "remove" and not yes:
            app.schedules.get(name)
            confirm(f"Delete 1 schedule, {printable(name)}?")
        result = WITH_NAME[action](app.schedules, name)
    except ScheduleNotFound as error:
        near = get_close_matches(name, [schedule.name for schedule in app.schedules.list()], 1)
        raise UsageError(f"no schedule called {name}: did you mean {near[0]}?" if near else str(error)) from None
    if as_json:
        print_json({"schedule": name, "done": action, **({"message_id": result} if isinstance(result, str) else {})})
    elif isinstance(result, str):
        print_text(result)


def _prune(app: App, yes: bool, as_json: bool) -> None:
    orphans = app.schedules.orphans()
    if orphans and not yes:
        names = ", ".join(printable(schedule.name) for schedule in orphans)
        confirm(f"Delete {counted(len(orphans), 'schedule')} of code that is gone ({names})?")
    deleted = list(app.schedules.prune() if orphans else ())
    if as_json:
        print_json({"deleted": deleted})
    else:
        click.echo(f"{counted(len(deleted), 'schedule')} deleted")


def _list(app: App, limit: int, as_json: bool) -> None:
    now = app.broker.now()
    stored = app.schedules.soonest(limit)
    orphans = {schedule.name for schedule in app.schedules.orphans(stored)}
    rows = [(schedule, _state(schedule, orphans, now)) for schedule in stored]
    rows += [(schedule, NEW) for schedule in _new(app, now)]
    if as_json:
        print_json([_json(schedule, state) for schedule, state in rows])
    else:
        show(str(app.broker), COLUMNS, [_row(schedule, state) for schedule, state in rows])


def _new(app: App, now: int) -> Iterator[StoredSchedule]:
    """Yield the schedules that the app declares and no worker has stored yet."""
    for schedule in app.registry.schedules.all_stored(now):
        try:
            app.schedules.get(schedule.name)
        except ScheduleNotFound:
            yield schedule


def _state(schedule: StoredSchedule, orphans: set[str], now: int) -> str:
    if schedule.name in orphans:
        return "orphaned"
    return "overdue" if is_overdue(schedule, now) else schedule.state


def _row(schedule: StoredSchedule, state: str) -> list[str]:
    dates = () if state in ("paused", "orphaned") else schedule.next_ticks()
    shown = "\n".join(map(_shown, dates)) or "-"
    return [schedule.name, str(schedule.when), in_words(schedule.when), shown, _shown(schedule.last_tick()), state]


def _shown(date: datetime | None) -> str:
    return "-" if date is None else f"{date:%a %Y-%m-%d %H:%M:%S %Z}"


def _json(schedule: StoredSchedule, state: str) -> dict[str, object]:
    more = {"state": state, "in_words": in_words(schedule.when), "actors": schedule.actors}
    next_ticks = [round(date.timestamp() * 1_000) for date in schedule.next_ticks()]
    return {"name": schedule.name, **as_json_object(schedule), **more, "next_ticks": next_ticks}
