"""Inputs that fuzzing starts from. `python -m tests.fuzz.seeds` writes the corpus anew."""

from __future__ import annotations

import base64
import json

from aioice import stun

from rtp.packet import RtpPacket, serialize
from rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    serialize_compound,
)
from tests.fuzz.inputs import CORPUS
from tests.sip import offers

Seeds = dict[str, bytes]


def _rtp_packets() -> Seeds:
    plain = serialize(RtpPacket(0, 65_535, 4_294_967_000, 7, b"\x55" * 8, marker=True))
    return {
        "plain": plain,
        "csrc": bytes([plain[0] | 2]) + plain[1:12] + b"\0\0\0\1\0\0\0\2" + plain[12:],
        "extension": bytes([plain[0] | 0x10]) + plain[1:12] + b"\xbe\xde\0\1\x10\xff\0\0" + plain[12:],
        "padding": bytes([plain[0] | 0x20]) + plain[1:] + b"\0\0\0\4",
    }


def _stun_messages() -> Seeds:
    def message(kind: stun.Class, **attributes: object) -> bytes:
        named = {name.replace("_", "-"): value for name, value in attributes.items()}
        made = stun.Message(stun.Method.BINDING, kind, b"transaction!", named)
        made.add_fingerprint()
        return bytes(made)

    v4, v6 = ("203.0.113.5", 40_000), ("2001:db8::5", 40_000)
    return {
        "request": message(stun.Class.REQUEST, SOFTWARE="sipagent"),
        "response": message(stun.Class.RESPONSE, XOR_MAPPED_ADDRESS=v4, OTHER_ADDRESS=v4),
        "response-ipv6": message(stun.Class.RESPONSE, XOR_MAPPED_ADDRESS=v6, MAPPED_ADDRESS=v6),
        "error": message(stun.Class.ERROR, ERROR_CODE=(420, "Unknown Attribute"), REALM="a", NONCE=b"b"),
    }


def _rtcp_compounds() -> Seeds:
    block = ReportBlock(7, 12, -3, 70_000, 40, 0x12345678, 65_536)
    sender = SenderReport(9, 0x1122334455667788, 1600, 10, 1600, (block,))
    name = SourceDescription(9, "caller@192.0.2.10")
    return {
        "sender": serialize_compound([sender, name]),
        "receiver": serialize_compound([ReceiverReport(9, (block, block)), name]),
        "goodbye": serialize_compound([ReceiverReport(9), name, Goodbye((9, 10))]),
        "unknown": serialize_compound([ReceiverReport(9)]) + b"\x80\xcd\0\1\0\0\0\1",
    }


def _telephone_events() -> Seeds:
    """Timestamp of the first, then for each: step of the timestamp, step of time, length, payload."""
    begin = bytes([0, 1, 4, 5, 10, 0, 160])
    end = bytes([0, 1, 4, 5, 0x8A, 3, 32])
    long_segment = bytes([3, 1, 4, 5, 10, 0xFF, 0xFF])
    flash = bytes([2, 1, 4, 16, 0x8A, 0, 80])
    return {
        "press": b"\0\0\0\1" + begin + end * 3,
        "lost-end": b"\xff\xff\xff\xf0" + begin + flash.replace(b"\2\1", b"\2\2", 1),
        "long": b"\0\0\0\0" + begin + long_segment * 3 + end,
    }


def _rtp_sessions() -> Seeds:
    """Announced address, codec, strictness; then moves, each with its choices (see `rtp_session.moves`)."""
    start = b"\0\0\0"
    packet, tick = bytes([0, 0, 0, 0, 0, 0, 0]), bytes([5, 0])
    lost = bytes([0, 0, 0, 3, 4, 0, 0])
    digit = bytes([0, 0, 2, 0, 3, 0, 2])
    elsewhere = bytes([0, 2, 0, 0, 0, 0, 0])
    raw = serialize(RtpPacket(0, 1, 160, 1, b"\x55" * 20))
    return {
        "clean": start + (packet + tick) * 12,
        "losses": start + (packet + tick + packet + tick + lost + bytes([5, 3])) * 4,
        "outage": start + (packet + tick) * 3 + bytes([5, 5, 5, 6]) + (packet + tick) * 3,
        "new-ssrc": start + packet * 3 + bytes([0, 0, 0, 0, 0, 1, 0]) * 3,
        "digits": start + packet + (digit + tick) * 3 + bytes([5, 4, 7, 1, 100]) + tick * 8,
        "behind-nat": start + packet + bytes([5, 6]) + (elsewhere + bytes([5, 4])) * 6 + bytes([5, 6, 6, 0]),
        "sending": start + packet + bytes([6, 0, 5, 0]) * 5 + bytes([5, 6, 5, 6]),
        "reports": start + packet + bytes([4]) + bytes(range(28)) + bytes([0, 5, 6]),
        "hold": start + packet + bytes([8, 5, 0, 2, 0]) + tick * 3 + bytes([8, 0, 1, 0, 1]) + packet * 2,
        "raw": start
        + bytes([2, len(raw)])
        + raw
        + bytes([0, 3, 8])
        + _rtcp_compounds()["unknown"][:8]
        + b"\0",
    }


def _sdp_offers() -> Seeds:
    held = offers.ASTERISK.replace("203.0.113.9\r\nt", "0.0.0.0\r\nt").replace("sendrecv", "sendonly")
    ipv6 = offers.TELNYX.replace("IP4 203.0.113.7", "IP6 2001:db8::7")
    return {
        "twilio": offers.TWILIO.encode(),
        "telnyx": offers.TELNYX.encode(),
        "cisco": offers.CISCO.encode(),
        "video": offers.FREESWITCH_WITH_VIDEO.encode(),
        "static": offers.STATIC_TYPES_ALONE.encode(),
        "srtp": offers.SRTP_ALONE.encode(),
        "held": held.encode(),
        "ipv6": ipv6.encode(),
    }


def _sdp_exchanges() -> Seeds:
    first, second = offers.TWILIO.encode(), offers.ASTERISK.encode()
    return {
        "two-offers": first + b"\0" + second,
        "ours-too": first + b"\0\0" + second + b"\0",
        "refused": first + b"\0" + offers.SRTP_ALONE.encode() + b"\0" + second,
    }


def _invites() -> Seeds:
    def invite(content_type: str, body: str, *headers: str) -> bytes:
        head = [
            "INVITE sip:+15550100@198.51.100.1 SIP/2.0",
            "Via: SIP/2.0/TLS 203.0.113.5:5061;branch=z9hG4bK1",
            'f: "Alice" <sip:+15550001;ext=2@carrier.example>;tag=1',
            "To: <tel:+15550100>",
            "i: abc@203.0.113.5",
            "Subject: folded",
            "\tonce",
            f"c: {content_type}",
            *headers,
        ]
        return "\r\n".join([*head, "", body]).encode()

    part = f"Content-Type: application/sdp\r\n\r\n{offers.STATIC_TYPES_ALONE}"
    several = f"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n{part}\r\n--b--\r\n"
    return {
        "offer": invite("application/sdp", offers.ASTERISK),
        "late-offer": invite("application/sdp", ""),
        "identified": invite(
            "application/sdp",
            "",
            'P-Asserted-Identity: "A, B" <sip:+15550009;verstat=No-TN-Validation@x>, <tel:+15550009>',
            "Remote-Party-ID: <sip:+15550004@x>;party=calling;privacy=full;screen=yes",
            "Diversion: <sip:+15550005@x>;reason=no-answer;privacy=off",
            "History-Info: <sip:+15550007@x?Privacy=history>;index=1, <sip:100@y;cause=302>;index=1.1",
            "Privacy: id;critical",
            f"Identity: {_passport()};info=<https://certs.example/a.pem>;alg=ES256;ppt=shaken",
            "Retry-After: 120 (later);duration=60",
        ),
        "several-parts": invite("multipart/mixed;boundary=b", several),
        "quoted-boundary": invite('multipart/mixed; boundary="b"; charset=utf-8', several),
    }


def _passport() -> str:
    claims = {
        "attest": "A",
        "orig": {"tn": "15550009"},
        "dest": {"tn": ["15550100"]},
        "origid": "1",
        "iat": 1,
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "ES256", "ppt": "shaken"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2ln"])


def _realtime_sessions() -> Seeds:
    def script(*lines: dict[str, object] | str) -> bytes:
        return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()

    place = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
    audio = base64.b64encode(b"\x55" * 160).decode()
    created = {"type": "response.created", "response": {"id": "r1", "status": "in_progress"}}
    updated = {"type": "session.updated", "session": {"id": "s1", "expires_at": 1790000000}}
    ready = ({"type": "session.created", "session": {"id": "s1"}}, updated)
    speech_started = {"type": "input_audio_buffer.speech_started", "item_id": "u1", "audio_start_ms": 900}
    speech_stopped = {"type": "input_audio_buffer.speech_stopped", "item_id": "u1", "audio_end_ms": 1900}
    said = {"item_id": "u1", "transcript": "Yes.", "usage": {"type": "tokens", "total_tokens": 9}}
    done = {"id": "r1", "status": "completed", "usage": {"total_tokens": 40, "details": {"cached": 1.5}}}
    delta = {"type": "response.output_audio.delta", **place, "delta": audio}
    fault = {"type": "invalid_request_error", "code": None, "message": "It went wrong."}
    return {
        "turn": script(
            *ready,
            "!greet",
            created,
            delta,
            {"type": "response.output_audio_transcript.delta", **place, "delta": "Hel"},
            {"type": "response.output_audio_transcript.done", **place, "transcript": "Hello."},
            {"type": "response.output_audio.done", **place},
            {"type": "response.done", "response": done},
        ),
        "barge-in": script(
            *ready, created, delta, speech_started, "!interrupt i1 0 10", delta, speech_stopped, "!digit 5"
        ),
        "caller": script(
            *ready,
            {"type": "conversation.item.input_audio_transcription.completed", **said},
            {"type": "conversation.item.input_audio_transcription.failed", "error": fault},
        ),
        "item": script(
            "!hello",
            updated,
            created,
            {"type": "response.audio.delta", **place, "delta": audio},
            {"type": "response.output_item.done", "item": {"id": "i1", "content": [{"transcript": "Hi."}]}},
            "!interrupt",
        ),
        "errors": script(
            *ready,
            "!digit 5",
            {"type": "error", "error": {**fault, "code": "conversation_already_has_active_response"}},
            {"type": "error", "error": {**fault, "event_id": "response.create_2"}},
            {"type": "response.done", "response": {"id": "r1", "status_details": {"error": fault}}},
            {"type": "error", "error": {"type": "server_error", "code": "session_expired"}},
        ),
    }


def _tool_arguments() -> Seeds:
    return {
        "good": b'{"seats": 2, "day": "2026-03-01", "wishes": ["window", "quiet"]}',
        "bad": b'{"seats": "two", "day": "tomorrow", "wishes": [1, 1]}',
    }


def _tool_answers() -> Seeds:
    return {
        "json": b'application/json; charset=utf-8\n{"table": 7}',
        "latin": b"text/plain; charset=iso-8859-1\nf\xfcr zwei",
        "picture": b"image/png\n\x89PNG",
    }


ALL = {
    "rtp_packet": _rtp_packets,
    "rtp_session": _rtp_sessions,
    "stun": _stun_messages,
    "rtcp": _rtcp_compounds,
    "telephone_event": _telephone_events,
    "sdp_offer": _sdp_offers,
    "sdp_exchange": _sdp_exchanges,
    "invite": _invites,
    "realtime": _realtime_sessions,
    "tool_arguments": _tool_arguments,
    "tool_answer": _tool_answers,
}


def main() -> None:
    for target, seeds in ALL.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds().items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
