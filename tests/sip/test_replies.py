"""What header fields tell beside the status of a message."""

from __future__ import annotations

import pytest

from sipagent.sip.replies import q850_cause


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ('Q.850;cause=17;text="User busy"', 17),
        ('SIP;cause=480;text="a;b", Q.850 ; cause = 20 ; text="Subscriber absent"', 20),
        ("q.850;text=busy;cause=17", 17),
        ("SIP;cause=486", None),
        ("Q.850", None),
        ("Q.850;cause=busy", None),
        ("Q.8501;cause=17", None),
    ],
)
def test_the_cause_of_the_network(reason: str, cause: int | None) -> None:
    assert q850_cause(f"SIP/2.0 486 Busy Here\r\nReason: {reason}\r\n\r\n") == cause


def test_of_several_reasons_that_of_the_network_counts() -> None:
    message = "BYE sip:us SIP/2.0\r\nReason: SIP;cause=200\r\nreason: Q.850;cause=16\r\n\r\n"
    assert q850_cause(message) == 16
    assert q850_cause("BYE sip:us SIP/2.0\r\n\r\n") is None
