"""What the end of a call of ours says, from status, cause and who ended it."""

from __future__ import annotations

import pytest

from sipagent.call.origination import BY_CAUSE, BY_STATUS, Outcome, outcome_of


@pytest.mark.parametrize(
    ("sip_status", "outcome"),
    [
        (200, "answered"),
        (202, "answered"),
        (302, "failed"),
        (401, "failed"),
        (403, "rejected"),
        (404, "invalid_number"),
        (408, "no_answer"),
        (410, "invalid_number"),
        (480, "no_answer"),
        (484, "invalid_number"),
        (486, "busy"),
        (487, "failed"),
        (488, "failed"),
        (500, "failed"),
        (503, "failed"),
        (600, "busy"),
        (603, "rejected"),
        (604, "invalid_number"),
        (606, "failed"),
    ],
)
def test_a_status_says_what_became_of_the_call(sip_status: int, outcome: str) -> None:
    assert outcome_of(sip_status) == outcome


@pytest.mark.parametrize(
    ("sip_status", "q850", "outcome"),
    [
        (480, 20, "unreachable"),
        (503, 17, "busy"),
        (500, 1, "invalid_number"),
        (480, 21, "rejected"),
        (503, 34, "failed"),
        (486, 16, "busy"),  # normal clearing says nothing
        (404, 127, "invalid_number"),  # nor does interworking
    ],
)
def test_a_cause_says_more_than_the_status_beside_it(sip_status: int, q850: int, outcome: str) -> None:
    assert outcome_of(sip_status, q850) == outcome


def test_who_gave_the_call_up_counts_before_the_status_that_came_of_it() -> None:
    assert outcome_of(487, timed_out=True) is Outcome.NO_ANSWER
    assert outcome_of(487, cancelled=True) is Outcome.CANCELLED
    assert outcome_of(487, timed_out=True, cancelled=True) is Outcome.CANCELLED


def test_where_no_server_said_anything_nobody_can_be_reached() -> None:
    for sip_status in (408, 502, 503):
        assert outcome_of(sip_status, by_remote=False) is Outcome.UNREACHABLE


def test_an_answer_is_one_however_it_came_about() -> None:
    assert outcome_of(200, 16, cancelled=True) is Outcome.ANSWERED


def test_neither_table_calls_anything_answered_or_cancelled() -> None:
    told = {*BY_STATUS.values(), *BY_CAUSE.values()}
    assert not told & {Outcome.ANSWERED, Outcome.CANCELLED}
