"""One press, told of by several methods, counts once; two presses count twice, however fast they are."""

from __future__ import annotations

import pytest

from sipagent.events import DigitMethod
from sipagent.worker.presses import Presses

RTP: DigitMethod = "rfc4733"
INFO: DigitMethod = "info"
TONE: DigitMethod = "inband"
Told = tuple[str, int, DigitMethod, float]


def counted(*told: Told) -> str:
    """The digits that count, of those told as (digit, duration_ms, method, at)."""
    presses = Presses()
    return "".join(digit for digit, ms, method, at in told if presses.is_new(digit, ms, method, at))


@pytest.mark.parametrize(
    ("told", "digits"),
    [
        ([("5", 100, RTP, 1.0), ("5", 100, TONE, 1.06), ("5", 250, INFO, 1.2)], "5"),
        ([("5", 100, RTP, 1.0), ("5", 100, RTP, 1.15)], "55"),
        ([("5", 100, RTP, 1.0), ("5", 100, RTP, 1.15), ("5", 0, INFO, 1.3), ("5", 0, INFO, 1.31)], "55"),
        ([("5", 100, RTP, 1.0), ("5", 0, INFO, 1.1), ("5", 0, INFO, 1.2), ("5", 100, RTP, 1.2)], "55"),
        ([("5", 100, RTP, 1.0), ("5", 100, RTP, 1.8), ("5", 100, INFO, 1.8)], "55"),
        ([("5", 250, INFO, 1.0), ("5", 4000, RTP, 5.0)], "5"),
        ([("5", 100, RTP, 1.0), ("5", 100, INFO, 2.5)], "55"),
        ([("5", 100, RTP, 1.0), ("6", 100, INFO, 1.1)], "56"),
        ([("1", 40, RTP, 1.0), ("2", 40, RTP, 1.08), ("1", 40, TONE, 1.1), ("2", 40, TONE, 1.18)], "12"),
    ],
    ids=[
        "three methods",
        "twice by one method",
        "twice by two methods, each in its order",
        "a method overtakes the other",
        "a method missed the first press",
        "a long press that INFO told at its beginning",
        "long after",
        "another digit",
        "fast digits",
    ],
)
def test_presses(told: list[Told], digits: str) -> None:
    assert counted(*told) == digits
