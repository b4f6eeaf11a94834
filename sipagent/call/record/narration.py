"""The story of a call in the log: its milestones at level info, the conversation itself at debug."""

from __future__ import annotations

import logging
import re
from functools import cache

import msgspec

from sipagent import events, logs

log = logs.get_logger("sipagent.call")

MILESTONES: frozenset[type] = frozenset(
    {
        events.CallReceived,
        events.CallOriginated,
        events.CallDialled,
        events.CallProgressed,
        events.EarlyMediaOffered,
        events.CallAdmitted,
        events.CallOffered,
        events.CallAccepted,
        events.CallRefused,
        events.CallRedirected,
        events.LegReady,
        events.LegFailed,
        events.CallAnswered,
        events.MediaUpdated,
        events.CallHeld,
        events.CallResumed,
        events.RecordingTruncated,
        events.RecordingStarted,
        events.AnswererDetected,
        events.BeepHeard,
        events.RecordingResumed,
        events.LegRehomed,
        events.SafeModeEntered,
        events.SafeModeLeft,
        events.PathBuilt,
        events.MediaStarted,
        events.BackendProblem,
        events.BackendDown,
        events.BackendNotReplaced,
        events.BackendReplaced,
        events.FallbackTaken,
        events.SessionRolledOver,
        events.CallCharged,
        events.TransferStarted,
        events.TransferJoined,
        events.TransferEnded,
        events.TransferFailed,
        events.HumanLegEnded,
        events.CallEnded,
    }
)

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def log_event(event: events.Event) -> None:
    """Log one event under its name in snake case, with its fields; the call's task has bound the call id."""
    is_milestone = type(event) in MILESTONES
    if not is_milestone and not log.is_enabled_for(logging.DEBUG):
        return
    fields = msgspec.structs.asdict(event)
    del fields["call_id"]
    if isinstance(event, events.TransferStarted):  # the conversation is for level debug
        del fields["said"], fields["summary"]
    write = log.info if is_milestone else log.debug
    write(snake_case(type(event).__name__), **fields)


@cache
def snake_case(name: str) -> str:
    """`AgentSpeechStarted` -> `agent_speech_started`"""
    return _WORD.sub("_", name).lower()
