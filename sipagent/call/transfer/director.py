"""A call's transfers, one at a time: does what `transfer.attempt` says, and tells what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

from sipagent import events
from sipagent.call.directors.director import Command, HangUp, Transfer
from sipagent.call.holding import Holding
from sipagent.call.house import House
from sipagent.call.transfer.attempt import (
    Attempt,
    CallerGone,
    Goodbye,
    Happening,
    HumanAnswered,
    HumanBriefed,
    HumanGone,
    Reported,
    failure,
    outcome,
    phrase,
    said_before,
)
from sipagent.call.transfer.human_leg import HumanCall, HumanLeg
from sipagent.call.transfer.plan import Forbidden, Route, Wishes, plan_of, whisperer
from sipagent.call.transfer.steps import OUTCOMES, Step
from sipagent.config import AgentConfig, TrunkConfig
from sipagent.errors import EndReason
from sipagent.sip.call import SipCall
from sipagent.sip.messages import CallDisconnected, ReferReported, SipEvent
from sipagent.worker.orders import GiveBack, Inject, JoinLegs, PlayPrompt, SetAside, StopPrompt

WAIT_PROMPT = "transfer-wait"
RINGING = range(180, 200)


@dataclass(slots=True)
class Line:
    """What transfers need of their call. `tell` puts into its inbox; `sip` is its dialog once there is one.

    `follow` has the messages of one more dialog told with those of the call.
    """

    call_id: str
    trunk: TrunkConfig
    agent: AgentConfig
    caller: str
    tell: Callable[[events.Event | Happening], None]
    follow: Callable[[SipCall], None]
    holding: Holding
    sip: SipCall | None = None

    @property
    def codec(self) -> str:
        """What the caller speaks now."""
        media = self.holding.media
        return media.codec if media is not None else self.trunk.codecs[0]


class Transfers:
    """A director that hears the signalling too."""

    def __init__(self, line: Line, house: House) -> None:
        self._line = line
        self._house = house
        self._goodbye = Goodbye()
        self._said: list[events.Transcript] = []
        self._attempt: Attempt | None = None
        self._route: Route | None = None
        self._human: HumanLeg | None = None
        self._untold: list[HumanLeg] = []
        self._leg_numbers = count(2)
        self._tells_agent = True
        self._is_aside = False

    # --- what may be asked of it --------------------------------------------------------------------

    def begin(self, command: Transfer, now: float) -> Iterable[Command]:
        """Hand the caller on, or tell why not."""
        if self._attempt is not None:
            return self._refused(command, "a transfer is under way already")
        try:
            plan, route = plan_of(self._wishes(command))
        except Forbidden as why:
            return self._refused(command, str(why))
        self._tells_agent = not command.tells_agent
        self._attempt, self._route, self._human = Attempt(plan), route, None
        self._line.tell(
            events.TransferStarted(
                call_id=self._line.call_id,
                at=now,
                target=plan.name,
                to_number=plan.number,
                how=plan.how,
                summary=command.summary,
                said=said_before(self._said),
            )
        )
        return self._enter(self._attempt.begin(self._goodbye.is_said, now), now)

    @property
    def is_under_way(self) -> bool:
        return self._attempt is not None

    @property
    def ends_with_caller(self) -> EndReason | None:
        """What it means if the peer ends the call now, where that is no hanging up."""
        taken = self._attempt is not None and self._attempt.step is Step.FOLLOWING
        return EndReason.TRANSFERRED if taken else None

    async def finish(self, publish: Callable[[events.Event], None]) -> None:
        """The call is over: end what is left, and tell of it."""
        for human in self._untold:
            human.end(EndReason.CALLER_HUNG_UP)
            await human.wait()
            publish(human.ended)
        self._untold.clear()

    # --- what it hears ------------------------------------------------------------------------------

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        self._goodbye.hear(event)
        if isinstance(event, events.Transcript):
            self._said.append(event)
        if self._attempt is not None and self._goodbye.is_said:
            return self._enter(self._attempt.agent_fell_silent(now), now)
        return ()

    def on_signal(self, event: SipEvent | Happening, now: float) -> Iterable[Command]:
        """Something of the caller's signalling, or from the human's leg."""
        match event:
            case ReferReported():
                return self._reported(event, now)
            case CallDisconnected():
                return self._happened(CallerGone(event.by_remote), now)
            case HumanGone():
                self._tell_of_human(event.leg)
                return self._happened(event, now) if self._is_present(event.leg) else ()
            case HumanAnswered() | HumanBriefed():
                return self._happened(event, now) if self._is_present(event.leg) else ()
            case _:
                return ()

    def next_timer(self) -> float | None:
        return self._attempt.next_timer() if self._attempt is not None else None

    def on_timer(self, now: float) -> Iterable[Command]:
        return self._enter(self._attempt.on_timer(now), now) if self._attempt is not None else ()

    def close(self) -> None:
        """What is left is ended by `finish`, which waits for it."""

    def _reported(self, event: ReferReported, now: float) -> Iterable[Command]:
        rings = [self._aside(ringing=True)] if self._attempt and event.sip_status in RINGING else []
        reason = phrase(event.sip_status, event.reason)
        return [*rings, *self._happened(Reported(event.sip_status, reason), now)]

    def _happened(self, happening: Happening, now: float) -> Iterable[Command]:
        return self._enter(self._attempt.take(happening, now), now) if self._attempt is not None else ()

    # --- what it does -------------------------------------------------------------------------------

    def _enter(self, steps: list[Step], now: float) -> list[Command]:
        return [command for step in steps for command in self._do(step, now)]

    def _do(self, step: Step, now: float) -> Iterable[Command]:
        match step:
            case Step.REFERRING:
                self._refer()
                return [self._aside()]
            case Step.CALLING:
                return self._call_human()
            case Step.JOINED:
                return self._join(now)
            case _ if step in OUTCOMES:
                return self._conclude(step, now)
            case _:
                return []

    def _refer(self) -> None:
        assert self._attempt is not None
        assert self._route is not None
        sip = self._line.sip
        if sip is not None:
            attended = self._human.sip if self._attempt.how == "attended" and self._human else None
            sip.refer(f"<{self._route.refer_to}>", attended)

    def _call_human(self) -> list[Command]:
        assert self._attempt is not None
        assert self._route is not None
        route = self._route
        call = HumanCall(
            call_id=self._line.call_id,
            leg_id=f"{self._line.call_id}-{next(self._leg_numbers)}",
            number=self._attempt.plan.number,
            uri=route.uri,
            trunk=route.trunk,
            codec=self._line.codec,
            agent=whisperer(self._line.agent, route),
            briefs=route.briefs,
        )
        self._human = HumanLeg(call, self._house, self._line.tell, self._line.follow)
        self._untold.append(self._human)
        self._human.start()
        if route.wait_file is None:
            return [self._aside(ringing=True)]
        prompt = PlayPrompt(
            call_id=self._line.call_id, prompt_id=WAIT_PROMPT, file=str(route.wait_file), repeat=True
        )
        return [self._aside(), prompt]

    def _join(self, now: float) -> list[Command]:
        assert self._attempt is not None
        assert self._route is not None
        assert self._human is not None
        call_id = self._line.call_id
        joined = events.TransferJoined(call_id=call_id, at=now, target=self._attempt.plan.name)
        self._line.tell(joined)
        listens = self._route.model_listens
        join = JoinLegs(call_id=call_id, other=self._human.call_id, agent_listens=listens)
        return [*self._stop_waiting(), join]

    def _conclude(self, step: Step, now: float) -> list[Command]:
        """Tell the outcome, and see to it that caller and human are where they belong."""
        assert self._attempt is not None
        attempt, self._attempt = self._attempt, None
        self._line.tell(_ended(self._line.call_id, attempt, now))
        if self._human is not None:
            self._human.end(EndReason.TRANSFERRED if step is Step.TRANSFERRED else EndReason.CALLER_HUNG_UP)
        match step:
            case Step.TRANSFERRED:
                return [HangUp(reason=EndReason.TRANSFERRED, detail=attempt.plan.name)]
            case Step.HUMAN_LEFT:
                return [HangUp(reason=EndReason.HUMAN_HUNG_UP, detail=attempt.plan.name)]
            case Step.TAKEN_BACK:
                return self._take_back(attempt)
            case _:
                return []

    def _take_back(self, attempt: Attempt) -> list[Command]:
        call_id = self._line.call_id
        back: list[Command] = [GiveBack(call_id=call_id)] if self._is_aside else []
        self._is_aside = False
        told = [Inject(call_id=call_id, text=failure(attempt), respond=True)] if self._tells_agent else []
        return [*self._stop_waiting(), *back, *told]

    def _aside(self, *, ringing: bool = False) -> Command:
        self._is_aside = True
        return SetAside(call_id=self._line.call_id, ringing=ringing)

    def _stop_waiting(self) -> list[Command]:
        if self._route is None or self._route.wait_file is None or self._human is None:
            return []
        return [StopPrompt(call_id=self._line.call_id, prompt_id=WAIT_PROMPT)]

    def _is_present(self, leg: str) -> bool:
        """Is this our call for the present attempt, and not one that an earlier attempt has left behind?"""
        return self._human is not None and self._human.call_id == leg

    def _tell_of_human(self, leg: str) -> None:
        for human in [each for each in self._untold if each.call_id == leg]:
            self._untold.remove(human)
            self._line.tell(human.ended)

    def _refused(self, command: Transfer, why: str) -> Iterable[Command]:
        call_id, target = self._line.call_id, command.target
        self._line.tell(
            events.TransferFailed(call_id=call_id, at=time.monotonic(), target=target, detail=why)
        )
        text = f"The transfer to {target} is not possible: {why}. The caller is still with you."
        return [] if command.tells_agent else [Inject(call_id=call_id, text=text, respond=True)]

    def _wishes(self, command: Transfer) -> Wishes:
        return Wishes(
            target=command.target,
            how=command.how,
            summary=command.summary,
            is_configured=command.is_configured,
            caller=self._line.caller,
            trunk=self._line.trunk,
            agent=self._line.agent,
            trunks=self._house.config.trunks,
        )


def _ended(call_id: str, attempt: Attempt, now: float) -> events.TransferEnded:
    return events.TransferEnded(
        call_id=call_id,
        at=now,
        target=attempt.plan.name,
        to_number=attempt.plan.number,
        how=attempt.how,
        outcome=outcome(attempt),
        sip_status=attempt.sip_status,
        detail=attempt.detail,
    )
