"""A whole RTP session under a script: who sends what and when, and what the leg does meanwhile."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

import msgspec

from rtp import rtcp
from rtp.address import Address
from rtp.latch import UNSPECIFIED_HOSTS
from rtp.packet import RtpPacket, parse, serialize
from rtp.params import Direction
from rtp.receiver import CLOCK_HZ, MAX_EVENTS
from rtp.session import RtpParams, RtpSession
from rtp.timeline import MAX_LOSS_S
from tests.fuzz.script import Script

PEER: Address = ("192.0.2.10", 4000)
SOURCES: tuple[Address, ...] = (
    PEER,
    ("192.0.2.10", 4001),
    ("192.0.2.10", 65535),
    ("203.0.113.66", 4000),
    ("2001:db8::1", 1),
)
ANNOUNCED: tuple[Address | None, ...] = (*SOURCES, ("0.0.0.0", 4000), None)
DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "recvonly", "sendonly", "inactive")
PAUSES_S = (0.02, 0.0, 0.001, 0.06, 0.3, 1.5, 6.0)
SEQUENCE_STEPS = (1, 1, 1, 2, 0, -1, -2, 4, 100, 2999, 32768)
TIMESTAMP_STEPS = (160, 160, 160, 0, 320, -160, 1 << 31, 80, 8000)
LENGTHS = (160, 160, 80, 0, 1, 480, 2036)
PAYLOAD_TYPES = (0, 8, 101, 13, 18)
SSRCS = (1, 2)

HOLE_SAMPLES_PER_PACKET = int((MAX_LOSS_S + 0.2) * CLOCK_HZ)
"""What one packet may claim to be missing before it without any time having passed."""


def rtp_session(data: bytes) -> None:
    script = Script(data)
    call = _Call(script)
    moves = (
        call.receive_next,
        call.receive_next,
        call.receive_any,
        call.receive_rtcp,
        call.receive_report,
        call.pass_time,
        call.send,
        call.press,
        call.renegotiate,
    )
    while not script.is_over:
        script.pick(moves)()
        call.settle()
    call.hang_up()


class _Call:
    def __init__(self, script: Script) -> None:
        self.now = 1000.0
        self._script = script
        self._params = RtpParams(
            remote_rtp=script.pick(ANNOUNCED),
            codec=script.pick(("PCMU", "PCMA")),
            strict_source=script.pick((False, True)),
        )
        self.rtp = RtpSession(self._params, now=self.now, rng=Random(1))
        self._previous = RtpPacket(0, 65_530, (1 << 32) - 500, SSRCS[0], b"")
        self._allowed_samples = 0.0
        self._heard_samples = 0

    def receive_next(self) -> None:
        """A packet that goes on from the one before, more or less."""
        pick, last = self._script.pick, self._previous
        source = pick(SOURCES)
        packet = RtpPacket(
            payload_type=pick(PAYLOAD_TYPES),
            sequence=(last.sequence + pick(SEQUENCE_STEPS)) & 0xFFFF,
            timestamp=(last.timestamp + pick(TIMESTAMP_STEPS)) & 0xFFFFFFFF,
            ssrc=pick(SSRCS),
            payload=b"\x55" * pick(LENGTHS),
        )
        self._receive(serialize(packet), source)
        self._previous = packet

    def receive_any(self) -> None:
        self._receive(self._script.blob(), self._script.pick(SOURCES))

    def receive_rtcp(self) -> None:
        self.rtp.receive_rtcp(self._script.blob(), self._script.pick(SOURCES), self.now)

    def receive_report(self) -> None:
        """A well-formed report about our stream, with any numbers."""
        number = self._script.number
        loss, highest, jitter, last_sr, delay = number(4), number(4), number(4), number(4), number(4)
        cumulative = (loss & 0xFFFFFF) - 0x800000
        block = rtcp.ReportBlock(
            self.rtp.outbound.ssrc, loss >> 24, cumulative, highest, jitter, last_sr, delay
        )
        report = rtcp.SenderReport(SSRCS[0], number(4) << 32, number(4), 0, 0, (block,))
        data = rtcp.serialize_compound([report, rtcp.Goodbye((SSRCS[0],))])
        self.rtp.receive_rtcp(data, self._script.pick(SOURCES), self.now)

    def pass_time(self) -> None:
        pause_s = self._script.pick(PAUSES_S)
        self.now += pause_s
        self._allowed_samples += pause_s * CLOCK_HZ
        self.rtp.handle_timer(self.now)

    def send(self) -> None:
        self.rtp.send_frame(b"\xff" * self._script.pick(LENGTHS), self.now)

    def press(self) -> None:
        self.rtp.send_digit(self._script.pick("5*D"), self._script.number(), self.now)

    def renegotiate(self) -> None:
        pick = self._script.pick
        self._params = replace(
            self._params,
            remote_rtp=pick(ANNOUNCED) or self._params.remote_rtp,
            codec=pick(("PCMU", "PCMA")),
            direction=pick(DIRECTIONS),
            ptime_ms=pick((20, 10, 60)),
        )
        self.rtp.update_remote(self._params, self.now)

    def hang_up(self) -> None:
        self.rtp.close(self.now)
        self.settle()
        _check_report(self.rtp.report(self.now).as_dict())

    def settle(self) -> None:
        """Do as the leg does after each wake-up, and look at what comes out."""
        while (piece := self.rtp.pop_frame(self.now)) is not None:
            self._heard_samples += len(piece.payload)
            assert self._heard_samples <= self._allowed_samples, "more audio than there can be"
        events = list(iter(self.rtp.next_event, None))
        assert len(events) <= MAX_EVENTS
        assert not math.isnan(self.rtp.next_timer())
        for datagram, addr in self.rtp.datagrams_to_send():
            parse(datagram)
            _check_destination(addr)
        for compound, addr in self.rtp.rtcp_to_send():
            rtcp.parse_compound(compound)
            _check_destination(addr)

    def _receive(self, data: bytes, source: Address) -> None:
        self._allowed_samples += len(data) + HOLE_SAMPLES_PER_PACKET
        self.rtp.receive_datagram(data, source, self.now)


def _check_report(report: dict[str, Any]) -> None:
    msgspec.msgpack.encode(report)
    for side in ("inbound", "outbound"):
        for name, number in report[side].items():
            if number is not None:
                assert math.isfinite(number), name
                assert number >= 0 or (side, name) == ("outbound", "lost"), name
                assert number <= 100 or "percent" not in name, name


def _check_destination(addr: Address) -> None:
    host, port = addr
    assert host not in UNSPECIFIED_HOSTS, "that is this machine"
    assert 0 < port <= 65535, "no socket takes it"
