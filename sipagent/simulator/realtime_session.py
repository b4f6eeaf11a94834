"""A simulated Realtime session (GA): client messages in, server events out. Does no I/O; time is an argument.

It is strict where the real server is: session keys, one response at a time, truncation within what was
generated. Shapes are those of `openai/types/realtime` 3.52.0, and a test holds every event against them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from sipagent.simulator.realtime_agenda import Agenda
from sipagent.simulator.realtime_conversation import Conversation, Entry
from sipagent.simulator.realtime_emitter import Emitter, ServerEvent
from sipagent.simulator.realtime_input import MIN_COMMIT_MS, InputBuffer, audio_format
from sipagent.simulator.realtime_options import AnyPart, RealtimeOptions
from sipagent.simulator.realtime_replies import ReplyBook
from sipagent.simulator.realtime_responder import Responder
from sipagent.simulator.realtime_response import Response
from sipagent.simulator.realtime_shape import (
    RESPONSE,
    ClientError,
    check_message,
    new_session,
    updated_session,
)
from sipagent.simulator.realtime_transcript import emit_transcript

_APPEND = b'"input_audio_buffer.append"'
_TYPE_WITHIN = 64
_EXPIRED = "Your session hit the maximum duration of 60 minutes."


class RealtimeSession:
    """After each call, send `events_to_send`, bring what `sounds_needed` asks for, and mind `next_timer`.

    `close_request` is the close code and reason once the server wants to end the session.
    """

    def __init__(
        self, options: RealtimeOptions, number: int, model: str, expires_at: int, now: float
    ) -> None:
        self._options = options
        self._emitter = Emitter(options.seed * 100_000 + number, obfuscation=options.obfuscation)
        self.id = self._emitter.new_id("sess")
        self.close_request: tuple[int, str] | None = None
        self._resource = new_session(self.id, model, expires_at)
        self._conversation = Conversation(self._emitter)
        self._input = InputBuffer(self._emitter)
        self._responder = Responder(self._emitter, self._conversation, options)
        self._replies = ReplyBook(options.script, obedient=options.obedient)
        self._agenda = Agenda()
        self._idle_due: float | None = None
        self._began = now
        if options.turns_by_clock is not None:
            self._agenda.add(now + options.turns_by_clock.first_s, self._begin_turn)
        faults = options.faults
        if not faults.never_created:
            created = partial(self._emitter.emit, "session.created", session=self._resource)
            self._agenda.add(now + faults.created_delay_s, lambda _: created())
        if faults.expire_after_s is not None:
            self._agenda.add(now + faults.expire_after_s, self._expire)
        self.advance(now)

    def is_of_no_interest(self, data: bytes) -> bool:
        """Whether a message needn't be given to `receive_message`: the caller's audio, and so most messages,
        where a clock says when there is speech."""
        return self._options.turns_by_clock is not None and _APPEND in data[:_TYPE_WITHIN]

    def receive_message(self, data: bytes | str, now: float) -> None:
        event_id = None
        try:
            try:
                message = msgspec.json.decode(data)
            except msgspec.DecodeError as error:
                raise ClientError("invalid_json", f"Could not parse your JSON: {error}") from error
            event_id = message.get("event_id") if isinstance(message, dict) else None
            checked = check_message(message)
            _HANDLERS[checked["type"]](self, checked, now)
        except ClientError as error:
            self._error(error, event_id)

    def advance(self, now: float) -> None:
        self._agenda.run(now)
        for response in self._responder.advance(now):
            self._await_caller(response, now)
        if self._idle_due is not None and self._idle_due <= now:
            self._prompt_idle_caller(now)

    def next_timer(self) -> float | None:
        timers = (self._agenda.next_timer(), self._responder.next_timer(), self._idle_due)
        return min((timer for timer in timers if timer is not None), default=None)

    @property
    def has_output(self) -> bool:
        return self._emitter.has_events or bool(self.sounds_needed())

    def events_to_send(self) -> list[ServerEvent]:
        return self._emitter.drain()

    def sounds_needed(self) -> list[tuple[Response, AnyPart]]:
        return self._responder.sounds_needed()

    def _update(self, message: Mapping[str, Any], now: float) -> None:
        updated = updated_session(self._resource, message["session"])
        new_voice = updated["audio"]["output"]["voice"] != self._resource["audio"]["output"]["voice"]
        if new_voice and self._conversation.has_model_audio():
            text = "Cannot update a conversation's voice if assistant audio is present."
            raise ClientError("cannot_update_voice", text, "session.audio.output.voice")
        self._resource = updated
        faults = self._options.faults
        if not faults.never_ready:
            tell = partial(self._emitter.emit, "session.updated", session=updated)
            self._agenda.add(now + faults.updated_delay_s, lambda _: tell())
            self._agenda.run(now)

    def _append(self, message: Mapping[str, Any], now: float) -> None:
        if self._options.turns_by_clock is not None:
            return
        for kind, audio_ms in self._input.append(message["audio"], self._resource["audio"]["input"]):
            if kind == "started":
                self._speech_started(audio_ms)
            else:
                self._speech_stopped(audio_ms, now)

    def _speech_started(self, audio_ms: int) -> None:
        self._idle_due = None
        self._input.speech_started(audio_ms)
        if self._resource["audio"]["input"]["turn_detection"]["interrupt_response"]:
            self._responder.interrupt()

    def _speech_stopped(self, audio_ms: int, now: float) -> None:
        self._input.speech_stopped(audio_ms)
        self._commit(now)
        if self._resource["audio"]["input"]["turn_detection"]["create_response"]:
            self._respond({}, now)

    def _begin_turn(self, now: float) -> None:
        """The clock says that the caller speaks."""
        turns = self._options.turns_by_clock
        assert turns is not None
        if self._resource["audio"]["input"]["turn_detection"] is not None:
            self._speech_started(self._audio_ms(now))
            self._agenda.add(now + turns.speech_s, self._end_turn)
        self._agenda.add(
            now + turns.speech_s + self._emitter.random.uniform(*turns.pause_s), self._begin_turn
        )

    def _end_turn(self, now: float) -> None:
        try:
            self._speech_stopped(self._audio_ms(now), now)
        except ClientError as error:  # the client asked for a response meanwhile
            self._error(error, None)

    def _audio_ms(self, now: float) -> int:
        return int(1000 * (now - self._began))

    def _commit(self, now: float, least_ms: int = 0) -> None:
        """What the caller said becomes an item, and some time later a transcript."""
        settings = self._resource["audio"]["input"]
        heard_as = audio_format(settings["format"])
        item_id, audio = self._input.commit(self._conversation.last_id(), heard_as, least_ms)
        content = [{"type": "input_audio", "transcript": None}]
        shown = {"id": item_id, "object": "realtime.item", "type": "message", "status": "completed"}
        entry = Entry({**shown, "role": "user", "content": content}, audio, len(audio), heard_as)
        self._conversation.add(entry)
        self._conversation.done(entry)
        if settings["transcription"] is not None:
            transcribe = partial(emit_transcript, self._emitter, entry, self._replies.heard())
            due = now + self._options.transcription_delay_ms / 1000
            self._agenda.add(due, lambda _: transcribe())

    def _respond(self, overrides: Mapping[str, Any], now: float) -> None:
        RESPONSE(overrides, "response")
        if overrides.get("conversation") != "none":
            self._responder.check_free()
        self._idle_due = None
        settings = {**self._resource, **overrides, "audio": self._resource["audio"]}
        if output := overrides.get("audio", {}).get("output"):
            settings["audio"] = {"output": {**self._resource["audio"]["output"], **output}}
        self._responder.create(settings, self._replies.reply(overrides.get("instructions")), now)

    def _await_caller(self, response: Response, now: float) -> None:
        """Idle time runs from the moment the response should have been heard."""
        turns = self._resource["audio"]["input"]["turn_detection"] or {}
        if (idle_ms := turns.get("idle_timeout_ms")) is not None:
            heard_at = max(now, response.speaks_from + response.audio_ms / 1000)
            self._idle_due = heard_at + idle_ms / 1000

    def _prompt_idle_caller(self, now: float) -> None:
        self._idle_due = None
        self._input.timed_out()
        self._commit(now)
        self._respond({}, now)

    def _expire(self, now: float) -> None:
        self._error(ClientError("session_expired", _EXPIRED), None)
        self.close_request = 1001, _EXPIRED

    def _error(self, error: ClientError, event_id: object) -> None:
        fault = {"type": "invalid_request_error", "code": error.code, "message": error.message}
        echoed = event_id if isinstance(event_id, str) else None
        self._emitter.emit("error", error={**fault, "param": error.param, "event_id": echoed})


Handler = Callable[[RealtimeSession, Mapping[str, Any], float], None]

_HANDLERS: dict[str, Handler] = {
    "session.update": RealtimeSession._update,
    "input_audio_buffer.append": RealtimeSession._append,
    "input_audio_buffer.commit": lambda session, _, now: session._commit(now, MIN_COMMIT_MS),
    "input_audio_buffer.clear": lambda session, _, now: session._input.clear(),
    "conversation.item.create": lambda session, message, now: session._conversation.create(
        message["item"], message.get("previous_item_id")
    ),
    "conversation.item.retrieve": lambda session, message, now: session._conversation.retrieve(
        message["item_id"]
    ),
    "conversation.item.truncate": lambda session, message, now: session._conversation.truncate(
        message["item_id"], message["content_index"], message["audio_end_ms"]
    ),
    "conversation.item.delete": lambda session, message, now: session._conversation.delete(
        message["item_id"]
    ),
    "response.create": lambda session, message, now: session._respond(message.get("response") or {}, now),
    "response.cancel": lambda session, message, now: session._responder.cancel(message.get("response_id")),
}
