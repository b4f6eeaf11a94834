"""What header fields tell beside a message: those of the peer's, and of our answers. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sipagent.sip.invite import header_values

LONGEST_RETRY_AFTER_S = 3600

_CAUSE = re.compile(r"\s*Q\.850\b.*?;\s*cause\s*=\s*(\d{1,3})\b", re.IGNORECASE)
_SECONDS = re.compile(r"\d{1,9}")


def q850_cause(message: str) -> int | None:
    """The cause of ITU-T Q.850 in a Reason header (RFC 3326) of any message; None without one."""
    for line in header_values(message, "Reason"):
        for value in line.split(","):
            if found := _CAUSE.match(value):
                return int(found[1])
    return None


def retry_after_s(message: str) -> int | None:
    """How long the sender of a response wants to be left alone (RFC 3261, 20.33); None if it doesn't say."""
    for value in header_values(message, "Retry-After"):
        if found := _SECONDS.match(value):
            return min(int(found[0]), LONGEST_RETRY_AFTER_S)
    return None


def contacts(targets: Sequence[str]) -> list[str]:
    """Contacts to call, in order: the first is preferred most (RFC 3261 section 20.10)."""
    return [f"<{target}>;q={1 - index / max(len(targets), 10):.3g}" for index, target in enumerate(targets)]
