"""Every parser that sees bytes of the network, each as a function that raises only on a defect.

A new one: a function `bytes -> None`, or `parser(parse, ItsError)` where nothing is to be said of the result,
and a line in TARGETS; seeds in `corpus/<name>/`, inputs that once failed in `regressions/<name>/`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from rtp import packet, rtcp, stun
from rtp.dtmf import DIGITS, MAX_DURATION, DigitReceiver
from sipagent.config import CallerIdConfig
from sipagent.errors import ReasonCode
from sipagent.sip import identity
from sipagent.sip import invite as sip
from sipagent.sip.replies import retry_after_s
from sipagent.tools import arguments
from sipagent.tools.request import understood
from tests.fuzz.bounds import Target
from tests.fuzz.realtime import realtime
from tests.fuzz.rtp_session import rtp_session
from tests.fuzz.script import Script
from tests.fuzz.sdp import sdp_exchange, sdp_offer

BELIEVING = CallerIdConfig(
    take_from="p_asserted_identity", trust=("remote_party_id", "diversion", "history_info")
)
LONGEST_HEADER_NAME = 16
"""A compact name of one letter is spelt out as this at most: Content-Encoding."""


def parser(parse: Callable[[bytes], Any], declared: type[Exception]) -> Target:
    """A target for a parser that either returns or raises its declared error."""

    def target(data: bytes) -> None:
        with contextlib.suppress(declared):
            parse(data)

    return target


def rtp_packet(data: bytes) -> None:
    with contextlib.suppress(packet.PacketError):
        parsed = packet.parse(data)
        assert parsed.payload in data[12:]
        assert packet.parse(packet.serialize(parsed)) == parsed


def rtcp_compound(data: bytes) -> None:
    with contextlib.suppress(rtcp.RtcpError):
        packets = rtcp.parse_compound(data)
        assert 2 * len(packets) <= len(data)
        again = rtcp.parse_compound(rtcp.serialize_compound(packets))
        assert [type(each) for each in again] == [type(each) for each in packets]


def telephone_event(data: bytes) -> None:
    """Payloads with the steps of timestamp and time between them."""
    script, receiver = Script(data), DigitReceiver()
    timestamp, now, digits = script.number(4), 0.0, []
    while not script.is_over:
        timestamp = (timestamp + script.pick((0, 160, 800, MAX_DURATION, -160, 1 << 31))) & 0xFFFFFFFF
        now += script.pick((0.0, 0.02, 0.3))
        digits += receiver.expire(now) + receiver.receive(script.blob(), timestamp, now)
    digits += receiver.restart()
    assert receiver.next_timer() is None
    assert len(digits) <= len(data)
    for each in digits:
        assert each.digit in (*DIGITS, "flash")
        assert 0 <= each.duration_ms <= MAX_DURATION * len(data) // 8


def invite(data: bytes) -> None:
    text = data.decode(errors="replace")  # as `pjsua` hands it over
    parsed = sip.parse_invite(text, "192.0.2.1", 5060)
    assert parsed.transport in ("udp", "tcp", "tls")
    assert parsed.offer == sip.offer_in(text)
    assert all(sip.rejected_invite(parsed, status).reason_code in ReasonCode for status in (486, 488, 500))
    caller = identity.caller_of(parsed, BELIEVING)
    claimed = caller.stir["unverified"] if caller.stir else None
    assert claimed is None or msgspec.json.encode(claimed)
    assert (retry_after_s(text) or 0) >= 0
    told = (parsed.sip_call_id, parsed.from_number, parsed.to_number, parsed.offer or "")
    told += (caller.number, caller.asserted_identity or "", caller.diverted_from or "", caller.privacy or "")
    for value in (*told, *(part for header in parsed.headers for part in header)):
        assert len(value.encode()) <= 3 * len(data) + LONGEST_HEADER_NAME  # records and logs can hold it


TOOL = arguments.validator(
    {
        "type": "object",
        "properties": {
            "seats": {"type": "integer", "minimum": 1},
            "day": {"type": "string", "format": "date"},
            "wishes": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        },
        "required": ["seats"],
    }
)


def tool_arguments(data: bytes) -> None:
    """What a model writes."""
    with contextlib.suppress(arguments.BadArguments):
        assert arguments.read(data.decode(errors="replace"), TOOL)["seats"] >= 1


def tool_answer(data: bytes) -> None:
    """A line of content type, and the body."""
    kind, _, body = data.partition(b"\n")
    outcome = understood(200, kind.decode("latin-1"), body, is_cut=False)
    assert outcome.kind in ("ok", "failed")
    assert msgspec.json.encode(outcome.output)


TARGETS: dict[str, Target] = {
    "rtp_packet": rtp_packet,
    "rtp_session": rtp_session,
    "rtcp": rtcp_compound,
    "stun": parser(stun.parse, stun.StunError),
    "telephone_event": telephone_event,
    "sdp_offer": sdp_offer,
    "sdp_exchange": sdp_exchange,
    "invite": invite,
    "realtime": realtime,
    "tool_arguments": tool_arguments,
    "tool_answer": tool_answer,
}
