"""The source lock: whose packets are ours (against RTP injection, "RTP bleed", and for peers behind NAT).

Policy. The address that SDP announced is accepted at once, whatever is locked. Any other source has to show a
consistent stream on probation; its packets are kept meanwhile, so it loses little by that. Then it is locked,
and what comes from elsewhere is foreign. How long, depends on what speaks for the source:

    it goes on where the locked one stopped       0.4 s, and the locked one silent for 0.5 s
    its host is SDP's, signalling's or the lock's 0.4 s, and the locked one silent for 2 s
    nothing                                       3 s,   and the locked one silent for 5 s

So a peer whose NAT gives it another port in mid-call is back after half a second, and whoever streams at our
port before the first packet gets nothing in if the caller speaks within 3 s from where it is known to be. To
fake the first line takes SSRC and sequence numbers, which only those see who can read the call anyway. The
lock also opens when a re-INVITE announces a new address.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from rtp.address import Address, could_be
from rtp.packet import RtpPacket

QUIET_S = 0.06
"""While the locked source was heard as recently as this, nobody else is even on probation."""
PROBATION_PACKETS = 5
PROBATION_MAX_STEP = 3
"""A candidate's sequence numbers may skip two packets; more, or a new SSRC, and it begins again."""
RESUME_MAX_STEP = 150
"""How far a stream that goes on from another source may have advanced unheard."""
MAX_CANDIDATES = 4
"""Sources on probation at a time, so that a flood from forged addresses costs no memory."""
MAX_HELD = 64
"""Packets kept of a candidate, the newest ones."""

UNSPECIFIED_HOSTS = ("0.0.0.0", "::")
"""The old way to signal hold (RFC 3264, 8.4): says nothing about where packets come from."""


class Terms(NamedTuple):
    """What a source has to wait for: its own probation, and the silence of the one that is locked.

    0.4 s of probation are short enough for what was held to find its place in the recording (`rtp.taps`).
    """

    probation_s: float
    silence_s: float


RESUMED = Terms(0.4, 0.5)
KNOWN = Terms(0.4, 2.0)
STRANGER = Terms(3.0, 5.0)


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
    terms: Terms
    began: float
    count: int = 0
    held: deque[tuple[RtpPacket, float]] = field(default_factory=lambda: deque(maxlen=MAX_HELD))

    def take(self, packet: RtpPacket, now: float) -> None:
        self.held.append((packet, now))
        self.count += 1

    def is_followed_by(self, packet: RtpPacket) -> bool:
        last, _ = self.held[-1]
        return _follows(packet, last.ssrc, last.sequence, PROBATION_MAX_STEP)

    def is_heard(self, now: float) -> bool:
        return now - self.held[-1][1] < self.terms.probation_s

    def has_passed(self, silent_s: float, now: float) -> bool:
        proven = self.count >= PROBATION_PACKETS and now - self.began >= self.terms.probation_s
        return proven and silent_s >= self.terms.silence_s


class Latch:
    """The lock of one session. Times are monotonic seconds.

    `expected` is SDP's address, None if it named none; `signalling_host` is where the peer's SIP comes from.
    `strict` accepts no other source than `expected` (for trunks known to be without NAT).
    """

    def __init__(
        self, expected: Address | None, strict: bool = False, signalling_host: str | None = None
    ) -> None:
        self.source: Address | None = None
        self.settled: Address | None = None
        """The source, while no new address is announced and nobody is on probation; else None."""
        self.last_ssrc: int | None = None
        self.last_sequence = 0
        """Of the latest packet of the locked source."""
        self.abandoned = 0
        """Packets that were held, and then dropped because their source was not locked."""
        self._expected = _meaningful(expected)
        self.target = self._expected
        """Where to send: the locked source; SDP's address before there is one and after it changed."""
        self._signalling_host = signalling_host
        self._strict = strict
        self._heard_at = 0.0
        self._opened_at: float | None = None
        self._candidates: dict[Address, _Candidate] = {}
        self._held: list[tuple[RtpPacket, float]] = []

    def judge(self, packet: RtpPacket, addr: Address, now: float) -> Verdict:
        """Decide on a packet that came from `addr`."""
        if addr == self.source:
            self._hear(packet, now)
            return Verdict.ACCEPTED
        if addr == self._expected:
            return self._lock(addr, [(packet, now)], now)
        if self._strict or self._silent_s(now) < QUIET_S:
            return Verdict.FOREIGN
        return self._try(packet, addr, now)

    def go_on(self, ssrc: int, sequence: int, now: float) -> None:
        """The source that is `settled` has sent this packet: all that judge() would do about it."""
        self.last_ssrc, self.last_sequence, self._heard_at = ssrc, sequence, now

    def resume(self, source: Address, ssrc: int, sequence: int, now: float) -> None:
        """This source was locked elsewhere, where it sent this packet last. It is as if it had just done so:
        while nobody was there to hear it, the lock was not open to others."""
        self.source = source
        self.go_on(ssrc, sequence, now)
        self._settle()

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
        self._abandon(self._candidates)
        self._opened_at = None if addr == self.source else now
        self._settle()

    @property
    def _is_locked(self) -> bool:
        return self.source is not None and self._opened_at is None

    def _silent_s(self, now: float) -> float:
        """How long the locked source has been silent; endless if none is locked."""
        return now - self._heard_at if self._is_locked else float("inf")

    def _hear(self, packet: RtpPacket, now: float) -> None:
        """The source goes on: who waited for its silence waited in vain.

        After a re-INVITE with a new address it closes the lock again, as a peer behind NAT stays where it is.
        """
        self.go_on(packet.ssrc, packet.sequence, now)
        if self.settled is not None:
            return
        if self._opened_at is None:
            self._abandon(self._candidates)
        elif now - self._opened_at > KNOWN.probation_s:
            self._opened_at = None
        self._settle()

    def _try(self, packet: RtpPacket, addr: Address, now: float) -> Verdict:
        candidate = self._candidates.get(addr)
        if candidate is None or not candidate.is_followed_by(packet):
            self._abandon([addr])
            candidate = _Candidate(self._terms(packet, addr[0]), now)
            self._evict_weakest()
            self._candidates[addr] = candidate
            self._settle()
        candidate.take(packet, now)
        if not candidate.has_passed(self._silent_s(now), now) or self._is_outranked(candidate, now):
            return Verdict.HELD
        del self._candidates[addr]
        return self._lock(addr, list(candidate.held), now)

    def _terms(self, packet: RtpPacket, host: str) -> Terms:
        if _follows(packet, self.last_ssrc, self.last_sequence, RESUME_MAX_STEP):
            return RESUMED
        known = [addr[0] for addr in (self._expected, self.source) if addr is not None]
        if self._signalling_host is not None:
            known.append(self._signalling_host)
        return STRANGER if host not in known and any(could_be(each, host) for each in known) else KNOWN

    def _is_outranked(self, candidate: _Candidate, now: float) -> bool:
        """A stranger waits for a source on probation that something speaks for."""
        others = self._candidates.values()
        return candidate.terms is STRANGER and any(
            each.terms is not STRANGER and each.is_heard(now) for each in others
        )

    def _evict_weakest(self) -> None:
        if len(self._candidates) >= MAX_CANDIDATES:
            self._abandon([min(self._candidates, key=self._strength)])

    def _strength(self, addr: Address) -> tuple[bool, int]:
        candidate = self._candidates[addr]
        return candidate.terms is not STRANGER, candidate.count

    def _settle(self) -> None:
        """Work out what follows from source, announced address and candidates; one of them has changed."""
        is_locked = self._is_locked
        self.target = self.source if is_locked else self._expected
        self.settled = self.source if is_locked and not self._candidates else None

    def _abandon(self, addrs: list[Address] | dict[Address, _Candidate]) -> None:
        for addr in list(addrs):
            candidate = self._candidates.pop(addr, None)
            self.abandoned += candidate.count if candidate else 0

    def _lock(self, addr: Address, held: list[tuple[RtpPacket, float]], now: float) -> Verdict:
        self.source = addr
        last, _ = held[-1]
        self.go_on(last.ssrc, last.sequence, now)
        self._opened_at = None
        self._held = held
        self._abandon(self._candidates)
        self._settle()
        return Verdict.LOCKED


def _follows(packet: RtpPacket, ssrc: int | None, sequence: int, max_step: int) -> bool:
    """Whether it could come at most so many packets after this one."""
    return packet.ssrc == ssrc and 0 < (packet.sequence - sequence) & 0xFFFF <= max_step


def _meaningful(addr: Address | None) -> Address | None:
    return None if addr is None or addr[0] in UNSPECIFIED_HOSTS else addr
