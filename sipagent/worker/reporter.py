"""What a leg tells the control process: what its three sources report, in the words of `sipagent.events`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from rtp.answering import Answerer, Beep
from rtp.events import ItemPlayed, ItemStarted, PlayoutEvent, RtpEvent, SourceLatched
from rtp.handover import Handover
from rtp.playout import BeingHeard
from sipagent import events
from sipagent.backends.base import (
    BackendEvent,
    BackendFinished,
    BackendLost,
    CallerSpeechStarted,
    CallerSpeechStopped,
    McpToolUsed,
    ProblemReported,
    ToolCalled,
    TranscriptFinished,
    UsageCounted,
)
from sipagent.formats import CODECS, AudioFormat
from sipagent.media.recorder import RecordingOutcome
from sipagent.worker.reports import AudioTapped, LegSnapshot

Emit = Callable[[events.LegEvent | AudioTapped | LegSnapshot], None]


class Reporter:
    """Emits call events for one call. What has no meaning outside the leg is passed over."""

    def __init__(self, call_id: str, emit: Emit, *, keeps_digits: bool = True) -> None:
        self._call_id = call_id
        self._emit = emit
        self._keeps_digits = keeps_digits
        self._agent = ""

    def ready(self, agent: str, ready_ms: float, expires_at: float | None, now: float) -> None:
        self._agent = agent
        self._emit(
            events.LegReady(
                call_id=self._call_id,
                at=now,
                ready_ms=round(ready_ms, 1),
                expires_at=expires_at,
                agent=agent,
            )
        )

    def tapped(self, law: AudioFormat, caller: bytes, agent: bytes) -> None:
        codec = next(name for name, known in CODECS.items() if known == law)
        self._emit(AudioTapped(call_id=self._call_id, codec=codec, caller=caller, agent=agent))

    def fell_silent(self, now: float) -> None:
        self._emit(events.AgentFellSilent(call_id=self._call_id, at=now))

    def prompt_ended(self, prompt_id: str, completed: bool, detail: str, now: float) -> None:
        self._emit(
            events.PromptEnded(
                call_id=self._call_id, at=now, prompt_id=prompt_id, completed=completed, detail=detail
            )
        )

    def answering(self, told: Answerer | Beep, now: float) -> None:
        """Who has answered, or that a machine takes a message now."""
        made = events.BeepHeard if isinstance(told, Beep) else events.AnswererDetected
        self._emit(made(call_id=self._call_id, at=now, **asdict(told)))

    def recording_started(self, now: float) -> None:
        self._emit(events.RecordingStarted(call_id=self._call_id, at=now))

    def recording_resumed(self, lost_at: float, missing_ms: int, now: float) -> None:
        self._emit(
            events.RecordingResumed(call_id=self._call_id, at=now, lost_at=lost_at, missing_ms=missing_ms)
        )

    def snapshot(
        self,
        session: Handover,
        audio: dict[str, int],
        recorded_since: float | None,
        heard: BeingHeard | None,
        now: float,
    ) -> None:
        self._emit(
            LegSnapshot(
                call_id=self._call_id,
                at=now,
                session=session,
                audio=audio,
                recorded_since=recorded_since,
                heard=heard,
            )
        )

    def replaced(self, agent: str, ready_ms: float, expires_at: float | None, now: float) -> None:
        self._agent = agent
        self._emit(
            events.BackendReplaced(
                call_id=self._call_id,
                at=now,
                agent=agent,
                ready_ms=round(ready_ms, 1),
                expires_at=expires_at,
            )
        )

    def not_replaced(self, agent: str, code: str, message: str, fatal: bool, now: float) -> None:
        self._emit(
            events.BackendNotReplaced(
                call_id=self._call_id, at=now, agent=agent, code=code, message=message, fatal=fatal
            )
        )

    def path_built(self, path: str, now: float) -> None:
        self._emit(events.PathBuilt(call_id=self._call_id, at=now, path=path))

    def failed(self, sip_status: int, reason_code: str, detail: str, now: float) -> None:
        self._emit(
            events.LegFailed(
                call_id=self._call_id, at=now, sip_status=sip_status, reason_code=reason_code, detail=detail
            )
        )

    def ended(
        self,
        reason: str,
        detail: str,
        rtp: dict[str, Any],
        audio: dict[str, int],
        recording: RecordingOutcome | None,
        now: float,
    ) -> None:
        self._emit(
            events.LegEnded(
                call_id=self._call_id,
                at=now,
                reason=reason,
                detail=detail,
                rtp=rtp,
                audio=audio,
                recording=recording.path if recording else None,
                recording_truncated=recording.truncated if recording else False,
            )
        )

    def rtp(self, event: RtpEvent, now: float) -> None:
        if isinstance(event, SourceLatched):
            source = f"{event.addr[0]}:{event.addr[1]}"
            self._emit(events.MediaStarted(call_id=self._call_id, at=now, source=source))

    def digit(self, digit: str, duration_ms: int, method: events.DigitMethod, now: float) -> None:
        """A press of the caller's."""
        self._emit(
            events.DigitReceived(
                call_id=self._call_id,
                at=now,
                digit=digit,
                kept=self._keeps_digits,
                duration_ms=duration_ms,
                method=method,
            )
        )

    def recording_truncated(self, detail: str, now: float) -> None:
        self._emit(events.RecordingTruncated(call_id=self._call_id, at=now, detail=detail))

    def playout(self, event: PlayoutEvent, now: float) -> None:
        match event:
            case ItemStarted():
                self._emit(events.AgentSpeechStarted(call_id=self._call_id, at=now, item_id=event.item_id))
            case ItemPlayed():
                self._emit(
                    events.AgentSpeechEnded(
                        call_id=self._call_id,
                        at=now,
                        item_id=event.item_id,
                        played_ms=event.played_ms,
                        flushed_ms=event.flushed_ms,
                        interrupted=event.interrupted,
                        starvations={cause.value: frames for cause, frames in event.starvations.items()},
                    )
                )

    def backend(self, event: BackendEvent, now: float) -> None:
        call_id = self._call_id
        match event:
            case CallerSpeechStarted(item_id=item_id, audio_ms=audio_ms):
                self._emit(events.SpeechStarted(call_id=call_id, at=now, item_id=item_id, audio_ms=audio_ms))
            case CallerSpeechStopped(item_id=item_id, audio_ms=audio_ms):
                self._emit(events.SpeechStopped(call_id=call_id, at=now, item_id=item_id, audio_ms=audio_ms))
            case TranscriptFinished(role=role, item_id=item_id, text=text, is_partial=is_partial):
                said = events.Transcript(
                    call_id=call_id, at=now, role=role, item_id=item_id, text=text, is_partial=is_partial
                )
                self._emit(said)
            case UsageCounted(source=source, usage=usage, model=model):
                self._emit(
                    events.UsageReported(call_id=call_id, at=now, source=source, usage=usage, model=model)
                )
            case ToolCalled(tool_call_id=tool_call_id, name=name, arguments=arguments):
                called = events.ToolCalled(
                    call_id=call_id, at=now, tool_call_id=tool_call_id, name=name, arguments=arguments
                )
                self._emit(called)
            case McpToolUsed():
                self._emit(
                    events.McpToolUsed(
                        call_id=call_id,
                        at=now,
                        tool_call_id=event.tool_call_id,
                        server=event.server,
                        name=event.name,
                        arguments=event.arguments,
                        output=event.output,
                        error=event.error,
                    )
                )
            case BackendFinished(outcome=outcome, message_ms=message_ms, detail=detail):
                finished = events.BackendFinished(
                    call_id=call_id, at=now, outcome=outcome, message_ms=message_ms, detail=detail
                )
                self._emit(finished)
            case BackendLost(code=code, message=message, fatal=fatal):
                self._emit(
                    events.BackendDown(
                        call_id=call_id,
                        at=now,
                        agent=self._agent,
                        code=code,
                        message=message,
                        fatal=fatal,
                    )
                )
            case ProblemReported(code=code, message=message):
                self._emit(events.BackendProblem(call_id=call_id, at=now, code=code, message=message))
