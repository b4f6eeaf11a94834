"""How soon audio is heard again after whatever may happen to a stream (testing.md: within 100 ms)."""

from random import Random

import pytest

from rtp.frames import Concealed, Frame
from rtp.packet import RtpPacket, serialize
from rtp.session import RtpParams, RtpSession
from tests.rtp.streams import CALLER, Arrival, speech, stream

START = 100.0
BREAK_S = 0.5
LIMIT_S = 0.1
AFTER = {"start": START + BREAK_S, "first_sequence": 1025, "first_timestamp": 54_000}

CHANGES = {
    "nothing": {},
    "sequence jump": {"first_sequence": 30_000},
    "small sequence jump": {"first_sequence": 1200},
    "sequence from zero": {"first_sequence": 0},
    "timestamp jump": {"first_timestamp": 3_000_000_000},
    "timestamp back": {"first_timestamp": 160},
    "timestamp back a little": {"first_timestamp": 53_000},
    "new SSRC": {"ssrc": 77},
    "new SSRC and numbering": {"ssrc": 77, "first_sequence": 7, "first_timestamp": 9},
    "new payload type": {"payload_type": 8},
    "longer packets": {"ptime_ms": 60},
    "shorter packets": {"ptime_ms": 10},
}


def session() -> RtpSession:
    return RtpSession(RtpParams(CALLER), now=START, rng=Random(1))


def heard_at(rtp: RtpSession, arrivals: list[Arrival]) -> list[tuple[Frame | Concealed, float]]:
    heard: list[tuple[Frame | Concealed, float]] = []
    for packet, at in arrivals:
        rtp.receive_datagram(serialize(packet), CALLER, at)
        while (piece := rtp.pop_frame(at)) is not None:
            heard.append((piece, at))
    return heard


def played_at(rtp: RtpSession, arrivals: list[Arrival]) -> list[tuple[Frame | Concealed, float]]:
    """The same by a clock, whose own delay does not count."""
    heard: list[tuple[Frame | Concealed, float]] = []
    coming = list(arrivals)
    for tick in range(80):
        now = START + 0.003 + tick * 0.02
        while coming and coming[0].at <= now:
            rtp.receive_datagram(serialize(coming[0].packet), CALLER, coming.pop(0).at)
        piece = rtp.play_frame(160, now)
        if piece is not None:
            heard.append((piece, now - 0.083))
    return heard


@pytest.mark.parametrize("listen", [heard_at, played_at])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_audio_resumes(change: dict[str, int], listen: object) -> None:
    assert callable(listen)
    before, after = stream(BREAK_S), stream(BREAK_S, **(AFTER | change))
    heard = listen(session(), before + after)
    first_at = after[0].at
    resumed = [(piece, at) for piece, at in heard if isinstance(piece, Frame) and at >= first_at - 0.001]
    assert resumed[0][1] - first_at <= LIMIT_S
    assert sum(len(piece.payload) for piece, _ in resumed) >= 0.8 * BREAK_S * 8000


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_several_frames_may_share_a_packet(frames: int) -> None:
    packets = [
        RtpPacket(0, index, index * 160 * frames, 1, speech(index, 160) * frames) for index in range(20)
    ]
    heard = heard_at(
        session(), [Arrival(packet, START + n * 0.02 * frames) for n, packet in enumerate(packets)]
    )
    assert b"".join(piece.payload for piece, _ in heard) == b"".join(packet.payload for packet in packets)


def test_a_packet_overtaken_by_the_first_is_late_and_not_a_duplicate() -> None:
    arrivals = stream(0.2)
    arrivals[0], arrivals[1] = (
        arrivals[1]._replace(at=arrivals[0].at),
        arrivals[0]._replace(at=arrivals[1].at),
    )
    rtp = session()
    heard = heard_at(rtp, arrivals)
    assert [piece for piece, _ in heard] == [Frame(speech(index)) for index in range(1, 10)]
    report = rtp.report(START + 1).inbound
    assert (report.late, report.duplicate, report.lost) == (1, 0, 0)
    assert report.loss_percent == pytest.approx(10)


def test_a_packet_overtaken_before_anybody_popped_is_put_first() -> None:
    arrivals = stream(0.2)
    arrivals[0], arrivals[2] = (
        arrivals[2]._replace(at=arrivals[0].at),
        arrivals[0]._replace(at=arrivals[2].at),
    )
    rtp = session()
    for packet, at in arrivals:
        rtp.receive_datagram(serialize(packet), CALLER, at)
    assert [rtp.pop_frame(START + 1) for _ in range(10)] == [Frame(speech(index)) for index in range(10)]


def test_loss_is_counted_from_the_first_packet_of_each_source() -> None:
    rtp = session()
    before = stream(BREAK_S)
    del before[5:15]
    after = stream(BREAK_S, **(AFTER | {"ssrc": 77, "first_sequence": 7}))
    del after[10]
    heard_at(rtp, before + after)
    block = rtp.inbound.reception.block(77, 0, 0)
    assert (block.cumulative_lost, block.extended_highest) == (1, 31)
    assert rtp.report(START + 1).inbound.lost == 11


def test_changes_are_counted() -> None:
    rtp = session()
    heard_at(rtp, stream(BREAK_S) + stream(BREAK_S, **(AFTER | {"payload_type": 8, "ssrc": 77})))
    report = rtp.report(START + 1).inbound
    assert (report.payload_type_changes, report.ssrc_changes, report.restarts) == (1, 1, 1)
