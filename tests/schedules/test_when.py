"""When schedules tick: intervals, cron expressions, and the days on which the clocks change."""

import sys
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fq import ConfigError, Cron, Every, ScheduleError, cron, every
from fq.schedules import when as when_module
from fq.schedules.when import in_words, latest_tick, next_tick, ticks, when_as_json, when_from_json


def ms(date: str, tz: str = "UTC", fold: int = 0) -> int:
    return round(datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(tz), fold=fold).timestamp() * 1_000)


def shown(when: Cron, after: int, count: int) -> list[str]:
    """The next ticks as the clocks of the zone and those of UTC show them."""
    dates = [datetime.fromtimestamp(tick / 1_000, UTC) for tick in islice(ticks(when, after), count)]
    return [f"{date.astimezone(ZoneInfo(when.tz)):%m-%d %H:%M} {date:%H:%M}Z" for date in dates]


def test_an_interval_ticks_at_its_whole_multiples() -> None:
    assert list(islice(ticks(every(timedelta(seconds=30)), 59_999), 3)) == [60_000, 90_000, 120_000]


def test_a_tick_is_later_than_the_time_asked_for() -> None:
    daily = cron("0 9 * * *", "Europe/Berlin")
    nine = ms("2030-01-01 09:00", "Europe/Berlin")

    assert next_tick(every(1_000), 5_000) == 6_000
    assert (next_tick(daily, nine - 1), next_tick(daily, nine)) == (nine, nine + 86_400_000)


def test_a_time_between_two_seconds_is_not_rounded_up() -> None:
    assert next_tick(cron("* * * * * *"), 1_500) == 2_000


BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("tz", "eve", "expression", "expected"),
    [
        (BERLIN, "2030-03-30 12:00", "30 2 * * *", ["03-31 03:00 01:00Z", "04-01 02:30 00:30Z"]),
        (NEW_YORK, "2030-03-09 12:00", "30 2 * * *", ["03-10 03:00 07:00Z", "03-11 02:30 06:30Z"]),
        (LORD_HOWE, "2030-10-05 12:00", "10 2 * * *", ["10-06 02:30 15:30Z", "10-07 02:10 15:10Z"]),
    ],
)
def test_a_time_that_the_clocks_leave_out_ticks_once_when_they_jump(tz: str, eve: str, expression: str, expected: list[str]) -> None:
    assert shown(cron(expression, tz), ms(eve, tz), 2) == expected


@pytest.mark.parametrize(
    ("tz", "eve", "expression", "expected"),
    [
        (BERLIN, "2030-10-26 12:00", "30 2 * * *", ["10-27 02:30 00:30Z", "10-28 02:30 01:30Z"]),
        (NEW_YORK, "2030-11-02 12:00", "30 1 * * *", ["11-03 01:30 05:30Z", "11-04 01:30 06:30Z"]),
        (LORD_HOWE, "2030-04-06 12:00", "45 1 * * *", ["04-07 01:45 14:45Z", "04-08 01:45 15:15Z"]),
    ],
)
def test_a_time_that_comes_twice_ticks_once(tz: str, eve: str, expression: str, expected: list[str]) -> None:
    assert shown(cron(expression, tz), ms(eve, tz), 2) == expected


@pytest.mark.parametrize(
    ("tz", "again"),
    [(BERLIN, "2030-10-27 02:10"), (NEW_YORK, "2030-11-03 01:10"), (LORD_HOWE, "2030-04-07 01:40")],
)
def test_no_tick_is_in_the_past_when_an_hour_comes_again(tz: str, again: str) -> None:
    after = ms(again, tz, fold=1)

    assert next_tick(cron("45 1,2 * * *", tz), after) > after


def test_two_times_that_the_jump_makes_one_tick_once() -> None:
    found = shown(cron("0 2,3 * * *", BERLIN), ms("2030-03-30 12:00", BERLIN), 2)

    assert found == ["03-31 03:00 01:00Z", "04-01 02:00 00:00Z"]


@pytest.mark.parametrize(
    ("tz", "first", "expected"),
    [
        (BERLIN, "2030-03-31 01:15", ["03-31 01:30 00:30Z", "03-31 03:00 01:00Z", "03-31 03:30 01:30Z"]),
        (NEW_YORK, "2030-03-10 01:15", ["03-10 01:30 06:30Z", "03-10 03:00 07:00Z", "03-10 03:30 07:30Z"]),
        (LORD_HOWE, "2030-10-06 01:15", ["10-06 01:30 15:00Z", "10-06 02:30 15:30Z", "10-06 03:00 16:00Z"]),
        (BERLIN, "2030-10-27 02:15", ["10-27 02:30 00:30Z", "10-27 02:00 01:00Z", "10-27 02:30 01:30Z"]),
        (NEW_YORK, "2030-11-03 01:15", ["11-03 01:30 05:30Z", "11-03 01:00 06:00Z", "11-03 01:30 06:30Z"]),
        (LORD_HOWE, "2030-04-07 01:15", ["04-07 01:30 14:30Z", "04-07 01:30 15:00Z", "04-07 02:00 15:30Z"]),
    ],
)
def test_steps_of_minutes_follow_the_clocks_on_the_wall(tz: str, first: str, expected: list[str]) -> None:
    assert shown(cron("*/30 * * * *", tz), ms(first, tz), 3) == expected


@pytest.mark.parametrize("tz", [BERLIN, NEW_YORK, LORD_HOWE])
@pytest.mark.parametrize("day", ["2030-03-10", "2030-03-31", "2030-04-07", "2030-10-06", "2030-10-27", "2030-11-03"])
def test_every_minute_is_every_minute_on_all_days(tz: str, day: str) -> None:
    found = list(islice(ticks(cron("* * * * *", tz), ms(f"{day} 00:00", tz)), 30 * 60))

    assert {later - earlier for earlier, later in pairwise(found)} == {60_000}


EXPRESSIONS = st.sampled_from(["* * * * *", "*/30 * * * *", "30 2 * * *", "0 2,3 * * *", "15 1-3 * * SUN", "0 */2 * * *", "0 0 1 * *"])
TIMES = st.integers(ms("2029-01-01"), ms("2031-01-01"))


@given(EXPRESSIONS, st.sampled_from(["UTC", BERLIN, NEW_YORK, LORD_HOWE]), TIMES, st.integers(0, 40 * 86_400_000))
def test_the_latest_tick_is_the_last_of_all_ticks(expression: str, tz: str, after: int, span: int) -> None:
    when = cron(expression, tz)
    until = after + min(span, 3 * 86_400_000) if "*" in expression[0] else after + span
    found = list(ticks(when, after, until))

    assert latest_tick(when, after, until) == (found[-1] if found else None)
    assert found == sorted(set(found))


@given(st.integers(1, 10**7), st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_latest_tick_of_an_interval_is_a_multiple_in_between(period: int, after: int, span: int) -> None:
    tick = latest_tick(every(period), after, after + span)
    expected = (after + span) // period * period

    assert tick == (expected if expected > after else None)


@pytest.mark.parametrize("when", [every(1_500), cron("0 9 * * MON-FRI", "Europe/Berlin")])
def test_what_is_written_as_json_is_read(when: Cron | Every) -> None:
    assert when_from_json(when_as_json(when)) == when


def test_a_zone_may_be_a_zone_info() -> None:
    assert cron("0 9 * * *", ZoneInfo(BERLIN)) == cron("0 9 * * *", BERLIN)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (every(timedelta(days=1)), "every day"),
        (every(1_500), "every 1500 ms"),
        (cron("0 9 * * *"), "At 09:00 every day, UTC"),
    ],
)
def test_words_say_when(when: Cron | Every, words: str) -> None:
    assert in_words(when) == words


# Bad input.


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 25 * * *", "found '25' as the hour of '0 25 * * *', at character 3 (field 2 of 5), expected 0 to 23"),
        (
            "0 9 * * MON-FRY",
            "found 'MON-FRY' as the day of week of '0 9 * * MON-FRY', at character 9 (field 5 of 5), expected 0 to 7 or SUN",
        ),
        ("0 8,9,99 * * *", "found '99' as the hour of '0 8,9,99 * * *', at character 7"),
        ("0 0 1 13 *", "found '13' as the month of '0 0 1 13 *', at character 7 (field 4 of 5), expected 1 to 12 or JAN to DEC"),
        ("*/0 * * * *", "found '*/0' as the minute"),
        ("61 * * * * *", "found '61' as the second of '61 * * * * *', at character 1 (field 1 of 6), expected 0 to 59"),
        ("5,, * * * *", "found '' as the minute of '5,, * * * *', at character 3"),
        ("0 9 * *", "found 4 fields in '0 9 * *', expected 5: minute, hour, day of month, month, day of week"),
        ("", "found 0 fields in ''"),
        ("hourly", "found 1 field in 'hourly'"),
        ("@daily", "found '@daily', expected five fields: write '0 0 * * *'"),
        ("0 0 31 2 *", "it never matches a date"),
        (7, "found 7 as a cron expression, expected a text such as"),
    ],
)
def test_a_wrong_expression_says_where_and_what_is_expected(expression: str, said: str) -> None:
    with pytest.raises(ScheduleError) as raised:
        cron(expression)

    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("tz", "said"),
    [
        (
            "Europe/Berln",
            "found 'Europe/Berln', which is no time zone here: did you mean 'Europe/Berlin'? If this host has no time zones: pip install tzdata",
        ),
        ("../etc/passwd", "expected a name such as 'Europe/Berlin' or 'UTC'. If this host has no time zones"),
        ("Europe", "which is no time zone here"),
        ("berlin", "did you mean 'Europe/Berlin'?"),
        ("New York", "did you mean 'America/New_York'?"),
        ("", "found '', expected the name of a time zone"),
        (None, "found None, expected the name of a time zone"),
    ],
)
def test_an_unknown_zone_says_what_is_meant_and_what_to_install(tz: str, said: str) -> None:
    with pytest.raises(ScheduleError) as raised:
        cron("0 9 * * *", tz)

    assert said in str(raised.value)


@pytest.mark.parametrize("period", [0, -1, timedelta(0), timedelta(seconds=-1), 1.5, "1s", True, None, 2**60])
def test_a_period_is_one_ms_at_least(period: object) -> None:
    with pytest.raises(ScheduleError, match=r"every: found .*, expected a timedelta, or milliseconds, of 1 ms at least"):
        every(period)


def test_a_period_is_whole_milliseconds() -> None:
    with pytest.raises(ScheduleError, match="expected whole milliseconds"):
        every(timedelta(microseconds=1_500))


def test_without_cronsim_cron_says_what_to_install_and_intervals_work(monkeypatch: pytest.MonkeyPatch) -> None:
    when_module._is_expression.cache_clear()
    monkeypatch.setitem(sys.modules, "cronsim", None)

    with pytest.raises(ConfigError, match=r"pip install 'fq\[cron\]'"):
        cron("0 9 * * *")
    assert when_module.next_tick(every(1_000), 0) == 1_000
