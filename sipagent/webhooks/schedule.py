"""What an attempt came to, and when the next one is due. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GIVE_UP_AFTER_S = 24 * 3600.0
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 900.0
#: What a receiver says of a message that it will never take.
REFUSALS = frozenset({400, 406, 413, 414, 415, 422, 431})


class Verdict(StrEnum):
    """What becomes of a message after an attempt; the label `outcome` of the metric."""

    DELIVERED = "delivered"
    FAILED = "failed"  # to be tried again
    REJECTED = "rejected"  # the receiver won't take this message
    GONE = "gone"  # the receiver wants no messages any more
    EXPIRED = "expired"  # tried for a day


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt. `status` is 0 if nobody answered; `retry_after_s` is the receiver's wish."""

    status: int
    detail: str = ""
    retry_after_s: float = 0.0


def judge(answer: Answer, age_s: float) -> Verdict:
    """Of a message that is `age_s` old. Redirects are not followed: 3xx is a failure like any other."""
    if 200 <= answer.status < 300:
        return Verdict.DELIVERED
    if answer.status == 410:
        return Verdict.GONE
    if answer.status in REFUSALS:
        return Verdict.REJECTED
    return Verdict.EXPIRED if age_s >= GIVE_UP_AFTER_S else Verdict.FAILED


def retry_in_s(attempts: int, answer: Answer, chance: float) -> float:
    """After so many attempts. `chance`, 0 to 1, spreads receivers' retries over half of the time."""
    backoff = min(FIRST_RETRY_S * 2.0 ** min(attempts - 1, 20), LONGEST_RETRY_S)
    return max(backoff * (0.5 + chance / 2), min(answer.retry_after_s, GIVE_UP_AFTER_S))
