"""A call told in order, from its record alone."""

from __future__ import annotations

from typing import Any

from sipagent.call_log.ladder import drawn
from sipagent.call_log.story import story
from sipagent.call_log.timeline import timeline
from tests.call_log.spools import record


def whole() -> dict[str, Any]:
    return record(
        "abc",
        source="192.0.2.1:5060/udp",
        route="pbx/100 -> echo",
        received_monotonic_s=100.0,
        ended_monotonic_s=112.5,
        timings={"backend_ready_ms": 200.0, "answered_ms": 250.0, "first_rtp_ms": None},
        turns=[
            {"role": "agent", "started_s": 0.5, "text": "Good day.", "played_ms": 900, "interrupted": False},
            {"role": "caller", "started_s": 2.0, "text": None},
        ],
        digits=[{"at_s": 4.0, "digit": "5", "duration_ms": 100, "method": "rfc4733"}],
        holds=[{"started_s": 5.0, "ended_s": None, "direction": "recvonly"}],
        problems=[{"at_s": 3.0, "code": "rate_limited", "message": "slow down"}],
        transfers=[
            {
                "started_s": 8.0,
                "target": "desk",
                "how": "refer",
                "outcome": "failed",
                "joined_s": None,
                "ended_s": 9.0,
            }
        ],
        legs=[{"started_s": 8.1, "to": "sip:7@b", "trunk": "pbx", "end_reason": "busy", "sip_status": 486}],
        tools=[{"at_s": 3.5, "name": "book_table", "ok": True}],
        cost={"total": 0.05, "model": 0.04, "trunk": 0.01, "currency": "USD"},
        tokens={"gpt": {"audio_output": 40}},
        rtp={"inbound": {"packets": 500, "lost": 2, "mos": 4.4}, "rtt_ms": 20.0},
        recording="/var/x.wav",
        recording_truncated=True,
    )


def told(entry: dict[str, Any]) -> list[tuple[float, str, str]]:
    return [(each.at_s, each.what, each.detail) for each in timeline(entry)]


def test_everything_with_a_time_is_told_in_order() -> None:
    assert told(whole()) == [
        (0.0, "INVITE", "+15559999 -> 100, inbound over pbx, 192.0.2.1:5060/udp"),
        (0.0, "decision", "pbx/100 -> echo"),
        (0.2, "ready", "the backend can take the call"),
        (0.25, "answered", "PCMU"),
        (0.5, "agent", "“Good day.”; 900 ms heard"),
        (2.0, "caller", "(no text)"),
        (3.0, "problem", "rate_limited: slow down"),
        (3.5, "tool", "name=book_table, ok=True"),
        (4.0, "digit", "5 pressed, 100 ms, by rfc4733"),
        (5.0, "hold", "until the end, we were recvonly"),
        (8.0, "transfer", "to desk by refer: failed, ended at 9.000"),
        (8.1, "call out", "to sip:7@b over pbx: busy (486)"),
        (12.5, "ended", "caller_hung_up (200)"),
    ]


def test_a_refused_call_names_the_rule() -> None:
    trail = [
        {"rule": "trunk", "passed": True, "detail": "pbx takes it"},
        {"rule": "budget", "passed": False, "detail": "all is spent"},
    ]
    refused = record(
        "abc", reason_code="budget_exceeded", sip_status=503, end_reason="refused", detail="all is spent",
        route_trail=trail, received_monotonic_s=1.0, ended_monotonic_s=1.0,
    )  # fmt: skip
    assert [what for _, what, _ in told(refused)] == ["INVITE", "rule", "refused", "ended"]
    assert (0.0, "refused", "503 budget_exceeded: all is spent") in told(refused)


def test_a_call_that_a_crash_cut_off_ends_last_at_a_time_unknown() -> None:
    cut = whole() | {"ended_monotonic_s": None, "end_reason": "server_crashed", "sip_status": 0}
    assert told(cut)[-1] == (8.1, "ended", "server_crashed (0), at a time unknown")


def test_the_least_that_a_record_can_be_is_told() -> None:
    assert [what for _, what, _ in told({"call_id": "abc"})] == ["INVITE", "ended"]
    assert story({"call_id": "abc"}).startswith("call abc: None")


def test_the_story_tells_quality_cost_and_files() -> None:
    page = story(whole())
    assert "RTP inbound: packets 500, lost 2, mos 4.4" in page
    assert "tokens of gpt: 40 audio_output" in page
    assert "cost: 0.05 USD (model 0.04, trunk 0.01)" in page
    assert "recording: /var/x.wav (truncated)" in page


def test_a_ladder_shows_who_sent_what() -> None:
    messages = [
        {"at_s": 0.0, "direction": "in", "text": "INVITE sip:1@b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n"},
        {"at_s": 0.1, "direction": "out", "text": "SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n"},
        {
            "at_s": 2.0,
            "direction": "out",
            "text": '(ended by us) 503\r\nReason: SIP;cause=503;text="draining"',
        },
    ]
    head, *rungs = drawn(messages).splitlines()[:4]
    assert head.split() == ["peer", "sipagent"]
    assert ["INVITE" in rungs[0], rungs[0].endswith("->|")] == [True, True]
    assert ["180 Ringing (INVITE)" in rungs[1], "|<-" in rungs[1]] == [True, True]
    assert "(ended by us) 503" in rungs[2]
    assert 'text="draining"' in drawn(messages)


def test_a_call_that_was_placed_is_told_from_its_dialling_to_what_became_of_it() -> None:
    entry = record(
        "abc",
        **{"direction": "outbound", "from": "", "to": "+15550100"},
        received_monotonic_s=100.0,
        ended_monotonic_s=108.0,
        timings={"backend_ready_ms": 200.0},
        dial={"to_uri": "sip:+15550100@b", "dialled_s": 0.25, "progressed_s": 1.5, "early_media": True},
        end_reason="not_answered",
        sip_status=480,
        outcome="unreachable",
        q850=20,
    )
    assert told(entry) == [
        (0.0, "originated", "? -> +15550100, outbound over pbx"),
        (0.2, "ready", "the backend can take the call"),
        (0.25, "INVITE", "sip:+15550100@b"),
        (1.5, "progress", "the callee's side has the call, with audio of the network's"),
        (8.0, "ended", "not_answered (480), unreachable, Q.850 cause 20"),
    ]


def test_who_answered_and_its_beep_are_told() -> None:
    who = {"at_s": 4.4, "kind": "machine", "reason": "long_greeting"}
    told = timeline(record("abc", answered_by=who, beep={"at_s": 8.0, "hz": 1000, "duration_ms": 400}))
    assert [str(each).strip() for each in told if each.what in ("answerer", "beep")] == [
        "4.400  answerer   machine, long_greeting",
        "8.000  beep       1000 Hz for 400 ms",
    ]
