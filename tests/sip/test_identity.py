"""Who calls, by what a trunk believes; who we say we are; and what STIR/SHAKEN has to say."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sipagent.config import CallerIdConfig
from sipagent.sip.identity import caller_of, identified, our_headers, split_values
from sipagent.sip.messages import Caller, IncomingInvite
from sipagent.sip.stir import claims, seen

BELIEVING = CallerIdConfig(
    take_from="p_asserted_identity", trust=("remote_party_id", "diversion", "history_info")
)
SUSPICIOUS = CallerIdConfig()
PAI = ("P-Asserted-Identity", '"Bob" <sip:+15550009@carrier.example;user=phone>')


def invite(*headers: tuple[str, str], from_uri: str = '"A, B" <sip:+15550001@x>;tag=1') -> IncomingInvite:
    return IncomingInvite("1", "192.0.2.1", 5060, "udp", "sip:100@us", from_uri, "sip:100@us", headers)


def passport(payload: Any) -> str:
    parts = ({"alg": "ES256", "ppt": "shaken"}, payload)
    head, body = (base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
    return f"{head}.{body}.c2ln;info=<https://certs.example/a.pem>;alg=ES256;ppt=shaken"


def test_without_trust_it_is_from_whatever_else_is_said() -> None:
    others = (
        PAI,
        ("Diversion", "<sip:+15550003@x>;reason=no-answer"),
        ("Remote-Party-ID", "<sip:+15550004@x>"),
    )
    assert caller_of(invite(*others), SUSPICIOUS) == Caller("+15550001")


def test_the_number_is_that_which_the_network_asserts() -> None:
    caller = caller_of(invite(PAI), BELIEVING)
    assert (caller.number, caller.asserted_identity) == ("+15550009", "+15550009")
    assert identified(invite(PAI), BELIEVING).from_number == "+15550009"


def test_from_stands_where_nothing_is_asserted() -> None:
    assert caller_of(invite(), BELIEVING) == Caller("+15550001")


def test_an_asserted_identity_may_be_trusted_and_not_taken() -> None:
    caller = caller_of(invite(PAI), CallerIdConfig(trust=("p_asserted_identity",)))
    assert (caller.number, caller.asserted_identity) == ("+15550001", "+15550009")


def test_of_two_asserted_identities_the_one_with_a_number() -> None:
    header = ("P-Asserted-Identity", "<sip:carrier.example>, <tel:+15550009;verstat=TN-Validation-Passed>")
    caller = caller_of(invite(header), BELIEVING)
    assert caller.number == "+15550009"
    assert caller.stir == {"verstat": "TN-Validation-Passed", "unverified": None}


def test_a_remote_party_is_the_calling_one() -> None:
    header = ("Remote-Party-ID", "<sip:+1@x>;party=called, <sip:+15550004@x>;party=calling;privacy=off")
    caller = caller_of(invite(header), CallerIdConfig(take_from="remote_party_id"))
    assert (caller.number, caller.privacy) == ("+15550004", None)


@pytest.mark.parametrize(
    ("headers", "from_uri", "privacy"),
    [
        ((("Privacy", "id"),), "<sip:+15550001@x>", "id"),
        ((("Privacy", "critical; user ;id"),), "<sip:+15550001@x>", "user"),
        ((), '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1', "user"),
        ((("Remote-Party-ID", "<sip:+15550004@x>;privacy=full;screen=yes"),), "<sip:+15550001@x>", "full"),
    ],
)
def test_who_wants_to_be_anonymous_is(headers: tuple[Any, ...], from_uri: str, privacy: str) -> None:
    caller = caller_of(invite(PAI, *headers, from_uri=from_uri), BELIEVING)
    assert (caller.number, caller.privacy) == ("anonymous", privacy)
    assert caller.asserted_identity == "+15550009"


def test_privacy_none_hides_nothing() -> None:
    caller = caller_of(invite(PAI, ("Privacy", "none")), BELIEVING)
    assert (caller.number, caller.privacy) == ("+15550009", "none")


@pytest.mark.parametrize(
    ("headers", "diverted_from"),
    [
        (
            (("Diversion", "<sip:+15550005@x>;reason=user-busy"), ("Diversion", "<sip:+15550006@x>")),
            "+15550005",
        ),
        ((("Diversion", '"B, C" <tel:+15550005>;privacy=full'),), "anonymous"),
        ((("History-Info", "<sip:+15550007@x>;index=1, <sip:100@us;cause=302>;index=1.1"),), "+15550007"),
        (
            (("History-Info", "<sip:+15550007@x?Privacy=history>;index=1,<sip:100@us>;index=1.1"),),
            "anonymous",
        ),
        ((("History-Info", "<sip:100@us>;index=1"),), None),
        ((), None),
    ],
)
def test_who_had_the_call_before(headers: tuple[Any, ...], diverted_from: str | None) -> None:
    assert caller_of(invite(*headers), BELIEVING).diverted_from == diverted_from


def test_commas_in_quotes_and_brackets_part_nothing() -> None:
    line = '"a, \\"b" <sip:a@x?h=1,2>;p="c,d", <sip:b@x> ,'
    assert list(split_values(line)) == ['"a, \\"b" <sip:a@x?h=1,2>;p="c,d"', "<sip:b@x>"]


@pytest.mark.parametrize(
    ("send_in", "hidden", "shown", "headers"),
    [
        ("from", False, "sip:+1@x", ()),
        ("p_asserted_identity", False, "sip:+1@x", (("P-Asserted-Identity", "<sip:+1@x>"),)),
        (
            "p_asserted_identity",
            True,
            '"Anonymous" <sip:anonymous@anonymous.invalid>',
            (("P-Asserted-Identity", "<sip:+1@x>"), ("Privacy", "id")),
        ),
        (
            "remote_party_id",
            True,
            '"Anonymous" <sip:anonymous@anonymous.invalid>',
            (
                ("Remote-Party-ID", "<sip:+1@x>;party=calling;privacy=full;screen=no"),
                ("Privacy", "id"),
            ),
        ),
    ],
)
def test_how_we_say_who_we_are(send_in: Any, hidden: bool, shown: str, headers: tuple[Any, ...]) -> None:
    assert our_headers("sip:+1@x", CallerIdConfig(send_in=send_in), hidden=hidden) == (shown, headers)


def test_the_claims_of_a_passport_are_told_as_unverified() -> None:
    payload = {
        "attest": "A",
        "orig": {"tn": "15550001"},
        "dest": {"tn": ["15550100"], "uri": ["sip:x@y"]},
        "origid": "0a1b",
        "iat": 1700000000,
    }
    told = seen([passport(payload)], ["<sip:+15550001@x>"])
    assert told == {
        "verstat": None,
        "unverified": {
            "attestation": "A",
            "orig": "15550001",
            "dest": ["15550100", "sip:x@y"],
            "origid": "0a1b",
            "iat": 1700000000,
        },
    }


def test_an_invite_without_any_of_it() -> None:
    assert seen([], ["<sip:+15550001@x;user=phone>"]) is None
    assert caller_of(invite(("Identity", "..sig;info=<https://x>")), SUSPICIOUS).stir is not None


@pytest.mark.parametrize(
    "identity",
    [
        "..c2ln;info=<https://x>",
        "",
        "a.b",
        "a.!!.c",
        passport([1]),
        passport({"dest": 7, "attest": []}),
        "é.a.b",
    ],
)
def test_an_identity_that_cannot_be_read_claims_nothing(identity: str) -> None:
    told = claims(identity)
    assert (told["attestation"], told["orig"], told["dest"], told["iat"]) == (None, None, [], None)
