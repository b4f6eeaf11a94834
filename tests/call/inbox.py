"""What waits for somebody to take it up."""

from __future__ import annotations

import asyncio
from typing import Any


class Inbox(asyncio.Queue[Any]):
    """A queue that tells when its reader has dealt with all that came, and waits for more."""

    def __init__(self) -> None:
        super().__init__()
        self._drained = asyncio.Event()

    @property
    def is_drained(self) -> bool:
        return self._drained.is_set()

    async def drained(self) -> None:
        await self._drained.wait()

    def put_nowait(self, item: Any) -> None:
        self._drained.clear()
        super().put_nowait(item)

    async def get(self) -> Any:
        if self.empty():
            self._drained.set()
        return await super().get()
