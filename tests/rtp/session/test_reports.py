"""RTCP: what a session reports, and what it makes of its peer's reports."""

from itertools import pairwise

import pytest

from rtp.events import ByeReceived
from rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compact_ntp,
    parse_compound,
    serialize_compound,
)
from tests.rtp.session.rig import BEHIND_NAT, START, events, feed, rtcp, session
from tests.rtp.streams import ATTACKER, CALLER, SSRC, speech, stream


def test_reports_are_sent_about_every_five_seconds() -> None:
    rtp = session()
    times = []
    for tick in range(50 * 120):
        now = START + tick * 0.02
        rtp.handle_timer(now)
        times += [now for _ in rtp.rtcp_to_send()]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 2.5
    assert max(gaps) <= 7.52
    assert len(times) == pytest.approx(24, abs=5)


def test_a_report_says_what_was_sent_and_heard() -> None:
    rtp = session()
    arrivals = stream(1.0)
    del arrivals[10]
    feed(rtp, arrivals)
    rtp.send_frame(speech(0), START + 1)
    rtp.handle_timer(START + 8)
    [(data, addr)] = rtp.rtcp_to_send()
    assert addr == (CALLER[0], 4001)
    report, description = parse_compound(data)
    assert isinstance(report, SenderReport)
    assert isinstance(description, SourceDescription)
    assert (report.packets, report.octets) == (1, 160)
    [block] = report.blocks
    assert (block.ssrc, block.cumulative_lost, block.extended_highest) == (SSRC, 1, 1049)


def test_a_session_that_sends_nothing_reports_as_receiver() -> None:
    rtp = session(direction="recvonly")
    rtp.handle_timer(START + 8)
    [[report, _]] = rtcp(rtp)
    assert isinstance(report, ReceiverReport)


def test_the_peers_report_gives_round_trip_and_quality() -> None:
    rtp = session()
    rtp.send_frame(speech(0), START)
    rtp.handle_timer(START + 8)
    [[ours, _]] = rtcp(rtp)
    assert isinstance(ours, SenderReport)
    block = ReportBlock(rtp.outbound.ssrc, 0, 0, 0, 80, compact_ntp(ours.ntp), 65536)
    rtp.receive_rtcp(serialize_compound([ReceiverReport(SSRC, (block,))]), (CALLER[0], 4001), START + 9.06)
    report = rtp.report(START + 10)
    assert report.rtt_ms == pytest.approx(60, abs=0.1)
    assert report.outbound.jitter_ms == 10
    assert report.outbound.mos is not None
    assert report.outbound.mos > 4.3


def test_goodbye_is_sent_and_received() -> None:
    rtp = session()
    feed(rtp, stream(0.1))
    rtp.close(START + 1)
    [[*_, goodbye]] = rtcp(rtp)
    assert goodbye == Goodbye((rtp.outbound.ssrc,))
    bye = serialize_compound([ReceiverReport(SSRC), Goodbye((SSRC,))])
    rtp.receive_rtcp(bye, (CALLER[0], 4001), START + 1)
    assert ByeReceived(SSRC) in events(rtp)


def test_rtcp_from_elsewhere_or_of_other_streams_changes_nothing() -> None:
    rtp = session()
    feed(rtp, stream(0.1))
    events(rtp)
    for attacker in (ATTACKER, (CALLER[0], 9999)):
        rtp.receive_rtcp(serialize_compound([Goodbye((SSRC,))]), attacker, START + 1)
    rtp.receive_rtcp(serialize_compound([Goodbye((99,))]), (CALLER[0], 4001), START + 1)
    rtp.receive_rtcp(b"junk", (CALLER[0], 4001), START + 1)
    assert events(rtp) == []
    assert rtp.report(START).inbound.foreign_rtcp == 2
    rtp.close(START + 2)
    assert [addr for _, addr in rtp.rtcp_to_send()] == [(CALLER[0], 4001)]


def test_rtcp_on_the_rtp_port_is_understood() -> None:
    rtp = session()
    feed(rtp, stream(0.1))
    rtp.receive_datagram(serialize_compound([ReceiverReport(SSRC), Goodbye((SSRC,))]), CALLER, START + 1)
    assert ByeReceived(SSRC) in events(rtp)


def test_the_highest_port_has_none_after_it() -> None:
    rtp = session(signalling_host=BEHIND_NAT[0])
    feed(rtp, stream(1.0), (BEHIND_NAT[0], 65_535))
    rtp.close(START + 2)
    assert [addr for _, addr in rtp.rtcp_to_send()] == [(BEHIND_NAT[0], 65_535)]


def test_a_peer_cannot_have_lost_more_than_was_sent() -> None:
    rtp = session()
    rtp.send_frame(speech(0), START)
    block = ReportBlock(rtp.outbound.ssrc, 255, 0x7FFFFF, 0, 0, 0, 0)
    rtp.receive_rtcp(serialize_compound([ReceiverReport(SSRC, (block,))]), (CALLER[0], 4001), START + 1)
    assert rtp.report(START + 1).outbound.loss_percent == 100


def test_rtcp_follows_a_source_behind_nat() -> None:
    rtp = session(signalling_host=BEHIND_NAT[0])
    feed(rtp, stream(1.0), BEHIND_NAT)
    rtp.close(START + 2)
    rtp.receive_rtcp(serialize_compound([ReceiverReport(SSRC)]), (BEHIND_NAT[0], 62_500), START + 2)
    rtp.close(START + 3)
    destinations = [addr for _, addr in rtp.rtcp_to_send()]
    assert destinations == [(BEHIND_NAT[0], BEHIND_NAT[1] + 1), (BEHIND_NAT[0], 62_500)]
