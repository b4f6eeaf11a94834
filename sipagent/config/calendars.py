"""Business hours and holidays, as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator

from sipagent.config.patterns import one_or_more
from sipagent.config.values import Section

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60

_TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_DATE = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})")
#: Has every day that a year may have.
_LEAP_YEAR = 2000


@dataclass(frozen=True, slots=True)
class Hours:
    """From one minute of the day to another, that one excluded. An end before the start is next morning."""

    start: int
    end: int

    @classmethod
    def parse(cls, value: object) -> Hours:
        if isinstance(value, Hours):
            return value
        match = _TIMES.fullmatch(str(value).strip())
        if match is None:
            raise ValueError("must be such as '09:00-17:30'")
        start, end = (int(match[at]) * 60 + int(match[at + 1]) for at in (1, 3))
        minutes = int(match[2]), int(match[4])
        if max(minutes) > 59 or start >= DAY_MINUTES or end > DAY_MINUTES or start == end:
            raise ValueError("must be two different times from 00:00 to 24:00")
        return cls(start, end)

    @property
    def goes_past_midnight(self) -> bool:
        return self.end < self.start

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.start, self.end))


@dataclass(frozen=True, slots=True)
class Holiday:
    """Days of one year (`2026-12-24`), of every year (`12-25`), or from one to another (`12-24..01-01`)."""

    first: str
    last: str

    @classmethod
    def parse(cls, value: object) -> Holiday:
        if isinstance(value, Holiday):
            return value
        first, dots, last = str(value).partition("..")
        holiday = cls(_day(first), _day(last if dots else first))
        if len(holiday.first) != len(holiday.last):
            raise ValueError("a range has a year at both ends or at neither")
        if len(holiday.first) > len("12-25") and holiday.last < holiday.first:
            raise ValueError("ends before it begins")
        return holiday

    def covers(self, day: date) -> bool:
        written = day.isoformat()[-len(self.first) :]
        if self.first <= self.last:
            return self.first <= written <= self.last
        return written >= self.first or written <= self.last

    def __str__(self) -> str:
        return self.first if self.first == self.last else f"{self.first}..{self.last}"


def _day(text: str) -> str:
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a date, 2026-12-24 or 12-24, or two of them: 12-24..01-01")
    try:
        date(int(match[1] or _LEAP_YEAR), int(match[2]), int(match[3]))
    except ValueError:
        raise ValueError(f"there is no {text.strip()}") from None
    return match[0]


def weekdays(text: str) -> Iterator[int]:
    """`mon-fri,sun` -> 0, 1, 2, 3, 4, 6. Raises ValueError."""
    for part in text.lower().split(","):
        first, _, last = part.strip().partition("-")
        if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
            raise ValueError(f"'{part.strip()}' must be of {', '.join(WEEKDAYS)}, or such as mon-fri")
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        yield from (day % 7 for day in range(start, (end if end >= start else end + 7) + 1))


def _weekdays(text: str) -> str:
    list(weekdays(text))
    return text


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone such as Europe/London") from None
    return name


_AS_TEXT = PlainSerializer(str, return_type=str)
WrittenHours = Annotated[Hours, PlainValidator(Hours.parse), _AS_TEXT]
Weekdays = Annotated[str, AfterValidator(_weekdays)]


class CalendarConfig(Section):
    """When somebody is there: hours by weekday, in the time zone, and never on holidays."""

    time_zone: Annotated[str, AfterValidator(_time_zone)]
    hours: Mapping[Weekdays, Annotated[tuple[WrittenHours, ...], BeforeValidator(one_or_more)]]
    holidays: tuple[Annotated[Holiday, PlainValidator(Holiday.parse), _AS_TEXT], ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def hours_on(self, weekday: int) -> Iterator[Hours]:
        """The hours that begin on a day of the week, 0 for Monday."""
        for days, hours in self.hours.items():
            if weekday in weekdays(days):
                yield from hours
