"""One attempt to hand a caller on, through `call.transfer.steps`, and what is said of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sipagent import events
from sipagent.call.transfer.steps import OUTCOMES, News, Step, next_step

Outcome = Literal["transferred", "failed", "returned", "human_left", "caller_left"]

WHISPER_MAX_S = 45.0
#: A REFER that is refused with one of these is not known, or not wanted, whoever the target is.
NO_REFER = frozenset({403, 405, 420, 489, 501, 603})


@dataclass(frozen=True, slots=True)
class Plan:
    """How one caller is to be handed on. `name` is the agent's word for the target, or the number itself."""

    name: str
    number: str
    how: Literal["refer", "attended", "bridge"]
    can_bridge: bool = False
    """If the peer doesn't know REFER, bridge."""
    ring_timeout_s: float = 30.0
    goodbye_max_s: float = 15.0
    outcome_timeout_s: float = 60.0
    unconfirmed_succeeds: bool = False
    ends_with_human: bool = True


@dataclass(frozen=True, slots=True)
class Reported:
    """How the peer gets on with our REFER."""

    sip_status: int
    reason: str


@dataclass(frozen=True, slots=True)
class HumanAnswered:
    """The human has picked up. `leg` is the call id of our call to them, here and below."""

    leg: str = ""


@dataclass(frozen=True, slots=True)
class HumanBriefed:
    """The human has heard what there was to say, if anything."""

    leg: str = ""


@dataclass(frozen=True, slots=True)
class HumanGone:
    """The call to the human is over, or never came about. The last that is heard of it."""

    sip_status: int
    detail: str
    leg: str = ""


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The caller's call is over: ended by the caller, by the peer on its behalf, or else by us."""

    by_peer: bool = True


Happening = Reported | HumanAnswered | HumanBriefed | HumanGone | CallerGone


class Goodbye:
    """Whether the agent has something to say still: hears all of a call's events."""

    def __init__(self) -> None:
        self.is_said = True

    def hear(self, event: events.Event) -> None:
        match event:
            case events.AgentSpeechStarted():
                self.is_said = False
            case events.AgentFellSilent() | events.SpeechStarted():
                self.is_said = True


class Attempt:
    """One transfer, from the wish to its outcome. Times are monotonic seconds.

    Each method returns the steps that were entered, in order: the caller does what they ask for.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.step = Step.GOODBYE
        self.how = plan.how
        self.sip_status = 0
        self.detail = ""
        self.has_talked = False
        """Whether caller and human did."""
        self._deadline: float | None = None

    @property
    def is_over(self) -> bool:
        return self.step in OUTCOMES

    def begin(self, agent_is_silent: bool, now: float) -> list[Step]:
        """Go ahead at once, or once the agent has said goodbye."""
        self._deadline = now + self.plan.goodbye_max_s
        return self.agent_fell_silent(now) if agent_is_silent else []

    def agent_fell_silent(self, now: float) -> list[Step]:
        if self.step is not Step.GOODBYE:
            return []
        return self._move(News.REFER_NOW if self.how == "refer" else News.CALL_NOW, now)

    def next_timer(self) -> float | None:
        return self._deadline

    def on_timer(self, now: float) -> list[Step]:
        """Patience is at its end, where it is due."""
        if self._deadline is None or now < self._deadline:
            return []
        self._deadline = None
        match self.step:
            case Step.GOODBYE:
                return self.agent_fell_silent(now)
            case Step.REFERRING:
                return self._fail(News.REFER_FAILED, 408, "no answer to the REFER", now)
            case Step.FOLLOWING if self.plan.unconfirmed_succeeds:
                self.detail = "the peer never told the outcome"
                return self._move(News.REFER_SUCCEEDED, now)
            case Step.FOLLOWING:
                return self._fail(News.REFER_FAILED, 408, "the peer never told the outcome", now)
            case Step.CALLING:
                return self._fail(News.HUMAN_FAILED, 408, "no answer", now)
            case Step.BRIEFING:
                return self.take(HumanBriefed(), now)
            case _:
                return []

    def take(self, happening: Happening, now: float) -> list[Step]:
        """Something happened outside."""
        match happening:
            case Reported():
                return self._reported(happening.sip_status, happening.reason, now)
            case HumanAnswered():
                return self._move(News.HUMAN_ANSWERED, now)
            case HumanBriefed():
                return self._move(News.REFER_NOW if self.how == "attended" else News.JOIN_NOW, now)
            case HumanGone() if self.step is Step.JOINED:
                left = News.HUMAN_LEFT_FOR_GOOD if self.plan.ends_with_human else News.HUMAN_LEFT
                return self._fail(left, 0, "the human hung up", now)
            case HumanGone():
                return self._fail(News.HUMAN_FAILED, happening.sip_status, happening.detail, now)
            case CallerGone(by_peer=False) if self.step is Step.FOLLOWING:
                return self._fail(News.CALL_CUT, 0, "our call ended before the outcome was known", now)
            case CallerGone():
                return self._move(News.CALLER_LEFT, now)

    def _reported(self, sip_status: int, reason: str, now: float) -> list[Step]:
        if sip_status < 200:
            return self._move(News.REFER_TAKEN, now)
        if sip_status < 300:
            self.sip_status = sip_status
            return self._move(News.REFER_SUCCEEDED, now)
        if self.step is Step.REFERRING and self.plan.can_bridge and sip_status in NO_REFER:
            self.how = "bridge"
            return self._move(News.REFER_UNKNOWN, now)
        return self._fail(News.REFER_FAILED, sip_status, reason, now)

    def _fail(self, news: News, sip_status: int, detail: str, now: float) -> list[Step]:
        entered = self._move(news, now)
        if entered:
            self.sip_status, self.detail = sip_status, detail
        return entered

    def _move(self, news: News, now: float) -> list[Step]:
        before, self.step = self.step, next_step(self.step, news)
        if self.step is before:
            return []
        self.has_talked |= self.step is Step.JOINED
        patience_s = self._patience_s()
        self._deadline = None if patience_s is None else now + patience_s
        return [self.step]

    def _patience_s(self) -> float | None:
        match self.step:
            case Step.REFERRING | Step.FOLLOWING:
                return self.plan.outcome_timeout_s
            case Step.CALLING:
                return self.plan.ring_timeout_s
            case Step.BRIEFING:
                return WHISPER_MAX_S
            case _:
                return None


def failure(attempt: Attempt) -> str:
    """What the model is told when it has its caller back."""
    if attempt.has_talked:
        return f"{attempt.plan.name} has hung up. The caller is with you again: ask what else you can do."
    why = attempt.detail or str(attempt.sip_status)
    return (
        f"The transfer to {attempt.plan.name} failed: {why}. The caller is still with you:"
        " say so, and offer another way."
    )


def outcome(attempt: Attempt) -> Outcome:
    """What became of an attempt that is over, in the words of `events.TransferEnded`."""
    match attempt.step:
        case Step.TRANSFERRED:
            return "transferred"
        case Step.HUMAN_LEFT:
            return "human_left"
        case Step.CALLER_LEFT:
            return "caller_left"
        case _:
            return "returned" if attempt.has_talked else "failed"


def phrase(sip_status: int, reason: str) -> str:
    """A failure in words that a model can pass on."""
    words = {404: "number not found", 408: "no answer", 480: "not available", 486: "busy", 487: "cancelled"}
    known = words | {600: "busy", 603: "declined", 604: "number not found"}
    return known.get(sip_status, reason or f"SIP {sip_status}")


def said_before(said: Iterable[events.Transcript]) -> list[dict[str, str]]:
    """A conversation as it is handed over."""
    return [{"role": each.role, "text": each.text} for each in said]
