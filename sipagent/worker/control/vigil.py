"""Whether a media worker hangs, which its silence alone doesn't say. Pure.

It is stopped, waits for what doesn't come, or turns in a circle: then it carries no audio, and is killed. Or
it isn't let run, as on a machine that is overloaded: then another in its place would be no better off. Or it
is we who were held up, and haven't read what it said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

LOOK_EVERY_S = 0.1
#: A worker says something every 0.15 s. One that has been silent for so long hangs.
HUNG_AFTER_S = 0.55
#: From here on it is watched what a silent one does.
SUSPICIOUS_AFTER_S = 0.3
#: So long a worker may be silent that isn't let run.
STARVED_AFTER_S = 4.0
#: What would like to run and gets less of a core than this isn't let.
STARVED_SHARE = 0.5
#: What has been let run again has so long to say something.
RECOVERED_AFTER_S = 0.25


@dataclass(frozen=True, slots=True)
class Doing:
    """What a process does (proc(5), stat): the state of its main thread, a letter, and CPU time so far."""

    state: str
    cpu_s: float

    @property
    def would_run(self) -> bool:
        """Runnable, or waiting for a disk."""
        return self.state in ("R", "D")


class Vigil:
    """Over one worker that is ready. Times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._looked_at = now
        self._awake_since = now
        self._suspected: tuple[float, Doing] | None = None
        self._starved_at = -math.inf

    def is_hung(self, heard_at: float, doing: Callable[[], Doing], now: float) -> bool:
        """To be asked every `LOOK_EVERY_S`; `heard_at` is when the worker last said something."""
        if now - self._looked_at > 3 * LOOK_EVERY_S:
            self._awake_since = now
        self._looked_at = now
        silent_s = now - max(heard_at, self._awake_since)
        if silent_s < SUSPICIOUS_AFTER_S:
            self._suspected = None
            return False
        if self._suspected is None:
            self._suspected = now, doing()
        if silent_s < HUNG_AFTER_S:
            return False
        if _is_starved(*self._suspected, doing(), now):
            self._starved_at = now
        return silent_s >= STARVED_AFTER_S or now - self._starved_at >= RECOVERED_AFTER_S


def _is_starved(since: float, before: Doing, after: Doing, now: float) -> bool:
    used_s = after.cpu_s - before.cpu_s
    return after.would_run and used_s < STARVED_SHARE * (now - since)
