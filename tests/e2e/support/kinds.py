"""Kinds of SIP messages, as text with places for who sends them and to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

SDP = "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"


@dataclass(frozen=True)
class Kind:
    """`text` has `{ip}`, `{port}` (the sender's), `{server}` (host:port), and an `{id}` of its own.

    One of `must` is the status of its final answer; empty if silence is as good.
    """

    name: str
    section: str
    text: str
    must: Sequence[int] = ()
    raw: Callable[[bytes], bytes] = bytes


def request(
    method: str = "OPTIONS",
    uri: str = "sip:{server}",
    *extra: str,
    via: str = "Via: SIP/2.0/UDP {ip}:{port};branch=z9hG4bK{id};rport",
    sender: str = "From: <sip:anna@{ip}>;tag=t{id}",
    to: str = "To: <sip:1000@{server}>",
    call_id: str = "Call-ID: {id}",
    cseq: str | None = None,
    forwards: str = "Max-Forwards: 70",
    contact: str = "Contact: <sip:anna@{ip}:{port}>",
    version: str = "SIP/2.0",
    body: str = "",
    length: str = "Content-Length: {length}",
) -> str:
    """A good one, but for what is said otherwise; a header that is given as "" is left out."""
    cseq = f"CSeq: 7 {method}" if cseq is None else cseq
    kind = "Content-Type: application/sdp" if body and not any("ontent-" in each for each in extra) else ""
    lines = [
        f"{method} {uri} {version}",
        via,
        sender,
        to,
        call_id,
        cseq,
        forwards,
        contact,
        *extra,
        kind,
        length,
    ]
    return "\r\n".join(filter(None, lines)) + "\r\n\r\n" + body


def invite(*extra: str, **differing: str) -> str:
    return request("INVITE", differing.pop("uri", "sip:1000@{server}"), *extra, **{"body": SDP, **differing})


def response(status: str, *extra: str, **differing: str) -> str:
    lines = request("INVITE", "x", *extra, **differing).split("\r\n")
    return "\r\n".join([status, *lines[1:]])


def serialized(kind: Kind, number: int, sender: tuple[str, int], server: tuple[str, int], rtp: int) -> bytes:
    """The kind's bytes, from `sender` to `server`, which has the port `rtp` too.

    The length of its body is right where it doesn't lie about it.
    """
    fields = {
        "ip": sender[0],
        "port": str(sender[1]),
        "server": f"{server[0]}:{server[1]}",
        "id": f"kind{number}p{sender[1]}",
        "rtp": str(rtp),
    }
    text = kind.text
    for name, value in fields.items():
        text = text.replace("{" + name + "}", value)
    body = text.partition("\r\n\r\n")[2]
    return kind.raw(text.replace("{length}", str(len(body.encode()))).encode())
