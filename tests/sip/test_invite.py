"""INVITEs as text."""

from __future__ import annotations

import pytest

from sipagent.errors import ReasonCode
from sipagent.sip.invite import parse_invite, rejected_invite, split_address
from tests.sip import offers


def invite(*headers: str, body: str = "") -> str:
    return "\r\n".join(["INVITE sip:+15550100@198.51.100.1 SIP/2.0", *headers, "", body])


def test_headers_by_their_long_names_in_their_order() -> None:
    parsed = parse_invite(
        invite(
            "v: SIP/2.0/TCP 203.0.113.5:5060;branch=z9hG4bK1",
            "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2",
            'f: "Alice" <sip:+15550001@carrier.example>;tag=1',
            "To: <sip:+15550100@198.51.100.1>",
            "i: abc@203.0.113.5",
            "Subject: folded",
            "\tonce  ",
        ),
        "203.0.113.5",
        5060,
    )
    assert (parsed.sip_call_id, parsed.transport, parsed.offer) == ("abc@203.0.113.5", "tcp", None)
    assert (parsed.from_number, parsed.to_number) == ("+15550001", "+15550100")
    assert [name for name, _ in parsed.headers] == ["Via", "Via", "From", "To", "Call-ID", "Subject"]
    assert parsed.header("SUBJECT") == "folded once"
    assert parsed.header("via") == "SIP/2.0/TCP 203.0.113.5:5060;branch=z9hG4bK1"


def test_the_offer_is_the_body_as_it_came() -> None:
    text = invite("Content-Type: application/sdp", body=offers.ASTERISK)
    assert parse_invite(text, "203.0.113.9", 5060).offer == offers.ASTERISK


def test_the_offer_in_a_body_of_several_parts() -> None:
    body = (
        "--b\r\nContent-Type: application/isup\r\n\r\nxyz\r\n"
        f"--b\r\nContent-Type: application/sdp\r\n\r\n{offers.ASTERISK}\r\n--b--\r\n"
    )
    parsed = parse_invite(invite("c: multipart/mixed;boundary=b", body=body), "203.0.113.9", 5060)
    assert parsed.offer == offers.ASTERISK


@pytest.mark.parametrize(
    "parameters",
    ["boundary", "boundary*=a; boundary*0=b", "boundary*=\0''a", "boundary=b; boundary*99999=x"],
)
def test_odd_parameters_of_a_content_type_are_no_error(parameters: str) -> None:
    text = invite(f"c: multipart/mixed; {parameters}", body="--b\r\n\r\nx\r\n--b--")
    assert parse_invite(text, "203.0.113.9", 5060).offer is None


@pytest.mark.parametrize("text", ["", "INVITE", "INVITE sip:x SIP/2.0\r\n:\r\n\r\n", "\udcff\r\n\r\n\0"])
def test_nothing_in_a_message_is_fatal(text: str) -> None:
    parse_invite(text, "203.0.113.5", 5060)


@pytest.mark.parametrize(
    ("sip_status", "offer", "reason_code"),
    [
        (486, offers.ASTERISK, ReasonCode.SERVER_CALL_LIMIT),
        (500, offers.ASTERISK, ReasonCode.INTERNAL_ERROR),
        (488, offers.ASTERISK, ReasonCode.BAD_OFFER),
        (488, offers.SRTP_ALONE, ReasonCode.BAD_OFFER),
        (488, offers.STATIC_TYPES_ALONE.replace("0 8", "9 18"), ReasonCode.NO_COMMON_CODEC),
        (400, "nonsense", ReasonCode.BAD_OFFER),
    ],
)
def test_why_pjsip_refused(sip_status: int, offer: str, reason_code: ReasonCode) -> None:
    parsed = parse_invite(invite("Content-Type: application/sdp", body=offer), "203.0.113.5", 5060)
    assert rejected_invite(parsed, sip_status).reason_code == reason_code


@pytest.mark.parametrize(
    ("text", "address"),
    [("192.0.2.1:5060", ("192.0.2.1", 5060)), ("[2001:db8::1]:5061", ("2001:db8::1", 5061))],
)
def test_addresses_as_pjsip_prints_them(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address
