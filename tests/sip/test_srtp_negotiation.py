"""Offer and answer of a call with SRTP: its policy, its keys, and that it never goes back."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from sipagent.errors import NoCommonCodec, ReasonCode, SdpError, SrtpRequired
from sipagent.sip import negotiation
from sipagent.sip.crypto import KEY_BYTES, KeyExchange
from sipagent.sip.messages import SrtpPolicy
from tests.sip import offers
from tests.sip.negotiated import LOCAL, answer, no_keys

SAVP_AND_AVP = offers.SRTP_ALONE + "m=audio 6000 RTP/AVP 0\r\n"
AVP_AND_SAVP = offers.STATIC_TYPES_ALONE + offers.SRTP_ALONE[offers.SRTP_ALONE.index("m=") :]
NO_USABLE_KEY = offers.SRTP_ALONE.replace("AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80")
NO_USABLE_KEY_AND_AVP = NO_USABLE_KEY + "m=audio 6000 RTP/AVP 0\r\n"
DTLS = offers.SRTP_ALONE.replace("RTP/SAVP", "UDP/TLS/RTP/SAVPF")
PLAIN, SRTP = "RTP/AVP", "RTP/SAVP"


@pytest.mark.parametrize(
    ("offer", "off", "optional", "required"),
    [
        (offers.STATIC_TYPES_ALONE, PLAIN, PLAIN, ReasonCode.SRTP_REQUIRED),
        (offers.SRTP_ALONE, ReasonCode.SRTP_OFF, SRTP, SRTP),
        (SAVP_AND_AVP, PLAIN, SRTP, SRTP),
        (AVP_AND_SAVP, PLAIN, SRTP, SRTP),
        (NO_USABLE_KEY, ReasonCode.SRTP_OFF, ReasonCode.NO_COMMON_CRYPTO, ReasonCode.NO_COMMON_CRYPTO),
        (NO_USABLE_KEY_AND_AVP, PLAIN, PLAIN, ReasonCode.NO_COMMON_CRYPTO),
        (DTLS, ReasonCode.BAD_OFFER, ReasonCode.BAD_OFFER, ReasonCode.SRTP_REQUIRED),
    ],
)
def test_policy(offer: str, off: str, optional: str, required: str) -> None:
    policies: dict[SrtpPolicy, str] = {"off": off, "optional": optional, "required": required}
    for policy, expected in policies.items():
        local = replace(LOCAL, srtp=policy)
        if expected in (PLAIN, SRTP):
            text, media = answer(offer, local)
            (line,) = (line for line in text.split("\r\n") if line.startswith("m=audio 20000"))
            assert line.split()[2] == expected, policy
            assert (media.srtp is not None) == ("a=crypto" in text) == (expected == SRTP)
            assert text.count("m=") == offer.count("m=")
        else:
            with pytest.raises(SdpError) as caught:
                answer(offer, local)
            assert (caught.value.sip_status, caught.value.reason_code) == (488, expected), policy


def test_an_answer_carries_our_key_under_the_tag_of_the_peers() -> None:
    offer = offers.SRTP_ALONE.replace("crypto:1", "crypto:7")
    text, media = answer(offer, replace(LOCAL, srtp="optional"), KeyExchange(lambda length: b"k" * length))
    ours = base64.b64encode(b"k" * 30).decode()
    assert f"\r\na=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{ours}\r\n" in text
    assert media.srtp is not None
    assert media.srtp.send_key == b"k" * 30
    assert base64.b64encode(media.srtp.receive_key).decode() in offer
    assert "key" not in repr(media)


def test_a_refused_offer_leaves_the_keys_alone() -> None:
    keys = no_keys()
    with pytest.raises(NoCommonCodec):
        answer(offers.SRTP_ALONE.replace("SAVP 0", "SAVP 9"), replace(LOCAL, srtp="required"), keys)
    assert keys.agreed is None


@pytest.mark.parametrize(("policy", "suites"), [("off", 0), ("optional", 0), ("required", len(KEY_BYTES))])
def test_our_offers_are_srtp_where_it_is_required(policy: SrtpPolicy, suites: int) -> None:
    text = negotiation.offer(replace(LOCAL, srtp=policy), no_keys(), session_id=1, version=1)
    assert text.count("m=") == 1
    assert text.count("a=crypto:") == suites
    assert (" RTP/SAVP " in text) == (suites > 0)


@pytest.mark.parametrize("policy", ["off", "optional", "required"])
def test_a_call_with_srtp_never_goes_back(policy: SrtpPolicy) -> None:
    keys = no_keys()
    answer(offers.SRTP_ALONE, replace(LOCAL, srtp="required"), keys)
    with pytest.raises(SrtpRequired):
        answer(offers.STATIC_TYPES_ALONE, replace(LOCAL, srtp=policy), keys)
    assert " RTP/SAVP " in negotiation.offer(replace(LOCAL, srtp=policy), keys, session_id=1, version=1)
