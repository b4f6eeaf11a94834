"""The SIP messages of one call, bounded, and without what authenticates anybody. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

#: A peer can send what it likes; so much of it is kept for each call.
MAX_MESSAGES = 200
MAX_CHARS = 4096

REDACTED = "[redacted]"
#: How the line begins that stands for our BYE, CANCEL or final answer.
ENDED_BY_US = "(ended by us)"

_FOLDED = r"[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*"
#: Digest credentials, STIR/SHAKEN tokens (compact form y), keys in SDP, digits in INFO.
_SECRETS: Sequence[re.Pattern[str]] = (
    re.compile(r"(?im)^((?:proxy-)?authorization\s*:)" + _FOLDED),
    re.compile(r"(?im)^((?:identity|y)\s*:)" + _FOLDED),
    re.compile(r"(?im)^((?:a=crypto:|a=key-mgmt:|k=))[^\r\n]*"),
    re.compile(r"(?im)^(signal\s*=)[^\r\n]*"),
)
#: What a message must contain in lower case for any of these to fit; looked for first, as most have nothing.
_HINTS = ("authorization", "identity", "\ny", "crypto", "key-mgmt", "\nk=", "signal", "dtmf")
_DTMF_BODY = re.compile(r"(?is)(content-type\s*:\s*application/dtmf\b(?!-).*?\r?\n\r?\n).*")


@dataclass(frozen=True, slots=True)
class MessageSeen:
    """A SIP message that came in or went out at `at` (CLOCK_MONOTONIC). `text` is redacted and cut."""

    direction: Literal["in", "out"]
    at: float
    text: str


class MessageLog:
    """The messages of one SIP call, from its first on; each is taken once."""

    def __init__(self) -> None:
        self._untaken: list[MessageSeen] = []
        self._known: set[tuple[str, str]] = set()

    def note(self, direction: Literal["in", "out"], message: str, now: float) -> None:
        """A message passed; one that is told of twice is kept once.

        Those above `MAX_MESSAGES` are not kept, except that the last kept one says so.
        """
        text = redacted(message)[:MAX_CHARS]
        if (direction, text) in self._known or len(self._known) >= MAX_MESSAGES:
            return
        self._known.add((direction, text))
        if len(self._known) == MAX_MESSAGES:
            text = "(what came after this was not kept)"
        self._untaken.append(MessageSeen(direction, now, text))

    def note_end(self, sip_status: int, headers: Iterable[tuple[str, str]], now: float) -> None:
        """We end the call: by BYE, CANCEL or a final answer, as its state asks for. From then on pjsua2
        reports no message of it, so this stands for what goes out."""
        lines = [f"{ENDED_BY_US} {sip_status}", *(f"{name}: {value}" for name, value in headers)]
        self.note("out", "\r\n".join(lines), now)

    def take(self) -> list[MessageSeen]:
        """Those that came since the last time."""
        taken, self._untaken = self._untaken, []
        return taken


def redacted(message: str) -> str:
    """The message without credentials, keys and digits pressed; header folding is no way around it."""
    lower = message.lower()
    if not any(hint in lower for hint in _HINTS):
        return message
    for pattern in _SECRETS:
        message = pattern.sub(rf"\1 {REDACTED}", message)
    return _DTMF_BODY.sub(rf"\1{REDACTED}", message)
