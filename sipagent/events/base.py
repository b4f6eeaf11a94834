"""What all events of calls have."""

from __future__ import annotations

import msgspec


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened in one call."""

    call_id: str
    at: float
