"""The HTTP face: what a load balancer, an orchestrator and Prometheus are told."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from sipagent.api.app import HttpServer, build
from sipagent.config import HostPort


class Face:
    """The app with conditions that a test may change, and a client of it."""

    def __init__(self) -> None:
        self.conditions = {"workers": True, "accepting_calls": True}
        self.app = build(lambda: self.conditions, lambda: b"sipagent_calls_active 0.0\n")
        transport = httpx.ASGITransport(app=self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://sipagent")


@pytest.fixture
async def face() -> AsyncIterator[Face]:
    face = Face()
    async with face.client:
        yield face


async def test_a_living_process_is_healthy_whatever_it_can_do(face: Face) -> None:
    face.conditions["workers"] = False
    answer = await face.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_server_that_would_take_a_call_is_ready(face: Face) -> None:
    answer = await face.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "conditions": {"workers": True, "accepting_calls": True}}


@pytest.mark.parametrize("missing", ["workers", "accepting_calls"])
async def test_a_server_that_would_not_says_what_is_missing(face: Face, missing: str) -> None:
    face.conditions[missing] = False
    answer = await face.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert [name for name, holds in answer.json()["conditions"].items() if not holds] == [missing]


async def test_metrics_come_in_prometheus_text_format(face: Face) -> None:
    answer = await face.client.get("/metrics")
    assert answer.content == b"sipagent_calls_active 0.0\n"
    assert answer.headers["content-type"].startswith("text/plain; version=")


async def test_the_server_serves_until_it_is_stopped(face: Face) -> None:
    port = free_port()
    server = HttpServer(face.app, HostPort("127.0.0.1", port))
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
    await server.stop()
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0


async def test_a_taken_port_is_an_error_at_the_start(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = HttpServer(face.app, HostPort("127.0.0.1", taken.getsockname()[1]))
        with pytest.raises(OSError, match="in use"):
            await server.start()
        await server.stop()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
