"""Asking the server to call somebody, as whoever uses its API does."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx

from benchmarks.load.measures import Counts


class Orders:
    """`url` is where calls are placed. An order not taken, or not answered in time, is a failed call."""

    name = "orders for calls"

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"}
        self._failures = Counter[str]()

    async def place(self, number: str, calls: int, every_s: float) -> None:
        asked = {"to": number, "agent": "receptionist"}
        async with httpx.AsyncClient(trust_env=False, headers=self._headers) as client:
            for _ in range(calls):
                try:
                    answer = await client.post(self._url, json=asked)
                except httpx.RequestError as error:
                    self._failures[type(error).__name__] += 1
                else:
                    if not answer.is_success:
                        self._failures[str(answer.status_code)] += 1
                await asyncio.sleep(every_s)

    def counts(self) -> Counts:
        """Those that failed; SIPp, which is called, says what became of the others."""
        return Counts(failed=self._failures.total(), by_cause=dict(self._failures))
