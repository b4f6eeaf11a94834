"""One attempt to hand a caller on: the table, and each road through it on a clock in the test's hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sipagent import events
from sipagent.call.transfer.attempt import (
    Attempt,
    CallerGone,
    Goodbye,
    HumanAnswered,
    HumanBriefed,
    HumanGone,
    Plan,
    Reported,
    failure,
    outcome,
    phrase,
)
from sipagent.call.transfer.steps import OUTCOMES, STEPS, News, Step, next_step, steps_diagram

NOW = 50.0
PAGE = Path(__file__).parents[3] / "docs" / "transfers.md"
REFER = Plan(name="sales", number="+1555", how="refer")
ATTENDED, BRIDGE = replace(REFER, how="attended"), replace(REFER, how="bridge")
AUTO = replace(REFER, can_bridge=True)
TAKEN, DONE, LEFT = Reported(100, ""), Reported(200, ""), HumanGone(200, "")
TALKING = [HumanAnswered(), HumanBriefed()]


def started(plan: Plan) -> Attempt:
    """The goodbye is said."""
    attempt = Attempt(plan)
    attempt.begin(agent_is_silent=True, now=NOW)
    return attempt


def after(plan: Plan, *happenings: Any) -> Attempt:
    attempt = started(plan)
    for happening in happenings:
        attempt.take(happening, NOW)
    return attempt


@pytest.mark.parametrize(("step", "news"), list(product(Step, News)))
def test_every_pair_either_stands_in_the_table_or_changes_nothing(step: Step, news: News) -> None:
    assert next_step(step, news) == STEPS.get(step, {}).get(news, step)


def test_every_step_leads_to_an_outcome_and_an_outcome_nowhere() -> None:
    assert not OUTCOMES & STEPS.keys()
    assert STEPS.keys() | OUTCOMES == set(Step)
    for step in STEPS:
        reached, front = {step}, {step}
        while front:
            front = {to for at in front for to in STEPS.get(at, {}).values()} - reached
            reached |= front
        assert reached & OUTCOMES, step
        assert News.CALLER_LEFT in STEPS[step]


class TestGoodbye:
    def test_the_transfer_waits_for_it(self) -> None:
        attempt = Attempt(REFER)
        assert attempt.begin(agent_is_silent=False, now=NOW) == []
        assert attempt.step is Step.GOODBYE
        assert attempt.agent_fell_silent(NOW + 3) == [Step.REFERRING]

    def test_but_not_for_ever(self) -> None:
        attempt = Attempt(REFER)
        attempt.begin(agent_is_silent=False, now=NOW)
        assert attempt.next_timer() == NOW + REFER.goodbye_max_s
        assert attempt.on_timer(NOW + REFER.goodbye_max_s - 0.1) == []
        assert attempt.on_timer(NOW + REFER.goodbye_max_s) == [Step.REFERRING]

    def test_it_is_said_when_the_agent_falls_silent(self) -> None:
        goodbye = Goodbye()
        assert goodbye.is_said
        goodbye.hear(events.AgentSpeechStarted(call_id="c", at=1.0, item_id="i"))
        assert not goodbye.is_said
        goodbye.hear(
            events.AgentSpeechEnded(
                call_id="c", at=2.0, item_id="i", played_ms=1, flushed_ms=0, interrupted=False
            )
        )
        assert not goodbye.is_said
        goodbye.hear(events.AgentFellSilent(call_id="c", at=3.0))
        assert goodbye.is_said

    def test_a_caller_who_leaves_meanwhile_has_left(self) -> None:
        attempt = Attempt(REFER)
        attempt.begin(agent_is_silent=False, now=NOW)
        assert attempt.take(CallerGone(), NOW) == [Step.CALLER_LEFT]


#: What happens after the goodbye, and where it ends: step, way, SIP status.
ROADS: dict[str, tuple[Plan, list[Any], tuple[Step, str, int]]] = {
    "success": (REFER, [TAKEN, Reported(180, ""), DONE], (Step.TRANSFERRED, "refer", 200)),
    "busy": (REFER, [TAKEN, Reported(486, "busy")], (Step.TAKEN_BACK, "refer", 486)),
    "declined at once": (REFER, [Reported(603, "")], (Step.TAKEN_BACK, "refer", 603)),
    "not known, no way out": (REFER, [Reported(405, "")], (Step.TAKEN_BACK, "refer", 405)),
    "target declines": (AUTO, [TAKEN, Reported(603, "")], (Step.TAKEN_BACK, "refer", 603)),
    "busy, bridging possible": (AUTO, [Reported(486, "")], (Step.TAKEN_BACK, "refer", 486)),
    "no subscription": (REFER, [DONE], (Step.TRANSFERRED, "refer", 200)),
    "peer ends our call": (REFER, [TAKEN, CallerGone()], (Step.TRANSFERRED, "refer", 0)),
    "our call is cut": (REFER, [TAKEN, CallerGone(by_peer=False)], (Step.CALLER_LEFT, "refer", 0)),
    "caller leaves before": (REFER, [CallerGone()], (Step.CALLER_LEFT, "refer", 0)),
    "human busy": (BRIDGE, [HumanGone(486, "busy")], (Step.TAKEN_BACK, "bridge", 486)),
    "human leaves early": (BRIDGE, [HumanAnswered(), LEFT], (Step.TAKEN_BACK, "bridge", 200)),
    "bridge": (BRIDGE, [*TALKING, CallerGone()], (Step.TRANSFERRED, "bridge", 0)),
    "human hangs up": (BRIDGE, [*TALKING, LEFT], (Step.HUMAN_LEFT, "bridge", 0)),
    "attended": (ATTENDED, [*TALKING, TAKEN, DONE], (Step.TRANSFERRED, "attended", 200)),
    "replaced first": (ATTENDED, [*TALKING, TAKEN, LEFT, DONE], (Step.TRANSFERRED, "attended", 200)),
    "attended, refused": (ATTENDED, [*TALKING, Reported(481, "")], (Step.TAKEN_BACK, "attended", 481)),
}


@pytest.mark.parametrize(("plan", "happenings", "end"), ROADS.values(), ids=ROADS)
def test_each_road_ends_where_it_should(
    plan: Plan, happenings: list[Any], end: tuple[Step, str, int]
) -> None:
    attempt = after(plan, *happenings)
    assert (attempt.step, attempt.how, attempt.sip_status) == end
    assert attempt.is_over
    assert attempt.next_timer() is None
    assert attempt.take(Reported(486, "late"), NOW) == []
    assert attempt.step is end[0]


@pytest.mark.parametrize("status", [403, 405, 420, 489, 501, 603])
def test_where_the_peer_does_not_know_refer_we_call_the_human_ourselves(status: int) -> None:
    attempt = started(AUTO)
    assert attempt.take(Reported(status, ""), NOW) == [Step.CALLING]
    assert attempt.how == "bridge"
    attempt.take(HumanAnswered(), NOW)
    assert attempt.take(HumanBriefed(), NOW) == [Step.JOINED]


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_peer_that_never_tells_the_outcome_is_taken_as_configured(succeeds: bool) -> None:
    attempt = after(replace(REFER, unconfirmed_succeeds=succeeds), Reported(100, ""))
    assert attempt.on_timer(NOW + 59.9) == []
    assert attempt.on_timer(NOW + 60) == [Step.TRANSFERRED if succeeds else Step.TAKEN_BACK]
    assert attempt.detail == "the peer never told the outcome"


def test_progress_does_not_prolong_the_patience_with_it() -> None:
    attempt = after(REFER, Reported(100, ""))
    attempt.take(Reported(180, ""), NOW + 30)
    assert attempt.next_timer() == NOW + 60


def test_a_refer_without_any_answer_has_failed() -> None:
    attempt = started(REFER)
    assert attempt.on_timer(NOW + 60) == [Step.TAKEN_BACK]
    assert (attempt.sip_status, attempt.detail) == (408, "no answer to the REFER")


def test_a_human_who_does_not_answer_in_time_is_given_up() -> None:
    attempt = started(BRIDGE)
    assert attempt.on_timer(NOW + 30) == [Step.TAKEN_BACK]
    assert (attempt.sip_status, attempt.detail) == (408, "no answer")


def test_a_briefing_that_does_not_end_is_cut_short() -> None:
    attempt = after(BRIDGE, HumanAnswered())
    assert attempt.on_timer(NOW + 45) == [Step.JOINED]


def test_a_bridge_may_last() -> None:
    assert after(BRIDGE, HumanAnswered(), HumanBriefed()).next_timer() is None


def test_a_human_who_hangs_up_may_leave_the_caller_to_the_agent() -> None:
    attempt = after(
        replace(BRIDGE, ends_with_human=False), HumanAnswered(), HumanBriefed(), HumanGone(200, "")
    )
    assert attempt.step is Step.TAKEN_BACK
    assert outcome(attempt) == "returned"
    assert "hung up" in failure(attempt)


def test_the_agent_is_told_why_it_failed() -> None:
    attempt = after(REFER, Reported(100, ""), Reported(486, phrase(486, "Busy Here")))
    assert outcome(attempt) == "failed"
    assert failure(attempt).startswith("The transfer to sales failed: busy.")


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (486, "Busy Here", "busy"),
        (480, "x", "not available"),
        (433, "Anonymity Disallowed", "Anonymity Disallowed"),
        (499, "", "SIP 499"),
    ],
)
def test_failures_have_words(status: int, reason: str, words: str) -> None:
    assert phrase(status, reason) == words


def test_the_page_in_the_docs_is_up_to_date() -> None:
    assert steps_diagram() in PAGE.read_text()


def test_the_diagram_shows_every_step() -> None:
    text = steps_diagram()
    assert all(f"    {step} " in text or f": {step}" in text for step in Step)
