"""What becomes of a message after an attempt."""

from __future__ import annotations

import pytest

from sipagent.webhooks.schedule import GIVE_UP_AFTER_S, Answer, Verdict, judge, retry_in_s


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *[(status, Verdict.DELIVERED) for status in (200, 202, 204)],
        *[(status, Verdict.FAILED) for status in (0, 301, 302, 401, 403, 404, 408, 409, 429, 500, 503)],
        *[(status, Verdict.REJECTED) for status in (400, 413, 415, 422)],
        (410, Verdict.GONE),
    ],
)
def test_the_status_decides(status: int, verdict: Verdict) -> None:
    assert judge(Answer(status), 60) == verdict


def test_a_day_of_failures_is_enough() -> None:
    assert judge(Answer(500), GIVE_UP_AFTER_S - 1) == Verdict.FAILED
    assert judge(Answer(500), GIVE_UP_AFTER_S) == Verdict.EXPIRED
    assert judge(Answer(200), GIVE_UP_AFTER_S) == Verdict.DELIVERED


def test_retries_back_off_to_a_quarter_of_an_hour() -> None:
    waits = [retry_in_s(attempts, Answer(500), 1.0) for attempts in range(1, 13)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == 900
    assert retry_in_s(10_000, Answer(500), 1.0) == 900


def test_retries_are_spread_over_half_of_the_time() -> None:
    assert retry_in_s(5, Answer(500), 0.0) == 8
    assert retry_in_s(5, Answer(500), 1.0) == 16


def test_a_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    assert retry_in_s(1, Answer(503, retry_after_s=120), 0.5) == 120
    assert retry_in_s(8, Answer(503, retry_after_s=1), 1.0) == 128
    assert retry_in_s(1, Answer(503, retry_after_s=1e12), 0.5) == GIVE_UP_AFTER_S
