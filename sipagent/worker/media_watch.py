"""How long a leg goes without RTP before its peer is taken for gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaTimeouts:
    """Seconds without RTP: before the first packet, after it, and on hold. 0 is for ever."""

    first_packet_s: float = 30.0
    silent_s: float = 20.0
    on_hold_s: float = 300.0


class MediaWatch:
    """Watches one leg. Times are monotonic seconds.

    RTCP is no sign of life: a dead peer's gateway may go on with it. A peer that has announced silence by
    comfort noise (RFC 3389) may keep it as long as one on hold: it need not repeat that.
    """

    def __init__(self, timeouts: MediaTimeouts, now: float) -> None:
        self._timeouts = timeouts
        self._since = now
        self._on_hold = False

    def hold(self, on_hold: bool, now: float) -> None:
        """The call is held from now on, or resumed: patience begins anew."""
        if on_hold != self._on_hold:
            self._on_hold, self._since = on_hold, now

    def overdue(self, last_packet_at: float | None, pausing: bool, now: float) -> str | None:
        """What has been waited for in vain, in words; None as long as there is hope."""
        limits = self._timeouts
        if self._on_hold:
            patience_s, what = limits.on_hold_s, "no RTP on hold"
        elif last_packet_at is None:
            patience_s, what = limits.first_packet_s, "no RTP ever"
        elif pausing:
            patience_s, what = limits.on_hold_s, "no RTP after comfort noise"
        else:
            patience_s, what = limits.silent_s, "no RTP any more"
        since = max(self._since, last_packet_at or self._since)
        return f"{what} for {patience_s:g} s" if patience_s and now - since >= patience_s else None
