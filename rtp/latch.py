"""The source lock: whose packets are ours (against RTP injection, "RTP bleed", and for peers behind NAT).

Policy. The address that SDP announced is accepted at once, whatever is locked. Any other source has to show
a consistent stream for PROBATION_S first; meanwhile its packets are kept, so it loses nothing by that. Then
it is locked, and what comes from elsewhere is foreign. The lock opens again when a re-INVITE announces a new
address, or when its source has been silent for SILENCE_S.
"""

from dataclasses import dataclass, field
from enum import Enum

from rtp.address import Address
from rtp.packet import RtpPacket

PROBATION_S = 0.5
PROBATION_PACKETS = 5
PROBATION_MAX_STEP = 3
"""A candidate's sequence numbers may skip two packets; more, or a new SSRC, and it begins again."""
SILENCE_S = 5.0
MAX_CANDIDATES = 4
"""Sources on probation at a time, so that a flood from forged addresses costs no memory."""
MAX_HELD = 128
"""Packets in one probation; a source that sends more is no voice stream, and begins again."""

UNSPECIFIED_HOSTS = ("0.0.0.0", "::")
"""The old way to signal hold (RFC 3264, 8.4): says nothing about where packets come from."""


class Verdict(Enum):
    """What to do with a packet."""

    ACCEPTED = "accepted"
    LOCKED = "locked"
    """Accepted, and its source is now the locked one: take_held() has its earlier packets and this one."""
    HELD = "held"
    """Kept while its source is on probation."""
    FOREIGN = "foreign"


@dataclass(slots=True)
class _Candidate:
    held: list[tuple[RtpPacket, float]] = field(default_factory=list)

    def follows(self, packet: RtpPacket) -> bool:
        if not self.held:
            return True
        last = self.held[-1][0]
        step = (packet.sequence - last.sequence) & 0xFFFF
        return packet.ssrc == last.ssrc and 0 < step <= PROBATION_MAX_STEP and len(self.held) < MAX_HELD


class Latch:
    """The lock of one session. `expected` is SDP's address, None if it named none. `strict` accepts no other
    source than that address (for trunks known to be without NAT). Times are monotonic seconds."""

    def __init__(
        self,
        expected: Address | None,
        strict: bool = False,
        probation_s: float = PROBATION_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.source: Address | None = None
        self._expected = _meaningful(expected)
        self._strict = strict
        self._probation_s, self._silence_s = probation_s, silence_s
        self._heard_at = 0.0
        self._opened_at: float | None = None
        self._candidates: dict[Address, _Candidate] = {}
        self._held: list[tuple[RtpPacket, float]] = []

    @property
    def target(self) -> Address | None:
        """Where to send: the locked source; SDP's address before there is one and after it changed."""
        return self._expected if self.source is None or self._opened_at is not None else self.source

    def judge(self, packet: RtpPacket, addr: Address, now: float) -> Verdict:
        """Decide on a packet that came from `addr`."""
        if addr == self.source:
            self._hear(now)
            return Verdict.ACCEPTED
        if addr == self._expected:
            return self._lock(addr, [(packet, now)], now)
        if self._strict or self._is_locked(now):
            return Verdict.FOREIGN
        return self._try(packet, addr, now)

    def take_held(self) -> list[tuple[RtpPacket, float]]:
        """After LOCKED: the new source's packets and their arrival times, oldest first."""
        held, self._held = self._held, []
        return held

    def expect(self, addr: Address | None, now: float) -> None:
        """A re-INVITE announced this address. A new one opens the lock; until it sends, the old is heard."""
        addr = _meaningful(addr)
        if addr is None or addr == self._expected:
            return
        self._expected = addr
        self._candidates.clear()
        self._opened_at = None if addr == self.source else now

    def _hear(self, now: float) -> None:
        """A peer behind NAT goes on from its old source although a re-INVITE named a new address."""
        self._heard_at = now
        if self._opened_at is not None and now - self._opened_at > self._probation_s:
            self._opened_at = None

    def _is_locked(self, now: float) -> bool:
        return self.source is not None and self._opened_at is None and now - self._heard_at < self._silence_s

    def _try(self, packet: RtpPacket, addr: Address, now: float) -> Verdict:
        candidate = self._candidates.get(addr)
        if candidate is None or not candidate.follows(packet):
            candidate = self._candidates[addr] = _Candidate()
            self._evict_weakest(addr)
        held = candidate.held
        held.append((packet, now))
        if len(held) < PROBATION_PACKETS or now - held[0][1] < self._probation_s:
            return Verdict.HELD
        return self._lock(addr, held, now)

    def _evict_weakest(self, newcomer: Address) -> None:
        others = [addr for addr in self._candidates if addr != newcomer]
        if len(others) >= MAX_CANDIDATES:
            del self._candidates[min(others, key=lambda addr: len(self._candidates[addr].held))]

    def _lock(self, addr: Address, held: list[tuple[RtpPacket, float]], now: float) -> Verdict:
        self.source = addr
        self._heard_at, self._opened_at = now, None
        self._held = held
        self._candidates.clear()
        return Verdict.LOCKED


def _meaningful(addr: Address | None) -> Address | None:
    return None if addr is None or addr[0] in UNSPECIFIED_HOSTS else addr
