"""Whether a calendar says open at a given moment. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from sipagent.config.calendars import CalendarConfig, Hours


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


def _hours_of(calendar: CalendarConfig, day: date) -> Iterator[Hours]:
    if not any(holiday.covers(day) for holiday in calendar.holidays):
        yield from calendar.hours_on(day.weekday())
