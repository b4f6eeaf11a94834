"""The thin face of pjsua2, and the only package that imports it: everything untyped stays in here.

pjsua2 runs no thread of its own: it works inside `Stack.poll`, and calls back from there or from within
what we asked of it. An exception that left a callback would tear the process down, so each is caught here,
logged, and reported to the handler.
"""

from sipagent.sip.pjsua.account import PjAccount
from sipagent.sip.pjsua.base import IS_TUNED, PjError, reason
from sipagent.sip.pjsua.call import PjCall
from sipagent.sip.pjsua.stack import Stack, dropped_requests, max_calls, set_source_filter

__all__ = [
    "IS_TUNED",
    "PjAccount",
    "PjCall",
    "PjError",
    "Stack",
    "dropped_requests",
    "max_calls",
    "reason",
    "set_source_filter",
]
