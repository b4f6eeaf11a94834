"""The text of an INVITE as a value, pure. pjsip has parsed it before: what comes here is well-formed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sipagent.errors import ReasonCode, SdpError
from sipagent.formats import CODECS
from sipagent.sip import sdp
from sipagent.sip.messages import IncomingInvite, RejectedInvite, Transport

_COMPACT = {
    "b": "Referred-By", "c": "Content-Type", "e": "Content-Encoding", "f": "From", "i": "Call-ID",
    "k": "Supported", "l": "Content-Length", "m": "Contact", "o": "Event", "r": "Refer-To", "s": "Subject",
    "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip
_BY_STATUS = {
    420: ReasonCode.EXTENSION_REQUIRED,
    421: ReasonCode.EXTENSION_REQUIRED,
    422: ReasonCode.SESSION_INTERVAL,
    486: ReasonCode.SERVER_CALL_LIMIT,
}
_BLANK_LINE = re.compile(r"\r?\n\r?\n")
_LINE_END = re.compile(r"\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*("[^"]+"|[^\s;"]+)', re.IGNORECASE)
_VIA = re.compile(r"SIP\s*/\s*2\.0\s*/\s*(\w+)", re.IGNORECASE)
_TRANSPORTS: dict[str, Transport] = {"UDP": "udp", "TCP": "tcp", "TLS": "tls"}


def parse_invite(message: str, source_ip: str, source_port: int) -> IncomingInvite:
    """Read the text of an INVITE that came from `source_ip`."""
    request_line, headers, body = _split(message)
    first = {name.lower(): value for name, value in reversed(headers)}
    return IncomingInvite(
        sip_call_id=first.get("call-id", ""),
        source_ip=source_ip,
        source_port=source_port,
        transport=_transport(first.get("via", "")),
        request_uri=[*request_line.split(), "", ""][1],
        from_uri=first.get("from", ""),
        to_uri=first.get("to", ""),
        headers=headers,
        offer=_offer(first.get("content-type", ""), body),
    )


def offer_in(message: str) -> str | None:
    """The SDP in a request, as it came."""
    _, headers, body = _split(message)
    types = (value for name, value in headers if name.lower() == "content-type")
    return _offer(next(types, ""), body)


def header_values(message: str, name: str) -> list[str]:
    """The values of a header of a message, by its long name, any case."""
    wanted = name.lower()
    return [value for key, value in _split(message)[1] if key.lower() == wanted]


def rejected_invite(invite: IncomingInvite, sip_status: int) -> RejectedInvite:
    """Name the rule by which pjsip refused an INVITE; it tells the status alone."""
    return RejectedInvite(invite, sip_status, _rejection(invite, sip_status))


def _rejection(invite: IncomingInvite, sip_status: int) -> ReasonCode:
    if sip_status in _BY_STATUS:
        return _BY_STATUS[sip_status]
    if sip_status >= 500:
        return ReasonCode.INTERNAL_ERROR
    try:
        audio = sdp.parse(invite.offer or "").offered
    except SdpError:
        return ReasonCode.BAD_OFFER
    offered = {*(audio.plain or ()), *(audio.secure or ())}
    return (
        ReasonCode.NO_COMMON_CODEC if offered and CODECS.keys().isdisjoint(offered) else ReasonCode.BAD_OFFER
    )


def split_address(address: str) -> tuple[str, int]:
    """`192.0.2.1:5060` or `[2001:db8::1]:5060`, as pjsip prints it -> host and port."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _split(message: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """Request line, headers, body."""
    head, body = [*_BLANK_LINE.split(message, maxsplit=1), ""][:2]
    request_line, *lines = _LINE_END.split(_FOLD.sub(" ", head))
    return request_line, _headers(lines), body


def _headers(lines: list[str]) -> tuple[tuple[str, str], ...]:
    return tuple(_header(line) for line in lines if ":" in line)


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    name = name.strip()
    return _COMPACT.get(name.lower(), name), value.strip()


def _transport(via: str) -> Transport:
    match = _VIA.match(via)
    return _TRANSPORTS.get(match[1].upper(), "udp") if match else "udp"


def _offer(content_type: str, body: str) -> str | None:
    """The SDP in the body, also where it is one part of several (SIPREC, ISUP); None for a late offer."""
    if not body.strip():
        return None
    bodies = (part for kind, part in _parts(content_type, body) if _media_type(kind) == "application/sdp")
    return next(bodies, None)


def _parts(content_type: str, body: str) -> Iterator[tuple[str, str]]:
    """Content type and body of each part (RFC 2046, 5.1.1), or of the whole if it isn't of several."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None or not _media_type(content_type).startswith("multipart/"):
        yield content_type, body
        return
    delimiter = r"\r?\n--" + re.escape(boundary[1].strip('"'))
    for part in re.split(delimiter, f"\n{body}")[1:]:
        head, text = [*_BLANK_LINE.split(part, maxsplit=1), ""][:2]
        headers = _headers(_LINE_END.split(_FOLD.sub(" ", head)))
        yield next((value for name, value in headers if name.lower() == "content-type"), ""), text


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
