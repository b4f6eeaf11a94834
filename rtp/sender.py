"""The outbound half of a session: headers, timestamps, talkspurts and digits."""

from random import Random

from rtp.dtmf import DigitSender
from rtp.handover import SentStream
from rtp.packet import header
from rtp.params import RtpParams

CLOCK_HZ = 8000
FIRST_SEQUENCE_BITS = 15
"""The first packets may be lost, and the number must not wrap among them (RFC 3711, 3.3.1)."""
KEEPALIVE_S = 15.0
"""How long a NAT may be left without a packet of ours (RFC 6263, 5)."""
KEEPALIVE_PAYLOAD_TYPE = 20
"""Assigned to nothing (RFC 3551, 6), so a receiver ignores it (RFC 6263, 4.6)."""
MAX_LAG_FRAMES = 3
"""How far timestamps may fall behind the clock before they skip: what a pacer sends at once after a stall."""
UNSEEN_PACKETS = 16
"""What may have been sent beside one packet in each slot: after a stall, at the end of a digit."""


class Sender:
    """One outbound stream. Its timestamps follow the clock, so a pause in sending is a pause for the peer."""

    def __init__(self, params: RtpParams, rng: Random) -> None:
        self.ssrc = rng.getrandbits(32)
        self._rng = rng
        self._key: bytes | None = None
        self.packets = 0
        self.octets = 0
        self._sequence = rng.getrandbits(FIRST_SEQUENCE_BITS)
        self._first_timestamp = rng.getrandbits(32)
        self._started_at: float | None = None
        self._sent = 0
        self._digits = DigitSender(CLOCK_HZ)
        self.pressing = False
        """Whether a digit is being sent, in place of audio."""
        self._event_timestamp = self._press_type = 0
        self._next_slot_at: float | None = None
        self.keepalive_at = float("-inf")
        """When the next keep-alive is due, if audio may not be sent then."""
        self._pending = b""
        self.configure(params)

    def configure(self, params: RtpParams) -> None:
        """Take what was negotiated, at first or by a re-INVITE."""
        key = params.srtp.send_key if params.srtp else None
        if self._key not in (None, key):
            self._become_another_source()
        self._key = key
        self._payload_type = params.payload_type
        self._event_type = params.dtmf_payload_type
        self._slot_ms = params.ptime_ms
        self._slot = params.ptime_ms * CLOCK_HZ // 1000
        self._pending = b""

    def _become_another_source(self) -> None:
        """A new key comes with a new SSRC: peers differ in what becomes of the old roll-over counter."""
        self.ssrc = self._rng.getrandbits(32)
        self._sequence = self._rng.getrandbits(FIRST_SEQUENCE_BITS)

    @property
    def sent(self) -> SentStream | None:
        """How far this stream has gone."""
        if self._started_at is None:
            return None
        return SentStream(
            self.ssrc, self._sequence, self._first_timestamp, self._started_at, self.packets, self.octets
        )

    def go_on_from(self, stream: SentStream, at: float, now: float) -> None:
        """Send on what somebody else sent, who was there `at`, and whom the peer hears no more.

        To the peer it looks as if the packets between were lost: numbers that may have been used are passed
        over, and timestamps are where the clock is. Not for SRTP: no index may be used twice, nor can that of
        SRTCP be continued, so a new SSRC is the safe way (RFC 3711, 9.1).
        """
        slots = int((now - at) * 1000 / self._slot_ms) + UNSEEN_PACKETS
        self.ssrc, self._first_timestamp = stream.ssrc, stream.first_timestamp
        self._sequence = (stream.sequence + slots) & 0xFFFF
        self._started_at = stream.started_at
        frames = int((now - stream.started_at) * CLOCK_HZ) // self._slot + 1
        self._sent = frames * self._slot
        self.packets, self.octets = stream.packets, stream.octets

    @property
    def timestamp(self) -> int:
        """The RTP timestamp of the next frame."""
        return (self._first_timestamp + self._sent) & 0xFFFFFFFF

    def packetize(self, payload: bytes, now: float, talkspurt: bool = False) -> list[bytes]:
        """The datagrams that are full with this audio, each of the negotiated length (RFC 3551, 4.2).

        What is left over waits for the next call. The first is marked if speech begins with it.
        """
        if len(payload) == self._slot and not self._pending:
            return [self._frame(payload, now, talkspurt)]
        audio = self._pending + payload
        full = len(audio) // self._slot * self._slot
        self._pending = audio[full:]
        return [
            self._frame(audio[at : at + self._slot], now, talkspurt and at == 0)
            for at in range(0, full, self._slot)
        ]

    def _frame(self, payload: bytes, now: float, talkspurt: bool) -> bytes:
        samples = len(payload)
        begun, sent = self._started_at, self._sent
        if begun is None or (now - begun) * CLOCK_HZ - sent >= (MAX_LAG_FRAMES + 1) * samples:
            talkspurt |= self._keep_up(now, samples)
            sent = self._sent
        self._sent = sent + samples
        timestamp = (self._first_timestamp + sent) & 0xFFFFFFFF
        return self._datagram(self._payload_type, timestamp, payload, talkspurt)

    def press(self, digit: str, duration_ms: int) -> None:
        """Queue a digit. Raises ValueError if it is none, or if the peer takes no telephone events."""
        if self._event_type is None:
            raise ValueError("the peer accepts no telephone events")
        self._press_type = self._event_type
        self._digits.press(digit, duration_ms, self._slot_ms)
        self.pressing = True

    def next_slot_at(self) -> float | None:
        """When the next packet of a digit is due; in the past if at once."""
        if not self.pressing:
            return None
        return float("-inf") if self._next_slot_at is None else self._next_slot_at

    def event_packets(self, now: float) -> list[bytes]:
        """The datagrams of the digits that are due. A tick that comes half a slot early will do."""
        datagrams = []
        slot_s = self._slot_ms / 1000
        while (due := self.next_slot_at()) is not None and now >= due - slot_s / 2:
            slot_at = now if self._next_slot_at is None else max(due, now - slot_s / 2)
            datagrams.append(self._next_event_packet(now))
            self._next_slot_at = slot_at + slot_s if self.pressing else None
        return datagrams

    def keepalives(self, now: float) -> list[bytes]:
        """While we may not send audio: now and then an empty packet that keeps NATs on the path open.

        It counts as no packet sent: without audio we report as a receiver.
        """
        if now < self.keepalive_at:
            return []
        self.keepalive_at = now + KEEPALIVE_S
        datagram = header(KEEPALIVE_PAYLOAD_TYPE, self._sequence, self.timestamp, self.ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        return [datagram]

    def _next_event_packet(self, now: float) -> bytes:
        payload, first, offset = self._digits.next_packet()
        self.pressing = self._digits.busy
        if first:
            self._keep_up(now, self._slot)
            self._event_timestamp = self.timestamp
        self._sent += self._slot
        timestamp = (self._event_timestamp + offset) & 0xFFFFFFFF
        return self._datagram(self._press_type, timestamp, payload, first)

    def _keep_up(self, now: float, frame: int) -> bool:
        """Skip whole frames of timestamps if the clock is far ahead; also true for the first packet."""
        if self._started_at is None:
            self._started_at = now
            return True
        behind = int((now - self._started_at) * CLOCK_HZ) - self._sent
        frames = max(behind // max(frame, 1) - MAX_LAG_FRAMES, 0)
        self._sent += frames * frame
        return frames > 0

    def _datagram(self, payload_type: int, timestamp: int, payload: bytes, marker: bool) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return header(payload_type, sequence, timestamp, self.ssrc, marker) + payload
