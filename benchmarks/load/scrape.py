"""What the server says of itself at /metrics. Pure, but for `Scraper`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
PATIENCE_S = 10.0
LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Scrape:
    """One exposition, by name and labels."""

    samples: Mapping[tuple[str, Labels], float]

    @classmethod
    def parse(cls, text: str) -> Scrape:
        return cls(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels, whatever others they have."""
        return sum(self.by(name, "", **labels).values())

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The sums by the values of one label."""
        sums: dict[str, float] = {}
        for (sample, has), value in self.samples.items():
            if sample == name and labels.items() <= has:
                key = dict(has).get(label, "")
                sums[key] = sums.get(key, 0.0) + value
        return sums

    def since(self, before: Scrape) -> Scrape:
        """What was counted since `before`; of gauges, the change."""
        return Scrape({key: value - before.samples.get(key, 0.0) for key, value in self.samples.items()})


class Scraper:
    """Asks one server, over one connection."""

    def __init__(self, http_port: int, host: str = "127.0.0.1") -> None:
        self._client = httpx.AsyncClient(
            trust_env=False, base_url=f"http://{host}:{http_port}", timeout=PATIENCE_S
        )

    async def scrape(self) -> Scrape:
        answer = await self._client.get("/metrics")
        answer.raise_for_status()
        return Scrape.parse(answer.text)

    async def until_zero(self, name: str, within_s: float) -> None:
        """Wait for a gauge to come back. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while True:
                if not (await self.scrape()).total(name):
                    return
                await asyncio.sleep(LOOK_EVERY_S)

    async def close(self) -> None:
        await self._client.aclose()
