"""The responses of a simulated session: at most one at a time speaks into the conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sipagent.simulator.realtime_conversation import Conversation
from sipagent.simulator.realtime_emitter import Emitter
from sipagent.simulator.realtime_input import audio_format
from sipagent.simulator.realtime_options import AnyPart, RealtimeOptions
from sipagent.simulator.realtime_response import Response
from sipagent.simulator.realtime_shape import ClientError
from sipagent.simulator.realtime_usage import rate_limits


class Responder:
    def __init__(self, emitter: Emitter, conversation: Conversation, options: RealtimeOptions) -> None:
        self._emitter = emitter
        self._conversation = conversation
        self._options = options
        self._responses: list[Response] = []

    @property
    def active(self) -> Response | None:
        """The response that speaks into the conversation."""
        return next((response for response in self._responses if response.in_conversation), None)

    def check_free(self) -> None:
        if (active := self.active) is not None:
            raise ClientError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
            )

    def create(self, settings: Mapping[str, Any], parts: Sequence[AnyPart], now: float) -> None:
        """`settings` is the session's resource with the request's own laid over it."""
        if self._options.unknown_events:
            self._emitter.emit("session.mood.updated", mood={"name": "curious"})
        heard_as = audio_format(settings["audio"]["output"]["format"])
        response = Response(self._emitter, self._conversation, self._options, settings, heard_as, parts, now)
        self._responses.append(response)

    def cancel(self, response_id: str | None) -> None:
        for response in self._responses:
            if response.id == response_id or (response_id is None and response.in_conversation):
                response.cancel("client_cancelled")
                self._retire()
                return
        text = "Cancellation failed: no active response found"
        raise ClientError("response_cancel_not_active", text)

    def interrupt(self) -> None:
        """The caller began to speak."""
        if (active := self.active) is not None:
            active.cancel("turn_detected")
            self._retire()

    def advance(self, now: float) -> list[Response]:
        """Returns the responses that ended by themselves."""
        for response in self._responses:
            response.advance(now)
        return self._retire()

    def next_timer(self) -> float | None:
        timers = (response.next_timer() for response in self._responses)
        return min((timer for timer in timers if timer is not None), default=None)

    def sounds_needed(self) -> list[tuple[Response, AnyPart]]:
        return [(response, response.needs) for response in self._responses if response.needs is not None]

    def _retire(self) -> list[Response]:
        over = [response for response in self._responses if response.over]
        for response in over:
            self._responses.remove(response)
            self._emitter.emit("rate_limits.updated", rate_limits=rate_limits(response.tokens_used))
        return over
