"""Whether a dial is tried again, and when. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sipagent.call.admission.hours import next_opening
from sipagent.config.calendars import CalendarConfig
from sipagent.outbound.dial import Dial, Retry

Calendars = Mapping[str, CalendarConfig]


def next_attempt_at(
    dial: Dial, outcome: str, now: float, calendars: Calendars, chance: float
) -> float | None:
    """When the dial whose attempt came to `outcome` is tried again; None: it isn't.

    `chance`, 0 to 1, says where within its jitter the wait lies.
    """
    policy = dial.wish.retry
    if outcome not in policy.retry_on or len(dial.attempts) >= policy.attempts:
        return None
    at = allowed_from(policy, now + wait_s(policy, len(dial.attempts), chance), calendars)
    return at if at is not None and at < dial.wish.expires_at else None


def wait_s(policy: Retry, attempts: int, chance: float) -> float:
    """How long after so many attempts the next one waits."""
    wait = policy.waits_s[min(attempts, len(policy.waits_s)) - 1]
    return wait * (1 + policy.jitter * (2 * chance - 1))


def allowed_from(policy: Retry, at: float, calendars: Calendars) -> float | None:
    """The first moment from `at` on that is within the policy's hours.

    None where there is none within a year, or no such calendar any more.
    """
    if policy.hours is None:
        return at
    calendar = calendars.get(policy.hours)
    opening = None if calendar is None else next_opening(calendar, datetime.fromtimestamp(at, UTC))
    return None if opening is None else max(at, opening.timestamp())
