"""When an OpenAI Realtime session may be asked for a response: one at a time is the server's rule."""

from __future__ import annotations

from collections import deque
from typing import Any

from sipagent.backends.openai_wire import Outbox


class ResponseRequests:
    """A request made while a response runs waits for its end, and several plain ones become one.

    A plain request, for the model to go on, also waits until every tool that it has called has answered. One
    with words of its own doesn't: it may be what the caller hears meanwhile.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._running = False
        self._requested: dict[str, Any] | None = None
        self._wanted = False
        self._requested_once = False
        self._waiting: deque[tuple[dict[str, Any], bool]] = deque()
        self._tools: set[str] = set()

    @property
    def is_busy(self) -> bool:
        """Is anything being said, or about to be? What waits for a tool isn't."""
        is_next = bool(self._waiting) or (self._wanted and not self._tools)
        return self._running or self._requested is not None or is_next

    def request(self, *, once: bool = False, **response: Any) -> None:
        """`response` overrides the session's settings for this one, such as `instructions`.

        One to be made `once` is given up where the server has begun a response of its own.
        """
        if response:
            self._waiting.append((response, once))
        else:
            self._wanted = True
        self._ask()

    def awaits_tool(self, tool_call_id: str) -> bool:
        return tool_call_id in self._tools

    def tool_called(self, tool_call_id: str) -> None:
        self._tools.add(tool_call_id)

    def tool_answered(self, tool_call_id: str) -> None:
        self._tools.discard(tool_call_id)
        self.request()

    def created(self) -> None:
        self._running = True
        self._requested = None

    def done(self) -> None:
        self._running = False
        self._ask()

    def collided(self) -> None:
        """The server began a response of its own before it saw our request, which is repeated after it."""
        if self._requested == {}:
            self._wanted = True
        elif self._requested is not None and not self._requested_once:
            self._waiting.appendleft((self._requested, False))
        self._running = True
        self._requested = None

    def rejected(self) -> None:
        self._requested = None
        self._ask()

    def _ask(self) -> None:
        if self._running or self._requested is not None:
            return
        if self._waiting:
            self._send(*self._waiting.popleft())
        elif self._wanted and not self._tools:
            self._wanted = False
            self._send({}, False)

    def _send(self, response: dict[str, Any], once: bool) -> None:
        self._requested, self._requested_once = response, once
        self._outbox.send("response.create", **({"response": response} if response else {}))
