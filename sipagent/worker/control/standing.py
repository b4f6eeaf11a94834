"""What a leg was told that still holds, and what it has told: enough to make another like it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sipagent import events
from sipagent.worker.orders import (
    PAUSE_MS,
    PRESS_MS,
    CloseLeg,
    GiveBack,
    JoinLegs,
    OpenLeg,
    PlayPrompt,
    PressDigit,
    Resumption,
    SendDigits,
    SetAside,
    StartMedia,
    StartRecording,
    StopPrompt,
    TapAudio,
    ToLeg,
    UseBackend,
)
from sipagent.worker.reports import LegSnapshot

#: The end of a press is sent several times; so long after the first it may still be heard.
PRESS_ECHO_S = 0.15


class Standing:
    """One per leg. Times are monotonic seconds."""

    def __init__(self, order: OpenLeg) -> None:
        self.is_ready = False
        self.snapshot: LegSnapshot | None = None
        self._order = order
        self._media: StartMedia | None = None
        self._recording: StartRecording | None = None
        self._place: SetAside | JoinLegs | None = None
        self._prompts: dict[str, PlayPrompt] = {}
        self._tap: TapAudio | None = None
        self._backend: UseBackend | None = None
        self._dialled: list[tuple[SendDigits, float]] = []
        self._to_agent: list[ToLeg] = []
        self._heard: dict[str, float] = {}
        self._agent_has_spoken = False
        self._caller_item: str | None = None
        self._pressed: events.DigitReceived | None = None

    @property
    def is_flowing(self) -> bool:
        """Is there audio already, of which nothing may be repeated?"""
        return self._media is not None

    # --- what it was told ---------------------------------------------------------------------------

    def note(self, message: ToLeg, now: float) -> None:
        """The leg is told this."""
        match message:
            case StartMedia():
                self._media = message
                self._to_agent.clear()
            case StartRecording():
                self._recording = message
            case SetAside() | JoinLegs():
                self._place = message
            case GiveBack():
                self._place = None
            case PlayPrompt():
                self._prompts[message.prompt_id] = message
            case StopPrompt():
                self._prompts.pop(message.prompt_id, None)
            case TapAudio():
                self._tap = message
            case UseBackend():
                self._backend = message
            case SendDigits():
                self._dialled.append((message, now))
            case PressDigit() | CloseLeg():
                pass
            case _ if not self.is_flowing:  # afterwards the agent's history has it
                self._to_agent.append(message)

    # --- what it told -------------------------------------------------------------------------------

    def hear(self, event: events.LegEvent | LegSnapshot) -> None:
        """The leg tells this."""
        match event:
            case LegSnapshot():
                self.snapshot = event
            case events.LegReady():
                self.is_ready = True
            case events.AgentSpeechStarted():
                self._heard[event.item_id] = event.at
                self._agent_has_spoken = True
            case events.AgentSpeechEnded():
                self._heard.pop(event.item_id, None)
            case events.AgentFellSilent():
                self._agent_has_spoken = False
            case events.SpeechStarted():
                self._caller_item = event.item_id
            case events.SpeechStopped():
                self._caller_item = None
            case events.PromptEnded():
                self._prompts.pop(event.prompt_id, None)
            case events.BackendReplaced() | events.BackendNotReplaced():
                self._backend = None
            case events.DigitReceived():
                self._pressed = event

    # --- what becomes of it -------------------------------------------------------------------------

    def last_words(self, lost_at: float) -> Iterator[events.LegEvent]:
        """What a leg that was lost with its worker would have told of what it had begun."""
        call_id = self._order.call_id
        for item_id, began in self._heard.items():
            yield self._cut_off(item_id, began, lost_at)
        if self._caller_item is not None:
            yield events.SpeechStopped(call_id=call_id, at=lost_at, item_id=self._caller_item)
        if self._agent_has_spoken:
            yield events.AgentFellSilent(call_id=call_id, at=lost_at)
        self._heard.clear()
        self._caller_item, self._agent_has_spoken = None, False

    def order_anew(self, lost_at: float) -> OpenLeg:
        """The order for another leg: before audio flows the same again, afterwards one to go on."""
        if not self.is_flowing:
            return self._order
        seen, pressed = self.snapshot, self._pressed
        is_echo = pressed is not None and lost_at - pressed.at < PRESS_ECHO_S
        resumption = Resumption(
            lost_at=lost_at,
            session=None if seen is None else seen.session,
            audio={} if seen is None else seen.audio,
            recorded_since=None if seen is None else seen.recorded_since,
            pressed=(pressed.digit, pressed.duration_ms) if pressed is not None and is_echo else None,
        )
        return msgspec.structs.replace(self._order, resumption=resumption, discards_early=False)

    def media_anew(self) -> list[ToLeg]:
        """What lets audio flow, if it did."""
        return [] if self._media is None else [self._media]

    def told_anew(self, lost_at: float) -> list[ToLeg]:
        """All else that holds, when audio flows in the legs that it may be joined with."""
        standing = (self._recording, self._place, *self._prompts.values(), self._tap, self._backend)
        return [
            *(message for message in standing if message is not None),
            *self._undialled(lost_at),
            *self._to_agent,
        ]

    def _cut_off(self, item_id: str, began: float, lost_at: float) -> events.AgentSpeechEnded:
        """The agent's item that was being heard, as far as that is known: it went on until the end of the
        worker, unless there was no more of it."""
        played_ms, flushed_ms = round((lost_at - began) * 1000), 0
        seen = self.snapshot
        if seen is not None and seen.heard is not None and seen.heard.item_id == item_id:
            since_ms = round((lost_at - seen.at) * 1000)
            played_ms = seen.heard.played_ms + since_ms
            flushed_ms = max(seen.heard.waiting_ms - since_ms, 0)
            if seen.heard.is_whole:
                played_ms = min(played_ms, seen.heard.played_ms + seen.heard.waiting_ms)
        return events.AgentSpeechEnded(
            call_id=self._order.call_id,
            at=lost_at,
            item_id=item_id,
            played_ms=max(played_ms, 0),
            flushed_ms=flushed_ms,
            interrupted=True,
        )

    def _undialled(self, lost_at: float) -> list[SendDigits]:
        """Digits whose turn had not come. One that was being sent is not sent again: it might count twice."""
        free_at, left = 0.0, []
        for message, at in self._dialled:
            each_s = (PRESS_MS + PAUSE_MS) / 1000
            free_at = max(free_at, at)
            begun = min(len(message.digits), max(0, int((lost_at - free_at) / each_s) + 1))
            free_at += len(message.digits) * each_s
            if rest := message.digits[begun:]:
                left.append(msgspec.structs.replace(message, digits=rest))
        self._dialled = [(message, lost_at) for message in left]
        return left
