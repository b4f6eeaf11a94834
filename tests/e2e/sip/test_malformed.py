"""What scanners and broken peers send: nothing of it may harm the agent, or get into what it writes."""

from __future__ import annotations

import random
import socket
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"


def invite(port: int, *, branch: str, caller: bytes = b"+15550001") -> bytes:
    head = (
        f"INVITE sip:+15550100@127.0.0.1:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{branch}\r\n"
        f"To: <sip:+15550100@127.0.0.1:{port}>\r\nCall-ID: {branch}\r\nCSeq: 1 INVITE\r\n"
        f"Contact: <sip:x@127.0.0.1:9>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(SDP)}\r\n"
    )
    return head.encode() + b'From: "' + caller + b'" <sip:x@127.0.0.1>;tag=1\r\n\r\n' + SDP


def mangled(message: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, and half of the time cut short."""
    changed = bytearray(message)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.choice([None, chance.randrange(len(changed))])])


async def test_bytes_that_are_no_text(agent: Any) -> None:
    async with agent(answer=False) as server:
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.sendto(invite(server.port, branch="bytes", caller=b"\xff\xfe"), ("127.0.0.1", server.port))
        parsed = await server.next("invite")
        assert parsed["from_uri"] == '"\ufffd\ufffd" <sip:x@127.0.0.1>;tag=1'


async def test_a_thousand_mangled_messages(agent: Any, sipp: Any) -> None:
    chance = random.Random(4475)
    async with agent(answer=False) as server:
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            for batch in range(10):
                for number in range(100):
                    message = mangled(invite(server.port, branch=f"{batch}-{number}"), chance)
                    peer.sendto(message, ("127.0.0.1", server.port))
                await sipp("uac-options-200", server.port)
