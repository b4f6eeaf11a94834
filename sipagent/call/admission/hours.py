"""Whether a calendar says open at a given moment, and when it does next. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from sipagent.config.calendars import CalendarConfig, Hours

#: Nobody closes for longer than a leap year.
FURTHEST_DAYS = 366


def is_open(calendar: CalendarConfig, at: datetime) -> tuple[bool, str]:
    """Is `at`, which knows its time zone, within the hours? And how that comes, for people.

    Hours that go past midnight belong to the day they begin on: a holiday closes them, the one after doesn't.
    """
    local = at.astimezone(UTC).astimezone(calendar.zone)  # by way of UTC: a time that clocks skip isn't one
    today, minute = local.date(), local.hour * 60 + local.minute
    told = f"{local:%a %Y-%m-%d %H:%M} {calendar.time_zone}"
    for hours in _hours_of(calendar, today):
        if hours.start <= minute and (minute < hours.end or hours.goes_past_midnight):
            return True, f"{told} is within {hours}"
    for hours in _hours_of(calendar, today - timedelta(days=1)):
        if hours.goes_past_midnight and minute < hours.end:
            return True, f"{told} is within {hours} of the day before"
    holiday = next((str(each) for each in calendar.holidays if each.covers(today)), None)
    return False, f"{told} is holiday {holiday}" if holiday else f"{told} is outside the hours"


def next_opening(calendar: CalendarConfig, at: datetime) -> datetime | None:
    """The first moment from `at` on that is within the hours, in UTC; None: not for a year."""
    start = at.astimezone(UTC)
    if is_open(calendar, start)[0]:
        return start
    today = start.astimezone(calendar.zone).date()
    for day in (today + timedelta(days=days) for days in range(FURTHEST_DAYS)):
        for opening in sorted(_opening(calendar, day, hours) for hours in _hours_of(calendar, day)):
            if opening > start:
                return opening
    return None


def _opening(calendar: CalendarConfig, day: date, hours: Hours) -> datetime:
    """When hours begin on a day: later, where clocks skip that time, and the first where they repeat it."""
    hour, minute = divmod(hours.start, 60)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=calendar.zone).astimezone(UTC)


def _hours_of(calendar: CalendarConfig, day: date) -> Iterator[Hours]:
    if not any(holiday.covers(day) for holiday in calendar.holidays):
        yield from calendar.hours_on(day.weekday())
