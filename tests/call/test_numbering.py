"""What a trunk is called with, and what it is called as."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.call.numbering import NotDiallable, is_number, uri_to_call, uri_to_call_as
from sipagent.config import TrunkConfig


def trunk(**settings: Any) -> TrunkConfig:
    return TrunkConfig.model_validate({"name": "carrier", "allowed_addresses": ["192.0.2.1"], **settings})


REGISTERED = trunk(registration={"registrar": "sip:sip.provider.example:5062", "username": "alice"})


@pytest.mark.parametrize("text", ["100", "+15551234", "*97#"])
def test_a_number_is_digits_with_plus_star_or_hash(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "sales", "1;x=2", "1@evil.example", "\u0661\u0662", "1 2"])
def test_nothing_else_is_a_number(text: str) -> None:
    assert not is_number(text)


def test_a_number_goes_through_the_template_of_the_trunk() -> None:
    templated = trunk(transfer={"uri_template": "sip:{digits}@gw.example"})
    assert uri_to_call("+1 (555) 12-34", templated) == "sip:15551234@gw.example"
    assert uri_to_call("+15551234", REGISTERED) == "sip:+15551234@sip.provider.example:5062"


def test_a_uri_is_called_as_it_is() -> None:
    assert uri_to_call("sip:anna@phones.example", trunk()) == "sip:anna@phones.example"


@pytest.mark.parametrize("to", ["", "sales", "1@evil.example", "sip:a b@c"])
def test_what_is_neither_is_not_called(to: str) -> None:
    with pytest.raises(NotDiallable, match="neither a number nor a URI"):
        uri_to_call(to, REGISTERED)


def test_a_trunk_may_know_no_way_to_call_a_number() -> None:
    with pytest.raises(NotDiallable, match="how to call a number"):
        uri_to_call("100", trunk())


def test_a_number_of_ours_is_known_at_the_registrar_or_at_our_address() -> None:
    assert uri_to_call_as("+1555", REGISTERED, "198.51.100.1") == "sip:+1555@sip.provider.example"
    assert uri_to_call_as("+1555", trunk(), "198.51.100.1") == "sip:+1555@198.51.100.1"
    assert uri_to_call_as("+1555", trunk(), "2001:db8::1") == "sip:+1555@[2001:db8::1]"
    assert uri_to_call_as("sip:shop@us.example", trunk(), "198.51.100.1") == "sip:shop@us.example"
