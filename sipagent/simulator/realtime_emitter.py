"""Server events of one simulated session on their way out, and the ids that name things in them."""

from __future__ import annotations

from random import Random
from typing import Any

ServerEvent = dict[str, Any]


class Emitter:
    def __init__(self, seed: int, *, obfuscation: bool) -> None:
        self.random = Random(seed)
        self._obfuscation = obfuscation
        self._events: list[ServerEvent] = []

    def emit(self, kind: str, **fields: Any) -> None:
        self._events.append({"type": kind, "event_id": self.new_id("event"), **fields})

    def emit_delta(self, kind: str, **fields: Any) -> None:
        """Deltas carry noise of random length, so that an eavesdropper can't tell words by packet size."""
        if self._obfuscation:
            fields["obfuscation"] = self._noise(self.random.randrange(1, 16))
        self.emit(kind, **fields)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{self._noise(20)}"

    def _noise(self, length: int) -> str:
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    @property
    def has_events(self) -> bool:
        return bool(self._events)

    def drain(self) -> list[ServerEvent]:
        events, self._events = self._events, []
        return events
