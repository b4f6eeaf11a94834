"""Sequence numbers and timestamps that wrap (RFC 1982 arithmetic, RFC 3550 appendix A.1)."""

MAX_DROPOUT = 3000
"""A step forward below this is loss; from this on it is a jump (RFC 3550, A.1)."""
MAX_MISORDER = 100
"""A step backward below this is reordering; from this on it is a jump (RFC 3550, A.1)."""

_MASK_16 = 0xFFFF
_MASK_32 = 0xFFFFFFFF


def timestamp_delta(later: int, earlier: int) -> int:
    """`later - earlier` of two 32-bit RTP timestamps, in -2**31 .. 2**31-1 (RFC 1982, 3.2)."""
    delta = (later - earlier) & _MASK_32
    return delta - (1 << 32) if delta & 0x80000000 else delta


class SequenceTracker:
    """Extends the 16-bit sequence numbers of one stream to ints that never wrap.

    Extended numbers go on rising over a restart of the sender's numbering: the packet that confirms the
    restart gets `highest + 1`. So a consumer needs no second idea of order.
    """

    __slots__ = ("_base", "_confirming", "_forced", "_offset", "awaited", "highest", "restarts")

    def __init__(self) -> None:
        self.highest = -1
        self.restarts = 0
        self.awaited: int | None = None
        """The sequence number after the highest, unless another numbering is to begin."""
        self._base: int | None = None
        self._offset = 0
        self._confirming: int | None = None
        self._forced = False

    def advance(self) -> int:
        """Take the number that is `awaited`, as extend() would."""
        self.highest += 1
        self.awaited = (self.highest + 1 - self._offset) & _MASK_16
        self._confirming = None
        return self.highest

    def extend(self, sequence: int) -> int | None:
        """The extended number, or None for a jump that its successor has yet to confirm (RFC 3550, A.1)."""
        if self._base is None or self._forced:
            return self._start(sequence)
        step = (sequence - (self.highest - self._offset)) & _MASK_16
        if step < MAX_DROPOUT:
            self.highest += step
            self.awaited = (sequence + 1) & _MASK_16
            self._confirming = None
            return self.highest
        if step > _MASK_16 + 1 - MAX_MISORDER:
            earlier = self.highest + step - (_MASK_16 + 1)
            if not self.restarts:
                self._base = min(self._base, earlier)
            return earlier
        if sequence == self._confirming:
            return self._restart(sequence)
        self._confirming = (sequence + 1) & _MASK_16
        return None

    def force_restart(self) -> None:
        """Let the next packet start a new numbering without confirmation (its SSRC changed)."""
        self._forced = self._base is not None
        self.awaited = None

    @property
    def extended_highest(self) -> int:
        """Cycles and highest sequence number as RTCP reports them, 32 bits (RFC 3550, 6.4.1)."""
        return max(self.highest - self._offset, 0) & _MASK_32

    @property
    def expected(self) -> int:
        """Packets that should have arrived since the first, over all restarts."""
        return 0 if self._base is None else self.highest - self._base + 1

    def _start(self, sequence: int) -> int:
        if self._base is not None:
            return self._restart(sequence)
        self._base = self.highest = sequence
        self.awaited = (sequence + 1) & _MASK_16
        return sequence

    def _restart(self, sequence: int) -> int:
        self.restarts += 1
        self.highest += 1
        self._offset = self.highest - sequence
        self.awaited = (sequence + 1) & _MASK_16
        self._confirming = None
        self._forced = False
        return self.highest
