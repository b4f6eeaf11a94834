"""HTTP tools: attempts, pauses between them, and an answer that may not grow without end."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from functools import cache

import httpx

from sipagent.config import Secret
from sipagent.config.tools import HttpToolConfig
from sipagent.tools import request as requests
from sipagent.tools.outcome import Outcome, error
from sipagent.tools.request import Request

#: The request can't have reached the tool.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class HttpTools:
    """One client for the house: no proxies from the environment, no redirects, the system's certificates."""

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._opened: httpx.AsyncClient | None = None

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = httpx.AsyncClient(
                verify=_trust(),
                trust_env=False,
                follow_redirects=False,
                timeout=None,  # the deadline is over all attempts
                limits=httpx.Limits(max_connections=self._max_connections, max_keepalive_connections=20),
            )
        return self._opened

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    async def call(self, config: HttpToolConfig, request: Request) -> Outcome:
        """The outcome of the last attempt; none begins when the tool's time is over.

        Whoever calls this cuts off one that is under way then. Raises `ConfigError` where the secret is gone.
        """
        secret = config.secret.resolve() if config.secret is not None else None
        until = time.monotonic() + config.timeout_ms / 1000
        for attempt in range(config.retries + 1):
            outcome, retry_after, may_repeat = await self._attempt(config, request, secret)
            if not may_repeat or attempt == config.retries:
                break
            pause_s = requests.pause_s(attempt, random.random(), retry_after)
            if time.monotonic() + pause_s >= until:
                break
            await asyncio.sleep(pause_s)
        return outcome

    async def is_healthy(self, url: str, timeout_s: float) -> bool:
        """Does it answer with 2xx?"""
        try:
            async with asyncio.timeout(timeout_s):
                return (await self._client.get(url)).is_success
        except (httpx.HTTPError, TimeoutError):
            return False

    async def _attempt(
        self, config: HttpToolConfig, request: Request, secret: str | None
    ) -> tuple[Outcome, str | None, bool]:
        """The outcome, the pause that the tool asks for, and whether another attempt is sensible."""
        headers = requests.headers_of(request, secret, int(time.time()))
        try:
            async with self._client.stream(
                request.method,
                request.url,
                params=request.params or None,
                content=request.body,
                headers=headers,
            ) as response:
                body, is_cut = await _body(response, config.max_response_bytes)
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            words = "the tool can't be reached; it may work later"
            detail = f"{type(failure).__name__}: {failure}"
            return error("failed", words, detail), None, config.may_repeat or isinstance(failure, NEVER_SENT)
        outcome = requests.understood(
            response.status_code, response.headers.get("content-type", ""), body, is_cut
        )
        may_repeat = config.may_repeat and requests.passes(response.status_code)
        return outcome, response.headers.get("retry-after"), may_repeat


@cache
def _trust() -> ssl.SSLContext:
    """The system's certificates: to read them takes tens of milliseconds, in which no call goes on."""
    return ssl.create_default_context()


def headers_of(config: HttpToolConfig) -> dict[str, str]:
    """Those of the configuration. Raises `ConfigError` where a secret is gone."""
    return {
        name: value.resolve() if isinstance(value, Secret) else value
        for name, value in config.headers.items()
    }


async def _body(response: httpx.Response, most: int) -> tuple[bytes, bool]:
    """At most so many bytes, and whether there were more."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            return bytes(body[:most]), True
    return bytes(body), False
