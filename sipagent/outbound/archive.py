"""The store of dials on a thread of its own, so that no disk holds up the server's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from sipagent.outbound.store import Store

T = TypeVar("T")


class StoreFailed(Exception):
    """The disk refuses. What was to be changed is as before."""


class Archive:
    """Jobs are done one after the other, in the order that they come."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "dials")
        self._store: Store | None = None

    async def open(self, path: Path) -> None:
        """Raises `StoreFailed`."""
        try:
            self._store = await self._on_thread(lambda: Store(path))
        except (DBAPIError, OSError) as error:
            raise StoreFailed(str(error)) from None

    async def do(self, job: Callable[[Store], T]) -> T:
        """What the job returns. Raises `StoreFailed`, also where `open` has not come to its end."""
        store = self._store
        if store is None:
            raise StoreFailed("the store of dials can't be opened")
        try:
            return await self._on_thread(lambda: job(store))
        except DBAPIError as error:
            raise StoreFailed(str(error.orig)) from None

    async def close(self) -> None:
        if self._store is not None:
            await self._on_thread(self._store.close)
        self._thread.shutdown()

    async def _on_thread(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)
