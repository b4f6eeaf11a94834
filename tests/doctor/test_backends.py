"""The servers of agents' backends, and the credentials for them."""

from __future__ import annotations

import asyncio

import pytest

from sipagent.doctor import Finding, backends
from tests.doctor.findings import agent, by_name, config


async def test_each_server_is_tried_once_however_many_agents_use_it() -> None:
    tried = 0

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tried
        tried += 1
        writer.close()

    async with await asyncio.start_server(count, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
        findings = by_name(await backends.check(config(agents=agent("a", url) | agent("b", url))))
    assert list(findings) == [f"backend {url[5:-12]}", "credentials of a", "credentials of b"]
    assert {finding.status for finding in findings.values()} == {"ok"}
    assert tried == 1


async def test_a_backend_that_refuses_is_told(unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}/"
    finding = by_name(await backends.check(config(agents=agent("a", url))))[f"backend {url[5:-1]}"]
    assert finding.status == "fail"
    assert finding.detail.startswith("can't be reached: ")
    assert f"port {unused_tcp_port} is open outwards" in finding.fix


async def test_a_backend_that_speaks_no_tls_is_told() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        finding = (await backends.check(config(agents=agent("a", url))))[0]
    assert finding.status == "fail"
    assert finding.detail.startswith("TLS failed: ")


async def test_credentials_must_be_there_and_travel_encrypted(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    async def reach(url: str) -> Finding:
        return Finding(url, "ok", "")

    monkeypatch.setattr(backends, "_reach", reach)
    monkeypatch.setenv("KEY", "hunter2")
    monkeypatch.delenv("NO_KEY", raising=False)
    agents = (
        agent("good", "wss://a.example", api_key={"env": "KEY"})
        | agent("local", "ws://127.0.0.1", api_key={"env": "KEY"})
        | agent("open", "ws://a.example", api_key={"env": "KEY"})
        | agent("free", "ws://a.example")
        | agent("missing", "wss://a.example", headers={"X-Token": {"env": "NO_KEY"}})
    )
    findings = by_name(await backends.check(config(agents=agents)))
    assert {
        name.removeprefix("credentials of "): f.status for name, f in findings.items() if " of " in name
    } == {
        "good": "ok",
        "local": "ok",
        "open": "warn",
        "free": "ok",
        "missing": "fail",
    }
    assert findings["credentials of missing"].detail == "environment variable NO_KEY is not set"
    assert "hunter2" not in str(findings)
