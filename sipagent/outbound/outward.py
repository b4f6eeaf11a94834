"""Dials as they are shown outside, by the API and by webhooks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sipagent.call.record.call_record import iso
from sipagent.call.record.redaction import masked
from sipagent.config import RedactionConfig
from sipagent.outbound.dial import Attempt, Dial, State
from sipagent.outbound.store import Count


def shown(dial: Dial, policy: RedactionConfig) -> dict[str, Any]:
    """A dial as JSON values: times in ISO 8601, the callee's number as policy has it."""
    wish = dial.wish
    return {
        "dial_id": dial.dial_id,
        "state": dial.state,
        "outcome": dial.outcome,
        "call_id": dial.attempts[-1].call_id if dial.attempts else None,
        "to": masked(wish.to, ()) if policy.caller_numbers == "mask" else wish.to,
        "from": dial.attempts[-1].caller if dial.attempts else wish.caller,
        "pool": wish.pool,
        "agent": wish.agent,
        "trunk": wish.trunk,
        "tenant": wish.tenant,
        "campaign": wish.campaign,
        "created_at": iso(dial.created_at),
        "due_at": iso(dial.due_at) if dial.waits else None,
        "expires_at": iso(wish.expires_at),
        "ended_at": _iso(dial.ended_at),
        "attempts_left": 0 if dial.is_over else max(0, wish.retry.attempts - len(dial.attempts)),
        "attempts": [_attempt(attempt) for attempt in dial.attempts],
        "detail": dial.detail,
    }


def summed_up(counts: Iterable[Count]) -> dict[str, Any]:
    """Dials by state, all states named, and by the outcome of their last attempt."""
    states, outcomes = Counter({state.value: 0 for state in State}), Counter[str]()
    for count in counts:
        states[count.state] += count.dials
        if count.outcome is not None:
            outcomes[count.outcome] += count.dials
    return {"dials": states.total(), "states": dict(states), "outcomes": dict(outcomes)}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "call_id": attempt.call_id,
        "from": attempt.caller,
        "began_at": iso(attempt.began_at),
        "answered_at": _iso(attempt.answered_at),
        "answerer": attempt.answerer,
        "ended_at": _iso(attempt.ended_at),
        "outcome": attempt.outcome,
        "sip_status": attempt.sip_status,
        "q850_cause": attempt.q850_cause,
        "detail": attempt.detail,
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else iso(at)
