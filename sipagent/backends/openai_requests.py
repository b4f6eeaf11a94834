"""When an OpenAI Realtime session may be asked for a response: one at a time is the server's rule."""

from __future__ import annotations

from typing import Any

from sipagent.backends.openai_wire import Outbox


class ResponseRequests:
    """A request made while a response runs waits for its end, and several such requests become one."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._running = False
        self._requested: dict[str, Any] | None = None
        self._wanted = False

    def request(self, **response: Any) -> None:
        """`response` overrides the session's settings for this one, such as `instructions`."""
        if self._running or self._requested is not None:
            self._wanted = True
            return
        self._requested = response
        self._outbox.send("response.create", **({"response": response} if response else {}))

    def created(self) -> None:
        self._running = True
        self._requested = None

    def done(self) -> None:
        self._running = False
        if self._wanted:
            self._wanted = False
            self.request()

    def collided(self) -> None:
        """The server began a response of its own before it saw our request.

        A plain request is repeated after that one. A greeting isn't: the agent is speaking already.
        """
        self._wanted = self._wanted or self._requested == {}
        self._running = True
        self._requested = None

    def rejected(self) -> None:
        self._requested = None
