"""An alarm rings at the time that it was set to last."""

from __future__ import annotations

import asyncio
import time

import pytest

from sipagent.call.alarm import Alarm


class Bell:
    """Counts how often it rang."""

    def __init__(self) -> None:
        self.rang = 0
        self._ringing = asyncio.Event()

    def ring(self) -> None:
        self.rang += 1
        self._ringing.set()

    async def heard(self) -> None:
        async with asyncio.timeout(5):
            await self._ringing.wait()
        self._ringing.clear()


@pytest.mark.parametrize("before_s", [None, -1.0, 0.01, 60.0])
async def test_it_rings_at_the_time_that_it_was_set_to_last(before_s: float | None) -> None:
    bell, now = Bell(), time.monotonic()
    alarm = Alarm(bell.ring)
    alarm.set(None if before_s is None else now + before_s)
    alarm.set(now + 0.02)
    await bell.heard()
    assert bell.rang == 1
    assert time.monotonic() - now > 0.015


async def test_it_rings_again_for_a_time_that_has_come_and_not_been_seen_to() -> None:
    bell, now = Bell(), time.monotonic()
    alarm = Alarm(bell.ring)
    for _ in range(2):
        alarm.set(now - 1)
        await bell.heard()
    assert bell.rang == 2


async def test_closed_or_set_to_no_time_it_does_not_ring() -> None:
    bell, later = Bell(), Bell()
    closed, unset, other = Alarm(bell.ring), Alarm(bell.ring), Alarm(later.ring)
    now = time.monotonic()
    closed.set(now)
    closed.close()
    unset.set(now)
    unset.set(None)
    other.set(now)
    await later.heard()
    assert bell.rang == 0
