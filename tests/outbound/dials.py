"""Dials as tests wish for them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from sipagent.outbound.dial import Dial, Retry, Wish

NOW = 1_800_000_000.0
TO = "+4930123456"


def wish(**fields: Any) -> Wish:
    defaults: dict[str, Any] = {
        "to": TO,
        "agent": "seller",
        "trunk": "carrier",
        "key": "crm",
        "tenant": "default",
        "expires_at": NOW + 86400,
    }
    return Wish(**defaults | fields)


def dial(dial_id: str = "d-1", *, at: float = NOW, **fields: Any) -> Dial:
    """One that was taken `at` then and is due at once. `fields` are its wish's."""
    return Dial(dial_id=dial_id, wish=wish(**fields), created_at=at, due_at=at)


def due(dial: Dial, at: float) -> Dial:
    return replace(dial, due_at=at)


def retry(*waits_s: float, **fields: Any) -> Retry:
    """Tries once more after each wait."""
    defaults = {"attempts": len(waits_s) + 1, "retry_on": ("busy", "no_answer")}
    return Retry(**{"waits_s": waits_s or (0.0,), **defaults, **fields})
