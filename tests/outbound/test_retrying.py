"""Whether it is tried again, and when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.config.calendars import CalendarConfig
from sipagent.outbound.dial import Dial, Left, Placed, after
from sipagent.outbound.retrying import allowed_from, next_attempt_at, wait_s
from tests.outbound.dials import NOW, dial, retry

OFFICE = {
    "office": CalendarConfig.model_validate(
        {"time_zone": "Europe/Berlin", "hours": {"mon-fri": ["09:00-12:00", "13:00-17:00"]}}
    )
}


def tried(attempts: int, **fields: object) -> Dial:
    """The last of so many attempts is under way."""
    one = after(dial(**fields), Placed(NOW))
    for _ in range(attempts - 1):
        one = after(after(one, Left(NOW, "busy", due_at=NOW)), Placed(NOW))
    return one


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(("attempts", "at"), [(1, 60.0), (2, 900.0), (3, 900.0), (4, None)])
def test_waits_follow_each_other_and_the_last_one_stays(attempts: int, at: float | None) -> None:
    policy = retry(60, 900, attempts=4)
    again = next_attempt_at(tried(attempts, retry=policy), "busy", NOW, {}, 0.5)
    assert again == (None if at is None else NOW + at)


@pytest.mark.parametrize(("outcome", "again"), [("busy", True), ("rejected", False), ("machine", False)])
def test_only_some_outcomes_are_tried_again(outcome: str, again: bool) -> None:
    at = next_attempt_at(tried(1, retry=retry(60)), outcome, NOW, {}, 0.5)
    assert (at is not None) == again


def test_a_machine_is_called_again_where_that_is_wanted() -> None:
    policy = retry(60, retry_on=("machine",))
    assert next_attempt_at(tried(1, retry=policy), "machine", NOW, {}, 0.5) == NOW + 60


def test_nothing_is_tried_when_the_time_is_over() -> None:
    one = tried(1, retry=retry(60), expires_at=NOW + 60)
    assert next_attempt_at(one, "busy", NOW, {}, 0.5) is None
    assert next_attempt_at(one, "busy", NOW - 1, {}, 0.5) == NOW + 59


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 10))
def test_waits_differ_by_no_more_than_their_jitter(jitter: float, chance: float, attempts: int) -> None:
    wait = wait_s(retry(100, jitter=jitter), attempts, chance)
    assert 100 * (1 - jitter) - 1e-9 <= wait <= 100 * (1 + jitter) + 1e-9


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-06-15T08:00", "2026-06-15T08:00"),
        ("2026-06-15T10:30", "2026-06-15T11:00"),
        ("2026-06-15T15:00", "2026-06-16T07:00"),
        ("2026-06-19T16:00", "2026-06-22T07:00"),
        ("2026-01-02T16:00", "2026-01-05T08:00"),
    ],
)
def test_attempts_wait_for_the_hours_of_their_calendar(now: str, opens: str) -> None:
    assert allowed_from(retry(hours="office"), moment(now), OFFICE) == moment(opens)


def test_a_calendar_that_is_gone_never_opens() -> None:
    assert allowed_from(retry(hours="office"), NOW, {}) is None
