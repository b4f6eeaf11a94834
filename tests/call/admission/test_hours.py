"""Business hours: what a calendar says of a moment, in its own time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.call.admission.hours import is_open, next_opening
from sipagent.config.calendars import CalendarConfig

LONDON = "Europe/London"
OFFICE = CalendarConfig.model_validate(
    {
        "time_zone": LONDON,
        "hours": {"mon-fri": ["09:00-12:30", "13:30-17:30"], "sat": "10:00-14:00"},
        "holidays": ["2026-04-03", "12-24..01-01", "2026-08-03..2026-08-14", "02-29"],
    }
)
NIGHT = CalendarConfig.model_validate(
    {"time_zone": LONDON, "hours": {"fri": "22:00-06:00", "mon": "00:00-24:00"}, "holidays": ["2026-07-10"]}
)


def at(text: str, zone: str = LONDON) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("moment", "open_", "said"),
    [
        ("2026-06-15T09:00", True, "within 09:00-12:30"),
        ("2026-06-15T08:59", False, "outside the hours"),
        ("2026-06-15T12:30", False, "outside the hours"),
        ("2026-06-15T13:30", True, "within 13:30-17:30"),
        ("2026-06-15T17:29", True, "within 13:30-17:30"),
        ("2026-06-20T13:59", True, "Sat 2026-06-20 13:59 Europe/London"),
        ("2026-06-21T11:00", False, "Sun 2026-06-21 11:00"),
        ("2026-04-03T11:00", False, "holiday 2026-04-03"),
        ("2027-04-02T11:00", True, ""),
        ("2026-12-24T11:00", False, "holiday 12-24..01-01"),
        ("2027-01-01T11:00", False, "holiday 12-24..01-01"),
        ("2026-12-23T11:00", True, ""),
        ("2026-08-14T11:00", False, "holiday 2026-08-03..2026-08-14"),
        ("2028-02-29T11:00", False, "holiday 02-29"),
    ],
)
def test_office_hours(moment: str, open_: bool, said: str) -> None:
    is_in, reason = is_open(OFFICE, at(moment))
    assert is_in is open_, reason
    assert said in reason


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-06-19T21:59", False),
        ("2026-06-19T22:00", True),
        ("2026-06-20T05:59", True),
        ("2026-06-20T06:00", False),
        ("2026-06-22T00:00", True),
        ("2026-06-22T23:59", True),
        ("2026-06-23T00:00", False),
        ("2026-07-10T23:00", False),  # a holiday closes the night that begins on it
        ("2026-07-11T01:00", False),
    ],
)
def test_hours_past_midnight_belong_to_the_day_they_begin_on(moment: str, open_: bool) -> None:
    assert is_open(NIGHT, at(moment))[0] is open_


def test_the_calendar_has_its_own_clock() -> None:
    """08:30 in UTC is 09:30 in a British summer, and 08:30 in winter."""
    assert is_open(OFFICE, datetime(2026, 6, 15, 8, 30, tzinfo=UTC))[0]
    assert not is_open(OFFICE, datetime(2026, 12, 15, 8, 30, tzinfo=UTC))[0]
    assert not is_open(OFFICE, at("2026-06-15T09:00", "Asia/Tokyo"))[0]


@given(st.datetimes(timezones=st.sampled_from([ZoneInfo(LONDON), ZoneInfo("America/New_York"), UTC])))
def test_it_says_the_same_of_one_moment_however_it_is_told(moment: datetime) -> None:
    if not datetime(1900, 1, 1, tzinfo=UTC) < moment < datetime(9990, 1, 1, tzinfo=UTC):
        return
    assert is_open(OFFICE, moment) == is_open(OFFICE, moment.astimezone(UTC))


@given(st.dates(min_value=datetime(2000, 1, 3).date(), max_value=datetime(2100, 1, 1).date()))
def test_a_day_without_holidays_has_its_hours(day: object) -> None:
    plain = OFFICE.model_copy(update={"holidays": ()})
    midnight = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZoneInfo(LONDON))
    minutes = sum(is_open(plain, midnight + timedelta(minutes=15 * n))[0] for n in range(96)) * 15
    assert minutes == {5: 240, 6: 0}.get(midnight.weekday(), 450)


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-06-15T09:30", "2026-06-15T09:30"),
        ("2026-06-15T08:00", "2026-06-15T09:00"),
        ("2026-06-15T12:30", "2026-06-15T13:30"),
        ("2026-06-20T14:00", "2026-06-22T09:00"),
        ("2026-04-02T18:00", "2026-04-04T10:00"),
        ("2026-12-23T18:00", "2027-01-02T10:00"),
        ("2026-03-28T20:00", "2026-03-30T09:00"),
    ],
)
def test_the_next_opening_is_known(moment: str, opening: str) -> None:
    assert next_opening(OFFICE, at(moment)) == at(opening)


def test_who_never_opens_has_no_opening() -> None:
    closed = CalendarConfig.model_validate({"time_zone": LONDON, "hours": {}})
    assert next_opening(closed, at("2026-06-15T09:00")) is None


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)), st.sampled_from([OFFICE, NIGHT]))
def test_an_opening_is_open_and_nothing_before_it_is(moment: datetime, calendar: CalendarConfig) -> None:
    start = moment.replace(tzinfo=UTC, second=0, microsecond=0)
    opening = next_opening(calendar, start)
    assert opening is not None
    assert is_open(calendar, opening)[0]
    minutes = int((opening - start).total_seconds() // 60)
    for minute in {0, minutes // 2, minutes - 1} & set(range(minutes)):
        assert not is_open(calendar, start + timedelta(minutes=minute))[0]
