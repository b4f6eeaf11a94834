"""Whether the server lives, and what to say of it in one line. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Vitals:
    """The server at one time. `polled_at` and `heard_at` are monotonic seconds.

    `polled_at` is when pjsua2 last handled its events, `heard_at` when each media worker last said something.
    `registered` are the trunks that register, by whether they are registered now.
    """

    polled_at: float
    heard_at: Mapping[int, float]
    calls: int = 0
    draining: bool = False
    registered: Mapping[str, bool] = field(default_factory=dict)

    def silent_parts(self, now: float, patience_s: float) -> tuple[str, ...]:
        """The parts that have not been seen at work for longer than `patience_s`."""
        seen = {"signalling": self.polled_at} | {f"worker {n}": at for n, at in self.heard_at.items()}
        return tuple(part for part, at in seen.items() if now - at > patience_s)

    def is_alive(self, now: float, patience_s: float) -> bool:
        """Could a call be carried? Signalling and one worker are needed for it.

        A worker that is lost beside others that work is no reason to restart the server, and to end their
        calls: it is restarted by itself.
        """
        silent = self.silent_parts(now, patience_s)
        workers = {f"worker {number}" for number in self.heard_at}
        return "signalling" not in silent and not workers <= set(silent)

    def status(self, now: float, patience_s: float) -> str:
        """What `systemctl status` shows."""
        parts = [f"{self.calls} call{'' if self.calls == 1 else 's'}"]
        if self.registered:
            parts.append(f"{sum(self.registered.values())} of {len(self.registered)} trunks registered")
        missing = sorted(trunk for trunk, is_registered in self.registered.items() if not is_registered)
        if missing:
            parts.append(f"not registered: {', '.join(missing)}")
        if silent := self.silent_parts(now, patience_s):
            parts.append(f"silent: {', '.join(silent)}")
        return ("draining, " if self.draining else "") + "; ".join(parts)
