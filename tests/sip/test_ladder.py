"""The SIP messages that are kept of a call: bounded, and safe to be looked at."""

from __future__ import annotations

import pytest

from sipagent.sip.ladder import MAX_CHARS, MAX_MESSAGES, MessageLog, redacted

HEAD = "INVITE sip:100@192.0.2.1 SIP/2.0\r\nCall-ID: abc\r\n"


@pytest.mark.parametrize(
    "secret",
    [
        'Authorization: Digest username="u", response="SECRET"\r\n',
        "proxy-authorization:Digest SECRET\r\n",
        'Authorization: Digest username="u",\r\n  response="SECRET"\r\n',
        "Identity: SECRET.SECRET.SECRET;info=<https://cert.example/SECRET>\r\n",
        "y: SECRET\r\n",
    ],
)
def test_what_authenticates_somebody_is_taken_out(secret: str) -> None:
    shown = redacted(HEAD + secret + "Contact: <sip:me@192.0.2.1>\r\n\r\n")
    assert "SECRET" not in shown
    assert "Contact: <sip:me@192.0.2.1>" in shown


def test_keys_in_sdp_are_taken_out() -> None:
    body = "v=0\r\nk=clear:SECRET\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET\r\na=sendrecv\r\n"
    shown = redacted(f"{HEAD}\r\n{body}")
    assert "SECRET" not in shown
    assert shown.endswith("a=sendrecv\r\n")


@pytest.mark.parametrize(
    ("kind", "body"), [("application/dtmf-relay", "Signal=7\r\nDuration=160\r\n"), ("application/dtmf", "7")]
)
def test_digits_are_taken_out(kind: str, body: str) -> None:
    shown = redacted(f"INFO sip:a@b SIP/2.0\r\nContent-Type: {kind}\r\n\r\n{body}")
    assert "7" not in shown.partition("\r\n\r\n")[2]


def test_a_message_without_secrets_is_kept_as_it_is() -> None:
    message = HEAD + 'From: "Y: not a header" <sip:+15559999@pbx>\r\nAllow: INVITE, ACK\r\n\r\n'
    assert redacted(message) == message


def test_messages_are_taken_once_and_in_order() -> None:
    log = MessageLog()
    log.note("in", "INVITE", 1.0)
    log.note("out", "SIP/2.0 200 OK", 2.0)
    assert [(each.direction, each.at, each.text) for each in log.take()] == [
        ("in", 1.0, "INVITE"),
        ("out", 2.0, "SIP/2.0 200 OK"),
    ]
    assert log.take() == []


def test_a_message_that_is_told_of_twice_is_kept_once() -> None:
    log = MessageLog()
    for message in ("BYE", "OK", "BYE"):
        log.note("in", message, 1.0)
    assert [each.text for each in log.take()] == ["BYE", "OK"]


def test_our_own_end_is_told_by_what_we_asked_for() -> None:
    log = MessageLog()
    log.note_end(503, [("Reason", 'SIP;cause=503;text="draining"'), ("Retry-After", "60")], 2.0)
    (end,) = log.take()
    assert end.direction == "out"
    assert end.text.split("\r\n") == [
        "(ended by us) 503",
        'Reason: SIP;cause=503;text="draining"',
        "Retry-After: 60",
    ]


def test_a_peer_that_never_stops_fills_no_memory() -> None:
    log = MessageLog()
    for number in range(3 * MAX_MESSAGES):
        log.note("in", f"{number}" + "x" * 100_000, 1.0)
    kept = log.take()
    assert len(kept) == MAX_MESSAGES
    assert {len(each.text) for each in kept[:-1]} == {MAX_CHARS}
    assert kept[-1].text == "(what came after this was not kept)"
