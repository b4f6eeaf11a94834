"""The OpenAI Realtime protocol (GA), as a leg needs it. Does no I/O and never asks for the time.

What the model says is followed in `openai_speech`; here is the session: its set-up, the caller's turns,
interruptions, requests for a response, and errors.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from sipagent.backends import openai_errors as errors
from sipagent.backends.base import (
    BackendEvent,
    BackendLost,
    CallerSpeechStarted,
    CallerSpeechStopped,
    ProblemReported,
    SessionReady,
    ToolCalled,
    TranscriptFinished,
    UsageCounted,
)
from sipagent.backends.openai_history import items, message, tool_output
from sipagent.backends.openai_requests import ResponseRequests
from sipagent.backends.openai_session import audio_format, format_mismatch, session
from sipagent.backends.openai_speech import DELTAS, AgentSpeech
from sipagent.backends.openai_wire import (
    OF_NO_USE,
    Fault,
    Outbox,
    ServerEvent,
    append_message,
    decode_event,
    usage_counts,
)
from sipagent.config import AgentConfig, OpenAIRealtimeConfig
from sipagent.config.story import DigitsToModelConfig
from sipagent.conversation import HistoryItem
from sipagent.formats import AudioFormat


class OpenAIRealtime:
    """One session. Feed it `receive_message`, then drain `next_event` and `messages_to_send`."""

    audio_message = staticmethod(append_message)

    def __init__(
        self,
        agent: AgentConfig,
        config: OpenAIRealtimeConfig,
        law: AudioFormat,
        history: Sequence[HistoryItem] = (),
    ) -> None:
        self.input_format = self.output_format = audio_format(config, law)
        self._session = session(agent, config, self.input_format)
        self._models = {"response": config.model, "transcription": _transcriber(agent)}
        self._history = history
        self._greeting = agent.greeting
        self._tells_digits = isinstance(agent.story.digits, DigitsToModelConfig)
        self._server_answers = not agent.decides_turns
        self._server_interrupts = self._server_answers and agent.turn_detection.interrupt_response
        self._speech = AgentSpeech(self.output_format.bytes_per_ms)
        self._outbox = Outbox()
        self._requests = ResponseRequests(self._outbox)
        self._events: deque[BackendEvent] = deque()
        self._counts: Counter[str] = Counter()
        self._configured = self._ready = self._lost = False
        self._caller_speaks = False

    def configure(self) -> None:
        if not self._configured:
            self._configured = True
            self._outbox.send("session.update", session=self._session)

    def receive_message(self, data: bytes | str) -> None:
        if self._lost:
            return
        try:
            event = decode_event(data)
        except msgspec.DecodeError as error:
            self._counts["malformed"] += 1
            if self._counts["malformed"] == 1:  # a server that goes wrong does so by the thousand
                self._events.append(ProblemReported(code="malformed_message", message=str(error)))
            return
        said = self._speech.receive(event)
        if said is None:
            self._dispatch(event)
        elif event.type in DELTAS:
            self._events.extend(said)
        else:
            self._follow_response(event, said)

    def next_event(self) -> BackendEvent | None:
        return self._events.popleft() if self._events else None

    def messages_to_send(self) -> list[bytes]:
        return self._outbox.drain()

    def greet(self) -> None:
        if self._greeting:
            self._requests.request(once=True, **say_exactly(self._greeting))

    def interrupt(self, item_id: str | None, content_index: int, heard_ms: int) -> None:
        active = self._speech.active_response
        if active is not None and not (self._server_interrupts and self._caller_speaks):
            self._outbox.send("response.cancel", **({"response_id": active} if active else {}))
        for truncation in self._speech.take_back(item_id, content_index, heard_ms):
            self._outbox.send(
                "conversation.item.truncate",
                item_id=truncation.item_id,
                content_index=truncation.content_index,
                audio_end_ms=truncation.audio_end_ms,
            )

    def send_digit(self, digit: str) -> None:
        """Digits exist in the protocol only where OpenAI does the SIP; here a user's message stands in."""
        if self._tells_digits:
            self._add(message("user", "input_text", f"[The caller pressed the key {digit}]"))
            self._requests.request()

    def say(self, text: str) -> None:
        self._requests.request(**say_exactly(text))

    @property
    def is_busy(self) -> bool:
        return self._requests.is_busy

    def recall(self, history: Sequence[HistoryItem]) -> None:
        for item in items(history):
            self._add(item)

    def end_turn(self, item_id: str, was_speech: bool) -> None:
        if self._server_answers:
            return
        if was_speech:
            self._requests.request()
        elif item_id:
            self._outbox.send("conversation.item.delete", item_id=item_id)

    def inject(self, text: str, respond: bool) -> None:
        self._add(message("system", "input_text", text))
        if respond:
            self._requests.request()

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        if self._requests.awaits_tool(tool_call_id):  # else it was another session that called it
            self._add(tool_output(tool_call_id, output))
            self._requests.tool_answered(tool_call_id)

    def instruct(self, instructions: str) -> None:
        self._outbox.send("session.update", session={"type": "realtime", "instructions": instructions})

    def counters(self) -> dict[str, int]:
        return {
            "late_deltas": self._speech.late_deltas,
            "malformed_messages": self._counts["malformed"] + self._speech.bad_audio,
            "unknown_events": self._counts["unknown"],
            "races": self._counts["races"],
        }

    def _dispatch(self, event: ServerEvent) -> None:
        match event.type:
            case "session.created" | "conversation.created":
                self.configure()
            case "session.updated":
                self._session_updated(event.session or {})
            case "input_audio_buffer.speech_started":
                self._caller_speaks = True
                audio_ms = event.audio_start_ms
                self._events.append(CallerSpeechStarted(item_id=event.item_id or "", audio_ms=audio_ms))
            case "input_audio_buffer.speech_stopped":
                self._caller_speaks = False
                audio_ms = event.audio_end_ms
                self._events.append(CallerSpeechStopped(item_id=event.item_id or "", audio_ms=audio_ms))
            case "conversation.item.input_audio_transcription.completed":
                for heard in _caller_words(event):
                    self._tell(heard)
            case "conversation.item.input_audio_transcription.failed":
                self._report(event.error or Fault(code="transcription_failed"))
            case "mcp_list_tools.failed":
                self._report(Fault(code="mcp_list_tools_failed"))
            case "error":
                self._error(event.error or Fault())
            case _ if event.type not in OF_NO_USE:
                self._counts["unknown"] += 1

    def _session_updated(self, granted: dict[str, Any]) -> None:
        if self._ready:
            return
        if mismatch := format_mismatch(self._session, granted):
            self._lose(Fault(code="audio_format_refused", message=mismatch), fatal=True)
            return
        self._ready = True
        self.recall(self._history)
        session_id = granted.get("id")
        self._events.append(
            SessionReady(
                session_id=session_id if isinstance(session_id, str) else "",
                expires_at=_unix_time(granted.get("expires_at")),
            )
        )

    def _follow_response(self, event: ServerEvent, said: Iterable[BackendEvent]) -> None:
        for told in said:
            if isinstance(told, ToolCalled):
                self._requests.tool_called(told.tool_call_id)
            self._tell(told)
        if event.type == "response.created":
            self._requests.created()
        elif event.type == "response.done":
            details = event.response.status_details if event.response else None
            if details is not None and details.error is not None:
                self._error(details.error)
            self._requests.done()

    def _error(self, fault: Fault) -> None:
        if errors.is_fatal(fault) or errors.is_expired(fault):
            self._lose(fault, fatal=errors.is_fatal(fault))
        elif not self._ready:
            # Nothing but session.update is under way, so that is what failed.
            self._lose(fault, fatal=not errors.is_passing(fault))
        elif fault.code == errors.RESPONSE_ACTIVE:
            self._counts["races"] += 1
            self._requests.collided()
        elif errors.is_race(fault):
            self._counts["races"] += 1
        else:
            if errors.is_about(fault, errors.RESPONSE_CREATE):
                self._requests.rejected()
            self._report(fault)

    def _tell(self, event: BackendEvent) -> None:
        if isinstance(event, UsageCounted):
            event = msgspec.structs.replace(event, model=self._models[event.source])
        self._events.append(event)

    def _add(self, item: dict[str, Any]) -> None:
        self._outbox.send("conversation.item.create", item=item)

    def _report(self, fault: Fault) -> None:
        self._events.append(ProblemReported(code=fault.name, message=str(fault)))

    def lose(self, code: str, message: str) -> None:
        self._end(BackendLost(code=code, message=message, fatal=False))

    def _lose(self, fault: Fault, *, fatal: bool) -> None:
        self._end(BackendLost(code=fault.name, message=str(fault), fatal=fatal))

    def _end(self, lost: BackendLost) -> None:
        if not self._lost:
            self._lost = True
            self._events.extend(self._speech.last_words())
            self._events.append(lost)


def say_exactly(text: str) -> dict[str, Any]:
    """A response that is these words and no more."""
    return {"instructions": f"Say exactly: {text}", "tool_choice": "none"}


def _unix_time(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 2**63 else None


def _transcriber(agent: AgentConfig) -> str:
    return agent.transcription.model if agent.transcription else ""


def _caller_words(event: ServerEvent) -> Iterator[BackendEvent]:
    yield TranscriptFinished(role="caller", item_id=event.item_id or "", text=event.transcript or "")
    if event.usage:
        yield UsageCounted(source="transcription", usage=usage_counts(event.usage))
