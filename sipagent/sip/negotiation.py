"""Offer and answer (RFC 3264) for one G.711 stream, pure: what we say in SDP, and what it then means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

from sipagent.errors import NoCommonCodec, SdpError
from sipagent.sip import crypto
from sipagent.sip.addresses import IpAddress, media_address
from sipagent.sip.crypto import CryptoLine, KeyExchange
from sipagent.sip.messages import Direction, LocalMedia, NegotiatedMedia, SrtpPolicy
from sipagent.sip.sdp import STATIC_CODECS, Codec, MediaDescription, SessionDescription

TELEPHONE_EVENT = Codec("telephone-event", 8000)
OFFERED_TELEPHONE_EVENT_TYPE = 101
SHORTEST_PTIME_MS, LONGEST_PTIME_MS = 10, 60

_ANSWER_TO: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
_WITHOUT_LISTENING: dict[Direction, Direction] = {"sendrecv": "sendonly", "recvonly": "inactive"}
_WITHOUT_SENDING: dict[Direction, Direction] = {"sendrecv": "recvonly", "sendonly": "inactive"}


def negotiate(media: MediaDescription, local: LocalMedia) -> NegotiatedMedia:
    """What an answer to this audio line comes to, but for keys. Raises `NoCommonCodec`, `SdpError`."""
    payload_type = _payload_type(media, local.codecs)
    address = _remote_rtp(media, local)
    rtcp_address, rtcp_port = _remote_rtcp(media, address, local)
    return NegotiatedMedia(
        codec=media.codecs[payload_type].name,
        payload_type=payload_type,
        dtmf_payload_type=next((pt for pt, codec in media.codecs.items() if codec == TELEPHONE_EVENT), None),
        ptime_ms=_ptime_ms(media, local.ptime_ms),
        direction=_direction(media, address, local.held),
        remote_rtp=(str(address), media.port),
        remote_rtcp=(str(rtcp_address), rtcp_port),
    )


def answer(
    offer: SessionDescription, local: LocalMedia, keys: KeyExchange, *, session_id: int, version: int
) -> tuple[str, NegotiatedMedia]:
    """Our answer, one line per offered media line in its order, and what it comes to.

    Everything but the one audio stream is rejected with port 0. A call that has SRTP never goes back to plain
    RTP. Raises `NoCommonCodec`, `NoCommonCrypto`, `SrtpOff`, `SrtpRequired`, `SdpError`; then `keys` is as
    before.
    """
    audio = _audio(offer, "required" if keys.agreed else local.srtp)
    agreed = negotiate(audio, local)
    ours: tuple[CryptoLine, ...] = ()
    if audio.is_secure_audio:
        line, srtp = keys.answer(audio.crypto)
        ours, agreed = (line,), replace(agreed, srtp=srtp)
    payload_types = {agreed.payload_type: Codec(agreed.codec, 8000)}
    if agreed.dtmf_payload_type is not None:
        payload_types[agreed.dtmf_payload_type] = TELEPHONE_EVENT
    lines = list(_session_lines(local, session_id, version))
    for media in offer.media:
        if media is audio:
            lines += _audio_lines(local, payload_types, agreed.ptime_ms, agreed.direction, ours)
        else:
            lines.append(f"m={media.kind} 0 {media.proto} {' '.join(media.formats)}")
    return _text(lines), agreed


def offer(local: LocalMedia, keys: KeyExchange, *, session_id: int, version: int) -> str:
    """Our offer: every codec of `local` in its order, and telephone-event.

    One audio line, so it has to be the one or the other: SRTP where it is required or the call has it, else
    plain, which every peer can answer.
    """
    secure = local.srtp == "required" or keys.agreed is not None
    static = {codec.name: payload_type for payload_type, codec in STATIC_CODECS.items()}
    payload_types = {static[name]: Codec(name, 8000) for name in local.codecs}
    payload_types[OFFERED_TELEPHONE_EVENT_TYPE] = TELEPHONE_EVENT
    lines = list(_session_lines(local, session_id, version))
    ours = keys.offer() if secure else ()
    direction: Direction = "sendonly" if local.held else "sendrecv"
    return _text(lines + list(_audio_lines(local, payload_types, local.ptime_ms, direction, ours)))


def _audio(offer: SessionDescription, policy: SrtpPolicy) -> MediaDescription:
    audio = offer.secure_audio if crypto.wants_srtp(offer.offered, policy) else offer.audio
    if audio is None:
        raise SdpError("no RTP audio in the offer")
    return audio


def _payload_type(media: MediaDescription, preference: tuple[str, ...]) -> int:
    for wanted in (Codec(name, 8000) for name in preference):
        for payload_type, codec in media.codecs.items():
            if codec == wanted:
                return payload_type
    names = ", ".join(codec.name for codec in media.codecs.values()) or "none that is known"
    raise NoCommonCodec(f"offered: {names}; ours: {', '.join(preference)}")


def _ptime_ms(media: MediaDescription, ours_ms: int) -> int:
    """The offer's packet time where it is sane, else ours, within the offer's limit and in steps of 10 ms."""
    wanted_ms = media.ptime_ms or ours_ms
    if not SHORTEST_PTIME_MS <= wanted_ms <= LONGEST_PTIME_MS:
        wanted_ms = ours_ms
    longest_ms = max(media.maxptime_ms or LONGEST_PTIME_MS, SHORTEST_PTIME_MS)
    return min(wanted_ms, longest_ms) // 10 * 10


def _direction(media: MediaDescription, address: IpAddress, held: bool) -> Direction:
    """Ours. A peer at 0.0.0.0 is on hold the old way (RFC 3264 section 8.4): nothing can be sent to it.
    One that we hold is not listened to, whatever it offers meanwhile."""
    ours = _ANSWER_TO[media.direction]
    if held:
        ours = _WITHOUT_LISTENING.get(ours, ours)
    return _WITHOUT_SENDING.get(ours, ours) if address.is_unspecified else ours


def check_offer(offer: SessionDescription, local: LocalMedia) -> None:
    """See that every address in an offer may be sent to. Raises `BadMediaAddress`, `SdpError`."""
    for media in offer.media:
        if media.kind == "audio" and media.port != 0:
            _remote_rtcp(media, _remote_rtp(media, local), local)


def check_remote(media: NegotiatedMedia, local: LocalMedia) -> None:
    """See that what an answer to our offer came to may be sent to. Raises `BadMediaAddress`, `SdpError`."""
    for host, port in (media.remote_rtp, media.remote_rtcp):
        media_address(host, port, local.address, local.around)


def _remote_rtp(media: MediaDescription, local: LocalMedia) -> IpAddress:
    if media.address is None:
        raise SdpError("SDP without a connection address")
    return media_address(media.address, media.port, local.address, local.around)


def _remote_rtcp(media: MediaDescription, rtp: IpAddress, local: LocalMedia) -> tuple[IpAddress, int]:
    """The address that `a=rtcp` names, or RTP's; on Linux 0.0.0.0 would be our own machine."""
    text, port = media.rtcp or (None, min(media.port + 1, 65535))
    address = rtp if text is None else media_address(text, port, local.address, local.around)
    return (rtp if address.is_unspecified else address), port


def _session_lines(local: LocalMedia, session_id: int, version: int) -> Iterator[str]:
    connection = f"IN IP{ip_address(local.address).version} {local.address}"
    yield "v=0"
    yield f"o=- {session_id} {version} {connection}"
    yield "s=-"
    yield f"c={connection}"
    yield "t=0 0"


def _audio_lines(
    local: LocalMedia,
    payload_types: dict[int, Codec],
    ptime_ms: int,
    direction: Direction,
    crypto_lines: tuple[CryptoLine, ...],
) -> Iterator[str]:
    profile = "RTP/SAVP" if crypto_lines else "RTP/AVP"
    yield f"m=audio {local.rtp_port} {profile} {' '.join(map(str, payload_types))}"
    yield from map(CryptoLine.as_sdp, crypto_lines)
    for payload_type, codec in payload_types.items():
        yield f"a=rtpmap:{payload_type} {codec.name}/{codec.clock_rate}"
        if codec == TELEPHONE_EVENT:
            yield f"a=fmtp:{payload_type} 0-15"
    yield f"a=ptime:{ptime_ms}"
    if local.rtcp_port != local.rtp_port + 1:
        yield f"a=rtcp:{local.rtcp_port}"
    yield f"a={direction}"


def _text(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n"
