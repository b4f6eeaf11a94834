"""Who may be called: nobody whom the configuration doesn't name. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sipagent.config import OutboundConfig
from sipagent.config.transfer import plain_number

_NUMBER = re.compile(r"\+?\d{2,20}")
#: No parameters and no headers: they could lead a call elsewhere.
_SIP_URI = re.compile(
    r"sips?:([\w.!~*'()&=+$,-]+)@((?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """`to` is a number without what people write between its digits, or a SIP URI."""

    to: str


@dataclass(frozen=True, slots=True)
class Refused:
    """`rule` is for programs, and for metrics."""

    rule: str
    detail: str


def judge(to: str, outbound: OutboundConfig) -> Allowed | Refused:
    """May `to` be called, a number or a `sip:`, `sips:` or `tel:` URI?"""
    text = to.strip()
    if text.lower().startswith(("sip:", "sips:")):
        return _uri(text, outbound)
    number = plain_number(text[4:] if text.lower().startswith("tel:") else text)
    if not _NUMBER.fullmatch(number):
        return Refused("destination_invalid", "that is neither a number nor a SIP URI of user and host")
    refused = _number(number, outbound)
    return Allowed(number) if refused is None else refused


def _number(number: str, outbound: OutboundConfig) -> Refused | None:
    allowed, denied = _longest(number, outbound.allow), _longest(number, outbound.deny)
    if denied is not None and (allowed is None or len(denied) >= len(allowed)):
        return Refused("destination_denied", f"numbers that begin with {denied} are denied")
    if allowed is None:
        return Refused("destination_not_allowed", "no prefix in outbound.allow fits this number")
    return None


def _uri(uri: str, outbound: OutboundConfig) -> Allowed | Refused:
    match = _SIP_URI.fullmatch(uri)
    if match is None:
        return Refused("destination_invalid", "a SIP URI may have a user and a host here, and no more")
    user, host = match[1], match[2].lower()
    if host not in outbound.allow_hosts:
        return Refused("host_not_allowed", f"{host} is not in outbound.allow_hosts")
    if denied := _longest(user, outbound.deny):
        return Refused("destination_denied", f"numbers that begin with {denied} are denied")
    return Allowed(uri)


def _longest(number: str, prefixes: tuple[str, ...]) -> str | None:
    return max((prefix for prefix in prefixes if number.startswith(prefix)), key=len, default=None)
