"""A press of a key may come by several methods: as telephone event, by SIP INFO, as tones. It counts once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sipagent.events import DigitMethod

SAME_PRESS_S = 1.0
"""By another method it may come this much later: an INFO that was lost is sent again after 0.5 s."""
MAX_REMEMBERED = 32


@dataclass(slots=True)
class _Press:
    digit: str
    began: float
    ended: float
    methods: set[DigitMethod] = field(default_factory=set)


class Presses:
    """The latest presses of one caller. Each method tells each press once, so two by one method are two."""

    def __init__(self) -> None:
        self._latest: deque[_Press] = deque(maxlen=MAX_REMEMBERED)

    def remember(self, digit: str, duration_ms: int, now: float) -> None:
        """Somebody else has told this press, and may have left the end of it to be heard."""
        self._latest.append(_Press(digit, now - duration_ms / 1000, now))

    def is_new(self, digit: str, duration_ms: int, method: DigitMethod, now: float) -> bool:
        """Take a press that has just been told; False if another method told it before."""
        began = now - duration_ms / 1000
        for press in self._latest:
            known = press.digit != digit or method in press.methods
            if not known and began - press.ended < SAME_PRESS_S and press.began - now < SAME_PRESS_S:
                press.methods.add(method)
                return False
        self._latest.append(_Press(digit, began, now, {method}))
        return True
