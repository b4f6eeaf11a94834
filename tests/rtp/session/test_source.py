"""Whose packets are heard, and who gets ours."""

import pytest

from rtp.address import Address
from rtp.events import ForeignPacketDropped, SourceChanged
from rtp.packet import parse
from rtp.session import Frame, RtpParams
from tests.rtp.session.rig import BEHIND_NAT, START, audio, events, feed, frames, session
from tests.rtp.streams import ATTACKER, CALLER, Arrival, speech, stream


def at(arrived: tuple[Arrival, Address]) -> float:
    return arrived[0].at


@pytest.mark.parametrize("attacker", [ATTACKER, (CALLER[0], 9999)])
def test_injected_packets_are_not_heard_and_get_nothing(attacker: Address) -> None:
    rtp = session()
    attack = [(entry._replace(at=entry.at - 0.3), attacker) for entry in stream(0.8, ssrc=666)]
    call = [(entry, CALLER) for entry in stream(0.5)]
    heard = [piece for entry, addr in sorted(attack + call, key=at) for piece in feed(rtp, [entry], addr)]
    assert [piece for piece in heard if isinstance(piece, Frame)] == frames(25)
    rtp.send_frame(speech(0), 101.0)
    assert [addr for _, addr in rtp.datagrams_to_send()] == [CALLER]
    assert rtp.report(101.0).inbound.foreign == 40


def test_foreign_packets_are_told_at_a_falling_rate() -> None:
    rtp = session()
    for entry in stream(1.0):
        feed(rtp, [entry])
        feed(rtp, [entry], ATTACKER)
    told = [event.total for event in events(rtp) if isinstance(event, ForeignPacketDropped)]
    assert told == [1, 2, 4, 8, 16, 32]


def test_a_caller_behind_nat_is_found_and_loses_nothing() -> None:
    rtp = session(signalling_host=BEHIND_NAT[0])
    heard = feed(rtp, stream(2.0), BEHIND_NAT)
    assert audio(heard) == b"".join(speech(index) for index in range(100))
    rtp.send_frame(speech(0), 102.0)
    assert [addr for _, addr in rtp.datagrams_to_send()] == [BEHIND_NAT]


def test_stun_gets_no_answer() -> None:
    """We do no ICE: nobody has credentials to ask us anything."""
    rtp = session()
    request = b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)
    rtp.receive_datagram(request, CALLER, START)
    rtp.receive_rtcp(request, CALLER, START)
    assert (rtp.datagrams_to_send(), rtp.rtcp_to_send()) == ([], [])
    assert rtp.report(START).inbound.stun == 2
    assert rtp.inbound.latch.source is None


def test_a_reinvite_moves_the_source() -> None:
    rtp = session()
    feed(rtp, stream(0.5))
    moved = (CALLER[0], 5000)
    rtp.update_remote(RtpParams(moved, codec="PCMA", payload_type=8), 100.6)
    rtp.send_frame(speech(0), 100.6)
    [(data, addr)] = rtp.datagrams_to_send()
    assert addr == moved
    assert parse(data).payload_type == 8
    feed(rtp, stream(0.5, start=100.6, first_sequence=1025, first_timestamp=54_000, payload_type=8), moved)
    assert SourceChanged(CALLER, moved) in events(rtp)
