"""SDP of a peer: what we answer, and what we then believe to have been agreed."""

from __future__ import annotations

import contextlib
from ipaddress import IPv6Address, ip_address

from sipagent.errors import NoCommonCodec, SdpError
from sipagent.sip import negotiation, sdp
from sipagent.sip.crypto import KeyExchange
from sipagent.sip.exchange import SdpExchange
from sipagent.sip.messages import LocalMedia, NegotiatedMedia, SrtpPolicy

POLICIES: dict[str, SrtpPolicy] = {"198.51.100.1": "optional", "2001:db8::1": "off", "127.0.0.1": "required"}
LOCALS = tuple(
    LocalMedia(address, rtp_port=20000, rtcp_port=20001, codecs=("PCMU", "PCMA"), srtp=policy)
    for address, policy in POLICIES.items()
)
OUR_LINES = 600
"""What our own lines may add to those of an offer, in bytes."""


def sdp_offer(data: bytes) -> None:
    """One offer, to each kind of address that we may have."""
    text = data.decode(errors="replace")
    with contextlib.suppress(SdpError):
        offer = sdp.parse(text)
        for local in LOCALS:
            with contextlib.suppress(SdpError, NoCommonCodec):
                keys = KeyExchange(bytes)
                answer, agreed = negotiation.answer(offer, local, keys, session_id=1, version=1)
                assert len(answer) <= len(data) + OUR_LINES
                _check_answer(sdp.parse(answer), offer, local, agreed)
                _check_agreed(agreed, local)


def sdp_exchange(data: bytes) -> None:
    """Offers of one call, one after another, separated by NUL. An empty one asks for an offer of ours."""
    exchange, local = SdpExchange(), LOCALS[0]
    for text in data.decode(errors="replace").split("\0"):
        with contextlib.suppress(SdpError, NoCommonCodec):
            if exchange.local is None:
                exchange.answer(sdp.parse(text), local)
                exchange.local = local
            elif text:
                exchange.receive(text)
            _check_said(exchange)


def _check_said(exchange: SdpExchange) -> None:
    said = exchange.next_text()
    assert said is not None
    assert exchange.is_ours(said)
    description = sdp.parse(said)
    assert description.audio or description.secure_audio
    if (agreed := exchange.outcome(None)) is not None:
        _check_agreed(agreed, LOCALS[0])


def _check_answer(
    answer: sdp.SessionDescription,
    offer: sdp.SessionDescription,
    local: LocalMedia,
    agreed: NegotiatedMedia,
) -> None:
    assert [media.kind for media in answer.media] == [media.kind for media in offer.media]
    (accepted,) = (media for media in answer.media if media.port)
    assert (accepted.address, accepted.port) == (local.address, local.rtp_port)
    assert accepted.direction == agreed.direction
    assert accepted.codecs[agreed.payload_type].name == agreed.codec


def _check_agreed(agreed: NegotiatedMedia, local: LocalMedia) -> None:
    assert agreed.srtp is None or local.srtp != "off"
    assert agreed.srtp is not None or local.srtp != "required"
    assert agreed.codec in local.codecs
    assert 0 <= agreed.payload_type <= 127
    assert agreed.dtmf_payload_type is None or 0 <= agreed.dtmf_payload_type <= 127
    assert agreed.ptime_ms in range(10, 61, 10)
    on_hold = ip_address(agreed.remote_rtp[0]).is_unspecified
    assert not on_hold or agreed.direction in ("recvonly", "inactive")
    for host, port in (agreed.remote_rtp, agreed.remote_rtcp):
        assert 0 < port <= 65535
        _check_host(host, local)
    assert on_hold or not ip_address(agreed.remote_rtcp[0]).is_unspecified, "RTCP to our own machine"


def _check_host(host: str, local: LocalMedia) -> None:
    """Nothing that we'd send there may end on this machine or at many."""
    address, ours = ip_address(host), ip_address(local.address)
    assert host.isascii(), "a socket takes no other names"
    assert address.version == ours.version
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assert mapped is None, "IPv4 by another name, past every check of IPv4"
    assert not address.is_multicast
    assert not address.is_loopback or ours.is_loopback
