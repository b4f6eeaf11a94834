"""Who may be called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.config import OutboundConfig
from sipagent.outbound.allowing import Allowed, Refused, judge

POLICY = OutboundConfig(
    allow=("+49", "+1202", "+49900123", "10"),
    deny=("+49900", "+4915"),
    allow_hosts=("pbx.example", "192.0.2.1:5080", "[2001:db8::1]"),
)


@pytest.mark.parametrize(
    ("to", "called"),
    [
        ("+4930123456", "+4930123456"),
        ("+49 (30) 123-456", "+4930123456"),
        ("tel:+4930123456", "+4930123456"),
        (" +12025550100 ", "+12025550100"),
        ("1000", "1000"),
        ("+499001234", "+499001234"),
        ("sip:anna@pbx.example", "sip:anna@pbx.example"),
        ("sip:+4930123@PBX.example", "sip:+4930123@PBX.example"),
        ("sips:7@192.0.2.1:5080", "sips:7@192.0.2.1:5080"),
        ("sip:7@[2001:db8::1]", "sip:7@[2001:db8::1]"),
    ],
)
def test_who_is_named_may_be_called(to: str, called: str) -> None:
    assert judge(to, POLICY) == Allowed(called)


@pytest.mark.parametrize(
    ("to", "rule"),
    [
        ("+442071234567", "destination_not_allowed"),
        ("4930123456", "destination_not_allowed"),
        ("+12035550100", "destination_not_allowed"),
        ("+49900555", "destination_denied"),
        ("+49151234567", "destination_denied"),
        ("0", "destination_invalid"),
        ("", "destination_invalid"),
        ("anna", "destination_invalid"),
        ("+49301;isub=2", "destination_invalid"),
        ("+49³0123", "destination_invalid"),
        ("+49*31#123", "destination_invalid"),
        ("tel:+49301;phone-context=x", "destination_invalid"),
        ("sip:anna@elsewhere.example", "host_not_allowed"),
        ("sip:anna@pbx.example:5061", "host_not_allowed"),
        ("sip:anna@pbx.example.evil.example", "host_not_allowed"),
        ("sip:+49900555@pbx.example", "destination_denied"),
        ("sip:pbx.example", "destination_invalid"),
        ("sip:anna@pbx.example;maddr=192.0.2.9", "destination_invalid"),
        ("sip:anna@pbx.example?Route=x", "destination_invalid"),
        ("sip:anna@evil.example@pbx.example", "destination_invalid"),
        ("sip:a\r\nVia: x@pbx.example", "destination_invalid"),
        ("sip:a:secret@pbx.example", "destination_invalid"),
    ],
)
def test_all_others_are_refused_by_a_rule(to: str, rule: str) -> None:
    verdict = judge(to, POLICY)
    assert isinstance(verdict, Refused)
    assert verdict.rule == rule


@given(st.text(alphabet="+0123456789 -()", max_size=25))
def test_without_a_policy_nobody_may_be_called(to: str) -> None:
    assert isinstance(judge(to, OutboundConfig()), Refused)


@given(st.from_regex(r"\+49\d{4,12}", fullmatch=True), st.integers(1, 12), st.integers(1, 12))
def test_the_longest_prefix_decides(number: str, allowed: int, denied: int) -> None:
    lists: dict[str, Any] = {"allow": (number[:allowed],), "deny": (number[:denied],)}
    verdict = judge(number, OutboundConfig(**lists))
    longer = len(number[:allowed]) > len(number[:denied])
    assert isinstance(verdict, Allowed) == longer
