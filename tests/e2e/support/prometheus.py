"""A Prometheus of Debian's that scrapes one server, for as long as a test lasts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.support.ports import free_port
from tests.e2e.support.waiting import PATIENCE_S, eventually

HOST = "127.0.0.1"
SCRAPE_EVERY = "500ms"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """`query` is PromQL; its result is that of `/api/v1/query`: samples with `metric` and `value`."""

    url: str

    async def query(self, query: str) -> list[dict[str, Any]]:
        return list((await self._get("query", query=query))["result"])

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule as it was last evaluated."""
        return [rule for group in (await self._get("rules"))["groups"] for rule in group["rules"]]

    async def wait_for(self, query: str) -> list[dict[str, Any]]:
        """The result, once there is one."""
        return await eventually(partial(self.query, query), query, 2 * PATIENCE_S)

    async def _get(self, what: str, **params: str) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = (await client.get(f"{self.url}/api/v1/{what}", params=params, timeout=PATIENCE_S)).json()
        assert answer["status"] == "success", (answer, params)
        return dict(answer["data"])

    async def is_ready(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{self.url}/-/ready")).status_code == 200
            except httpx.TransportError:
                return False


@contextlib.asynccontextmanager
async def scraping(http_port: int, rules: Path, directory: Path) -> AsyncIterator[Prometheus]:
    """Scrape the server on this port, and evaluate `rules` as often."""
    port, config = free_port(), directory / "prometheus.yml"
    job = {"job_name": "sipagent", "static_configs": [{"targets": [f"{HOST}:{http_port}"]}]}
    every = {"scrape_interval": SCRAPE_EVERY, "evaluation_interval": SCRAPE_EVERY}
    config.write_text(yaml.safe_dump({"global": every, "rule_files": [str(rules)], "scrape_configs": [job]}))
    process = await asyncio.create_subprocess_exec(
        *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}"),
        *(f"--web.listen-address={HOST}:{port}", "--log.level=error"),
    )
    prometheus = Prometheus(f"http://{HOST}:{port}")
    try:
        await eventually(prometheus.is_ready, "Prometheus is ready", 3 * PATIENCE_S)
        yield prometheus
    finally:
        process.terminate()
        await process.wait()
