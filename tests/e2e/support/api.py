"""A client of the control API of a server under test."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.support.server import Server
from tests.e2e.support.setup import HOST, Setup
from tests.e2e.support.waiting import PATIENCE_S

#: Tokens by name, with their scopes.
SCOPES = {
    "operator": ["admin"],
    "reader": ["calls:read"],
    "archivist": ["recordings:read"],
}


def secret(name: str) -> str:
    return f"{name}-token-of-a-test"


def set_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Into the environment that servers are started with."""
    for name in SCOPES:
        monkeypatch.setenv(f"API_{name.upper()}", secret(name))


def api_section() -> dict[str, Any]:
    """For `write_setup(..., api=api_section())`."""
    return {
        "tokens": [
            {"name": name, "token": {"env": f"API_{name.upper()}"}, "scopes": scopes}
            for name, scopes in SCOPES.items()
        ]
    }


class Api:
    """Requests as the owner of one token, or of none."""

    def __init__(self, setup: Setup, token: str | None = "operator", scheme: str = "http") -> None:
        self._address = f"{HOST}:{setup.http_port}"
        self._headers = {} if token is None else {"authorization": f"Bearer {secret(token)}"}
        self._scheme = scheme

    async def get(self, path: str) -> httpx.Response:
        return await self._request("GET", path)

    async def try_get(self, path: str) -> httpx.Response | None:
        """None where no HTTP is spoken."""
        try:
            return await self.get(path)
        except httpx.TransportError:
            return None

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        return await self._request("POST", path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        return await self._request("DELETE", path)

    async def do(self, call_id: str, command: str, **body: Any) -> None:
        """Tell a call something, which must be taken."""
        answer = await self.post(f"/v1/calls/{call_id}/{command}", body or None)
        assert answer.status_code == 202, answer.text

    async def only_call(self) -> dict[str, Any]:
        """The one call that is on."""
        (call,) = (await self.get("/v1/calls")).json()["calls"]
        found: dict[str, Any] = call
        return found

    @contextlib.asynccontextmanager
    async def listening(self, path: str) -> AsyncIterator[Listening]:
        url = f"ws://{self._address}{path}"
        async with connect(url, additional_headers=self._headers, proxy=None) as connection:
            yield Listening(connection)

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            url = f"{self._scheme}://{self._address}{path}"
            return await client.request(method, url, headers=self._headers, timeout=PATIENCE_S, **options)


class Listening:
    """Events over a WebSocket, all kept; audio as two lanes of law bytes."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.heard: list[dict[str, Any]] = []
        self.caller, self.agent = b"", b""

    async def until(self, kind: str) -> dict[str, Any]:
        """The next event of this type."""
        while True:
            message = await self._next()
            if message is not None and message["type"] == kind:
                return message

    async def hear(self, enough: Callable[[], bool]) -> None:
        """Until enough audio has come."""
        async with asyncio.timeout(PATIENCE_S):
            while not enough():
                await self._next()

    async def _next(self) -> dict[str, Any] | None:
        """An event; None is audio."""
        data = await self._connection.recv()
        if isinstance(data, bytes):
            half = len(data) // 2
            self.caller, self.agent = self.caller + data[:half], self.agent + data[half:]
            return None
        message: dict[str, Any] = json.loads(data)
        self.heard.append(message)
        return message

    async def closed(self) -> int | None:
        """The close code, once nothing more comes."""
        await self._connection.wait_closed()
        return self._connection.close_code


async def call_id_of(server: Server, sip_call_id: str) -> str:
    line = await server.wait_log("call_received", sip_call_id=sip_call_id)
    return str(line["call_id"])
