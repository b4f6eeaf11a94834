"""What our side of a call has to offer, and what an offer comes to with it."""

from __future__ import annotations

from sipagent.sip import negotiation, sdp
from sipagent.sip.crypto import KeyExchange
from sipagent.sip.messages import LocalMedia, NegotiatedMedia

LOCAL = LocalMedia("198.51.100.1", 20000, 20001, ("PCMU", "PCMA"))


def offer_with(*lines: str, address: str = "203.0.113.30", formats: str = "0 8") -> str:
    return "\r\n".join(
        [
            *("v=0", f"o=- 1 1 IN IP4 {address}", "s=-"),
            *(f"c=IN IP{6 if ':' in address else 4} {address}", "t=0 0"),
            *(f"m=audio 5004 RTP/AVP {formats}", *lines),
        ]
    )


def answer(
    offer: str, local: LocalMedia = LOCAL, keys: KeyExchange | None = None
) -> tuple[str, NegotiatedMedia]:
    return negotiation.answer(sdp.parse(offer), local, keys or no_keys(), session_id=77, version=3)


def no_keys() -> KeyExchange:
    return KeyExchange(lambda length: bytes(length))


def agreed(offer: str, local: LocalMedia = LOCAL) -> NegotiatedMedia:
    return answer(offer, local)[1]
