"""A server as the API sees it, that does what a test says; and clients of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
from fastapi import FastAPI

from sipagent.api.app import build
from sipagent.api.control import CantBeDone, Reloaded
from sipagent.api.listening import Hub
from sipagent.call.directors.director import Command
from tests.outbound.switchboard import Switchboard, configured

TOKENS: dict[str, dict[str, Any]] = {
    "reader": {"scopes": ["calls:read", "trunks:read"]},
    "writer": {"scopes": ["calls:read", "calls:write"]},
    "archivist": {"scopes": ["recordings:read"]},
    "listener": {"scopes": ["calls:listen"]},
    "pbx-only": {
        "scopes": ["calls:read", "calls:write", "calls:listen", "recordings:read"],
        "trunks": ["pbx"],
    },
    "dialler": {"scopes": ["calls:originate"], "caps": {"max_concurrent": 3, "max_per_day": 10}},
    "carrier-dialler": {"scopes": ["calls:originate"], "trunks": ["carrier"]},
    "operator": {"scopes": ["admin"]},
}


def secret(name: str) -> str:
    return f"{name}-token-of-a-test"


class FakeControl:
    """Calls are records; commands are kept."""

    def __init__(self, directory: Path) -> None:
        self.conditions = {"workers": True, "accepting_calls": True}
        self.records: dict[str, dict[str, Any]] = {}
        self.past: dict[str, dict[str, Any]] = {}
        self.done: list[tuple[str, Command]] = []
        self.refuses: CantBeDone | None = None
        self.reloaded = Reloaded((), {"agents": {"added": ["new"]}})
        self.draining = False
        self.root = directory

    def live(self) -> list[dict[str, Any]]:
        return list(self.records.values())

    def live_record(self, call_id: str) -> dict[str, Any] | None:
        return self.records.get(call_id)

    async def record(self, call_id: str) -> dict[str, Any] | None:
        return self.records.get(call_id) or self.past.get(call_id)

    def do(self, call_id: str, command: Command) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.done.append((call_id, command))

    def trunks(self) -> list[dict[str, Any]]:
        return [{"name": "pbx", "registered": True}, {"name": "carrier", "registered": None}]

    def agents(self) -> list[dict[str, Any]]:
        return [{"name": "receptionist", "calls": len(self.records)}]

    async def reload(self) -> Reloaded:
        return self.reloaded

    def drain(self, draining: bool) -> int:
        self.draining = draining
        return len(self.records)

    def readiness(self) -> dict[str, bool]:
        return self.conditions

    def exposition(self) -> bytes:
        return b"sipagent_calls_active 0.0\n"

    def directory(self, kind: Literal["recordings", "transcripts"]) -> Path:
        return self.root / kind


class Face:
    """The app, and requests to it."""

    def __init__(self, directory: Path, *, tokens: bool = True, **http: Any) -> None:
        written = [_token(name, rest) for name, rest in TOKENS.items()] if tokens else []
        self.config = configured(directory, written, http=http)
        self.board = Switchboard(self.config)
        self.control = FakeControl(directory)
        self.hub = Hub(self.config.redact)
        self.app: FastAPI = build(self.control, self.config, self.hub, self.board.desk)
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://sipagent")

    def add(self, call_id: str, trunk: str = "pbx", *, live: bool = True, **fields: Any) -> dict[str, Any]:
        record = {"call_id": call_id, "trunk": trunk, "call_status": "in-progress", **fields}
        (self.control.records if live else self.control.past)[call_id] = record
        return record

    async def get(self, path: str, token: str | None = "reader", **options: Any) -> httpx.Response:
        return await self.http.get(path, headers=_bearer(token), **options)

    async def post(
        self,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        token: str | None = "writer",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        return await self.http.post(path, json=body, headers=_bearer(token) | (headers or {}))

    async def delete(self, path: str, token: str | None = "dialler") -> httpx.Response:
        return await self.http.delete(path, headers=_bearer(token))

    async def close(self) -> None:
        await self.http.aclose()
        await self.board.desk.stop()


def _token(name: str, rest: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "token": {"env": f"TOKEN_{name}"}, **rest}


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {secret(token)}"}
