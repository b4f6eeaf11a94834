"""The steps of an attempt to hand a caller on, as a table. Pure.

    refer      goodbye -> referring -> following -> transferred
    attended   goodbye -> calling -> briefing -> referring -> following -> transferred
    bridge     goodbye -> calling -> briefing -> joined -> transferred, or back to the agent

Every attempt ends in one of `OUTCOMES`; until then the caller is ours.
"""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """Where an attempt stands."""

    GOODBYE = "goodbye"  # the agent may finish what it is saying
    REFERRING = "referring"  # REFER sent, not yet answered
    FOLLOWING = "following"  # the peer has taken it, and tries
    CALLING = "calling"  # our own call to the human is under way
    BRIEFING = "briefing"  # the human is there, and hears what it is about
    JOINED = "joined"  # caller and human talk, through us
    TRANSFERRED = "transferred"
    TAKEN_BACK = "taken_back"  # it failed, or the human has left: the agent goes on
    HUMAN_LEFT = "human_left"  # the human hung up, and the call is to end with that
    CALLER_LEFT = "caller_left"


OUTCOMES = frozenset({Step.TRANSFERRED, Step.TAKEN_BACK, Step.HUMAN_LEFT, Step.CALLER_LEFT})


class News(StrEnum):
    """What moves an attempt."""

    REFER_NOW = "refer_now"  # the goodbye is said, and this is to go by REFER
    CALL_NOW = "call_now"  # the goodbye is said, and the human is to be called by us
    REFER_TAKEN = "refer_taken"
    REFER_UNKNOWN = "refer_unknown"  # the peer can't be referred; there is another way
    REFER_FAILED = "refer_failed"
    REFER_SUCCEEDED = "refer_succeeded"
    HUMAN_ANSWERED = "human_answered"
    HUMAN_FAILED = "human_failed"  # refused, no answer, or gone before anybody talked
    JOIN_NOW = "join_now"  # the human knows what it is about
    HUMAN_LEFT = "human_left"
    HUMAN_LEFT_FOR_GOOD = "human_left_for_good"
    CALLER_LEFT = "caller_left"
    CALL_CUT = "call_cut"  # we ended the caller's call ourselves: its time was up, or it went silent


STEPS: dict[Step, dict[News, Step]] = {
    Step.GOODBYE: {
        News.REFER_NOW: Step.REFERRING,
        News.CALL_NOW: Step.CALLING,
        News.CALLER_LEFT: Step.CALLER_LEFT,
    },
    Step.REFERRING: {
        News.REFER_TAKEN: Step.FOLLOWING,
        News.REFER_UNKNOWN: Step.CALLING,
        News.REFER_FAILED: Step.TAKEN_BACK,
        News.REFER_SUCCEEDED: Step.TRANSFERRED,
        News.CALLER_LEFT: Step.CALLER_LEFT,
    },
    Step.FOLLOWING: {
        News.REFER_TAKEN: Step.FOLLOWING,
        News.REFER_FAILED: Step.TAKEN_BACK,
        News.REFER_SUCCEEDED: Step.TRANSFERRED,
        News.CALLER_LEFT: Step.TRANSFERRED,  # most peers end our call by themselves once theirs stands
        News.CALL_CUT: Step.CALLER_LEFT,
    },
    Step.CALLING: {
        News.HUMAN_ANSWERED: Step.BRIEFING,
        News.HUMAN_FAILED: Step.TAKEN_BACK,
        News.CALLER_LEFT: Step.CALLER_LEFT,
    },
    Step.BRIEFING: {
        News.JOIN_NOW: Step.JOINED,
        News.REFER_NOW: Step.REFERRING,
        News.HUMAN_FAILED: Step.TAKEN_BACK,
        News.CALLER_LEFT: Step.CALLER_LEFT,
    },
    Step.JOINED: {
        News.HUMAN_LEFT: Step.TAKEN_BACK,
        News.HUMAN_LEFT_FOR_GOOD: Step.HUMAN_LEFT,
        News.CALLER_LEFT: Step.TRANSFERRED,
    },
}


def next_step(step: Step, news: News) -> Step:
    """The step after `news`. What can't matter any more, such as a late NOTIFY, leaves it as it is."""
    return STEPS.get(step, {}).get(news, step)


def steps_diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {Step.GOODBYE}"]
    lines += [f"    {step} --> {to}: {news}" for step, row in STEPS.items() for news, to in row.items()]
    return "\n".join([*lines, *(f"    {step} --> [*]" for step in Step if step in OUTCOMES)])
