"""What pjsip says and what we log of it: peers cause much of it, and none of them may fill a disk."""

from __future__ import annotations

import logging

import pytest

from sipagent.sip import pjlog
from sipagent.sip.pjlog import MOST_WARNINGS_PER_S, Limit, forward

UNREADABLE = "sip_transport.c Dropping 9 bytes packet from UDP 192.0.2.9:5062 : bad 'Via': src=1.2.3.4"
UNUSABLE = "sip_endpoint.c Error processing packet from [2001:db8::9]:5062: no To:\nINVITE sip:x\r\nFrom"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What is logged, from a new second on."""
    monkeypatch.setattr(pjlog, "limit", Limit())
    caplog.set_level(logging.INFO, "sipagent.sip")
    return caplog


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        (UNREADABLE, "malformed message src=192.0.2.9:5062: bad 'Via': src=1.2.3.4"),
        (UNUSABLE, "malformed message src=[2001:db8::9]:5062: no To:"),
        ("ssl_sock SSL timeout after 5.0s", "ssl_sock SSL timeout after 5.0s"),
    ],
)
def test_a_source_comes_before_the_words_of_the_sender(
    log: pytest.LogCaptureFixture, said: str, logged: str
) -> None:
    forward(1, said)
    assert log.messages == [logged]


def test_warnings_are_limited_and_malformed_messages_all_counted(log: pytest.LogCaptureFixture) -> None:
    for _ in range(100 * MOST_WARNINGS_PER_S):
        forward(1, UNREADABLE)
    assert len(log.messages) <= 3 * MOST_WARNINGS_PER_S
    assert pjlog.malformed_messages() == 100 * MOST_WARNINGS_PER_S


def test_what_was_left_out_is_told_in_the_next_second() -> None:
    limit = Limit()
    taken = [limit.takes(7.0 + each / 100) for each in range(MOST_WARNINGS_PER_S + 5)]
    assert taken == [0] * MOST_WARNINGS_PER_S + [-1] * 5
    assert [limit.takes(8.5), limit.takes(8.6), limit.takes(9.0)] == [5, 0, 0]


def test_defects_are_never_left_out(log: pytest.LogCaptureFixture) -> None:
    for _ in range(2 * MOST_WARNINGS_PER_S):
        forward(0, "out of memory")
    assert len(log.messages) == 2 * MOST_WARNINGS_PER_S
