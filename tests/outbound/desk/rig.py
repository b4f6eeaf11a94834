"""A desk over a real store, with calls that do what a test says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sipagent.outbound.dial import Dial, Wish
from tests.outbound import dials
from tests.outbound.switchboard import Switchboard, configured

NEVER = 4e9
SOON = dials.retry(0.01, 0.01)


def wish(**fields: Any) -> Wish:
    return dials.wish(**{"expires_at": NEVER, **fields})


@contextlib.asynccontextmanager
async def switchboard(directory: Path, **outbound: Any) -> AsyncIterator[Switchboard]:
    board = Switchboard(configured(directory, **outbound))
    await board.desk.open()
    yield board
    await board.desk.stop()


async def take(board: Switchboard, *wishes: Wish, at_once: bool = True) -> list[Dial]:
    return await board.desk.take(wishes or [wish()], "crm", at_once=at_once)
