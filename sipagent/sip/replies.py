"""What the header fields of an answer ask of us, pure."""

from __future__ import annotations

import re

from sipagent.sip.invite import header_values

LONGEST_RETRY_AFTER_S = 3600

_SECONDS = re.compile(r"\d{1,9}")


def retry_after_s(message: str) -> int | None:
    """How long the sender of a response wants to be left alone (RFC 3261, 20.33); None if it doesn't say."""
    for value in header_values(message, "Retry-After"):
        if found := _SECONDS.match(value):
            return min(int(found[0]), LONGEST_RETRY_AFTER_S)
    return None
