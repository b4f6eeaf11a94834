"""Waiting for what becomes true outside this process: with a deadline, never for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 30.0
LOOK_EVERY_S = 0.02


async def eventually(look: Callable[[], T | Awaitable[T]], what: str, within_s: float = PATIENCE_S) -> T:
    """The first true value of `look`, which may have to be awaited; fails with its last value."""
    deadline = time.monotonic() + within_s
    while not (seen := await _seen(look)):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what} (last seen: {seen!r})"
        await asyncio.sleep(LOOK_EVERY_S)
    return seen


async def eventually_equal(look: Callable[[], T], wanted: T, what: str, within_s: float = PATIENCE_S) -> None:
    """`look` comes to return `wanted`; fails with its last value."""
    deadline = time.monotonic() + within_s
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, f"{what}: {seen!r} instead of {wanted!r} after {within_s:g} s"
        await asyncio.sleep(LOOK_EVERY_S)


async def _seen(look: Callable[[], T | Awaitable[T]]) -> T:
    seen = look()
    return await seen if inspect.isawaitable(seen) else seen
