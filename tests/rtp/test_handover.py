"""A session that goes on where another one had come to, in another process."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from rtp.address import Address
from rtp.events import SourceLatched
from rtp.handover import Handover, added
from rtp.packet import RtpPacket, parse
from rtp.params import SrtpParams
from rtp.playout import BeingHeard, Playout
from rtp.rtcp import SenderReport, SourceDescription, parse_compound
from rtp.session import RtpParams, RtpSession
from rtp.srtp import Srtp
from rtp.stats import InboundReport, OutboundReport, RtpReport
from tests.rtp.session.rig import feed, frames
from tests.rtp.streams import ATTACKER, CALLER, speech, stream
from tests.rtp.test_srtp import AES_80, SSRC, key, params, peer, refused, rtp

START, DIED, BACK = 100.0, 100.75, 101.0
SEEN_AT = 100.5


def session(now: float = START, before: Handover | None = None, srtp: SrtpParams | None = None) -> RtpSession:
    return RtpSession(RtpParams(CALLER, srtp=srtp), now=now, rng=Random(int(now)), before=before)


def sent(rtp: RtpSession, since: float, until: float) -> list[RtpPacket]:
    """A frame every 20 ms."""
    slots = round((until - since) * 50)
    for slot in range(slots):
        rtp.send_frame(speech(slot), since + slot / 50)
    return [parse(data) for data, _ in rtp.datagrams_to_send()]


def test_the_peer_hears_one_stream_with_packets_lost() -> None:
    first = session()
    packets = sent(first, START, SEEN_AT)
    seen = first.handover(SEEN_AT)
    packets += sent(first, SEEN_AT, DIED)
    after = sent(session(BACK, seen), BACK, BACK + 0.1)
    assert after[0].ssrc == packets[0].ssrc
    assert 1 <= after[0].sequence - packets[-1].sequence <= 50
    assert after[0].timestamp - packets[0].timestamp == pytest.approx((BACK - START) * 8000, abs=160)
    assert all(b.sequence - a.sequence == 1 and b.timestamp - a.timestamp == 160 for a, b in pairwise(after))


def test_a_death_without_a_gap_uses_no_number_or_timestamp_twice() -> None:
    first = session()
    seen = first.handover(START)
    packets = sent(first, START, DIED)
    assert seen.sent is None
    seen = first.handover(DIED)
    after = sent(session(DIED, seen), DIED, DIED + 0.1)
    assert after[0].sequence > packets[-1].sequence
    assert after[0].timestamp > packets[-1].timestamp


def test_an_srtp_stream_begins_under_another_ssrc() -> None:
    first = session(srtp=params())
    packets = sent(first, START, SEEN_AT)
    after = sent(session(BACK, first.handover(SEEN_AT), srtp=params()), BACK, BACK + 0.1)
    assert after[0].ssrc != packets[0].ssrc


@pytest.mark.parametrize(("source", "latches"), [(CALLER, True), (ATTACKER, False)])
def test_nobody_latches_in_the_hole(source: Address, latches: bool) -> None:
    first = session()
    feed(first, stream(0.2, start=START))
    second = session(BACK, first.handover(SEEN_AT))
    arrivals = stream(1.8, start=BACK, ssrc=77)
    assert bool(feed(second, arrivals, source)) is latches
    assert not any(isinstance(event, SourceLatched) for event in iter(second.next_event, None))


def test_a_source_behind_nat_needs_no_probation() -> None:
    behind_nat = ("198.51.100.7", 61_000)
    first = session()
    feed(first, stream(4.0, start=START), behind_nat)
    seen = first.handover(START + 4.5)
    assert seen.source == behind_nat
    assert feed(session(START + 5, seen), stream(0.06, start=START + 5), behind_nat) == frames(3)


def test_reports_go_on_counting() -> None:
    first = session()
    feed(first, stream(0.2, start=START))
    sent(first, START, SEEN_AT)
    second = session(BACK, first.handover(SEEN_AT))
    feed(second, stream(0.1, start=BACK))
    sent(second, BACK, BACK + 0.1)
    report = second.report(BACK + 0.2)
    assert (report.inbound.packets, report.outbound.packets) == (15, 25 + 5)
    third = session(BACK + 1, second.handover(BACK + 0.2))
    assert third.report(BACK + 1).inbound.packets == 15


def test_rtcp_goes_on_under_its_name_and_counts() -> None:
    first = session()
    sent(first, START, SEEN_AT)
    second = session(BACK, first.handover(SEEN_AT))
    sent(second, BACK, BACK + 0.1)
    first.close(SEEN_AT)
    second.close(BACK + 0.1)
    said = [parse_compound(rtp.rtcp_to_send()[-1][0]) for rtp in (first, second)]
    names = [packet.cname for packets in said for packet in packets if isinstance(packet, SourceDescription)]
    assert names[0] == names[1]
    counts = [packet.packets for packets in said for packet in packets if isinstance(packet, SenderReport)]
    assert counts == [25, 30]


def test_totals_of_two_reports() -> None:
    before = RtpReport(
        InboundReport(packets=100, lost=2, jitter_mean_ms=2.0, jitter_max_ms=9.0, buffer_depth_ms=60.0),
        OutboundReport(packets=90, bytes=900, lost=1, loss_percent=1.1, jitter_ms=3.0, mos=4.2),
        rtt_ms=30.0,
    )
    after = RtpReport(
        InboundReport(packets=300, lost=1, jitter_mean_ms=6.0, jitter_max_ms=7.0, buffer_depth_ms=80.0),
        OutboundReport(packets=10, bytes=100, unsent=2),
    )
    total = added(before, after, is_same_stream=False)
    assert total.inbound.packets == 400
    assert total.inbound.lost == 3
    assert total.inbound.jitter_mean_ms == 5.0
    assert (total.inbound.jitter_max_ms, total.inbound.buffer_depth_ms) == (9.0, 80.0)
    assert total.outbound == OutboundReport(100, 1000, 2, 1.0, 1, 3.0, 4.2)
    assert total.rtt_ms == 30.0
    went_on = replace(after, outbound=OutboundReport(packets=100, bytes=1000, lost=4, loss_percent=4.0))
    assert added(before, went_on, is_same_stream=True).outbound.lost == 4


@pytest.mark.parametrize("cycles", [0, 1, 3])
def test_a_new_context_knows_the_roll_over_counter(cycles: int) -> None:
    srtp, sender = Srtp(params()), peer()
    sequence = 65_500
    for at in range(0, (cycles << 16) + sequence + 1, 30_000):
        srtp.unprotect(sender.protect(rtp(at)), 0.0)
    srtp.unprotect(sender.protect(rtp((cycles << 16) + sequence)), 0.0)
    assert srtp.indexes == {SSRC: (cycles << 16) + sequence}
    successor = Srtp(params(), srtp.indexes)
    for at in range(sequence + 40, sequence + 80):  # the next cycle begins in the hole
        assert successor.unprotect(sender.protect(rtp(at)), 0.0) is not None
    assert refused(successor) == (0, 0)


def test_keys_that_change_after_the_hand_over() -> None:
    srtp, sender = Srtp(params()), peer()
    srtp.unprotect(sender.protect(rtp(70)), 0.0)
    successor = Srtp(params(), srtp.indexes)
    successor.rekey(SrtpParams(AES_80, key(1), key(3)), 0.0)
    assert successor.unprotect(peer(3).protect(rtp(90)), 0.1) is not None


def test_what_of_an_item_is_being_heard() -> None:
    playout = Playout(8, b"\xff")
    assert playout.being_heard is None
    playout.push(bytes(8 * 100), "i1", 0)
    assert playout.being_heard is None
    playout.pop(20, 0.0)
    assert playout.being_heard == BeingHeard("i1", 20, 80, False)
    playout.end_item("i1", 0)
    assert playout.being_heard == BeingHeard("i1", 20, 80, True)
