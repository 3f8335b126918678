"""`epoch_ms`: a datetime as ms since the epoch."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from fq import OptionError
from fq.core.moment import epoch_ms

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "ms"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0),
        (datetime(1970, 1, 1, 0, 0, 0, 1_999, tzinfo=UTC), 1),
        (datetime(1969, 12, 31, tzinfo=UTC), -86_400_000),
        (datetime(2030, 3, 1, 9, tzinfo=BERLIN), 1_898_582_400_000),
        (datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN, fold=0), 1_919_291_400_000),
        (datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN, fold=1), 1_919_295_000_000),
        (datetime.max.replace(tzinfo=UTC), 253_402_300_799_999),
    ],
    ids=str,
)
def test_a_moment_is_counted_from_the_epoch(moment: datetime, ms: int) -> None:
    assert epoch_ms(moment) == ms


def test_a_naive_datetime_is_refused_with_what_to_write() -> None:
    with pytest.raises(OptionError) as caught:
        epoch_ms(datetime(2030, 3, 1, 9))  # noqa: DTZ001  # that is what is refused

    assert ".replace(tzinfo=ZoneInfo('Europe/Berlin'))" in str(caught.value)
    assert ".astimezone()" in str(caught.value)


@pytest.mark.parametrize("found", [date(2030, 3, 1), 1_900_000_000, "tomorrow", None], ids=str)
def test_what_is_no_datetime_is_refused(found: object) -> None:
    with pytest.raises(OptionError, match="expected a datetime with a time zone"):
        epoch_ms(found)  # type: ignore[arg-type]
