"""Which errors of an OpenAI Realtime server end the session. Everything not listed here leaves it open."""

from __future__ import annotations

from sipagent.backends.openai_wire import Fault

#: No other attempt will fare better: key, quota, model or request shape. Servers put these in code or type.
FATAL = frozenset(
    {
        "account_deactivated",
        "beta_api_shape_disabled",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "forbidden",
        "insufficient_quota",
        "invalid_api_key",
        "model_not_found",
    }
)

#: The session is over, a new one may work.
EXPIRED = frozenset({"session_expired"})

#: Worth another attempt when they come before the session is ready.
PASSING = frozenset({"rate_limit_exceeded", "server_error"})

#: Outcomes of races that can't be avoided: the response ended while our cancel was on its way, ...
RACES = frozenset({"response_cancel_not_active", "item_create_duplicate_item_id"})

RESPONSE_ACTIVE = "conversation_already_has_active_response"

#: A truncation past the end of what the server counts as generated is a race too, under a general code.
TRUNCATE = "conversation.item.truncate"
RESPONSE_CREATE = "response.create"


def is_fatal(fault: Fault) -> bool:
    return not FATAL.isdisjoint((fault.code, fault.type))


def is_expired(fault: Fault) -> bool:
    return not EXPIRED.isdisjoint((fault.code, fault.type))


def is_passing(fault: Fault) -> bool:
    return not PASSING.isdisjoint((fault.code, fault.type))


def is_race(fault: Fault) -> bool:
    return fault.code in RACES or is_about(fault, TRUNCATE)


def is_about(fault: Fault, kind: str) -> bool:
    """Whether the error answers a client message of this kind, by the `event_id` that `Outbox` gave it."""
    return (fault.event_id or "").startswith(kind)
