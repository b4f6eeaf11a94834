"""The HTTP face: what a load balancer, an orchestrator and Prometheus are told."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sipagent.api.app import build
from sipagent.api.http_server import HttpServer
from sipagent.config import Config, HttpConfig
from tests.api.house import Face


async def test_a_living_process_is_healthy_whatever_it_can_do(face: Face) -> None:
    face.control.conditions["workers"] = False
    answer = await face.get("/healthz", None)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_server_that_would_take_a_call_is_ready(face: Face) -> None:
    answer = await face.get("/readyz", None)
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "conditions": {"workers": True, "accepting_calls": True}}


@pytest.mark.parametrize("missing", ["workers", "accepting_calls"])
async def test_a_server_that_would_not_says_what_is_missing(face: Face, missing: str) -> None:
    face.control.conditions[missing] = False
    answer = await face.get("/readyz", None)
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert [name for name, holds in answer.json()["conditions"].items() if not holds] == [missing]


async def test_metrics_come_in_prometheus_text_format(face: Face) -> None:
    answer = await face.get("/metrics", None)
    assert answer.content == b"sipagent_calls_active 0.0\n"
    assert answer.headers["content-type"].startswith("text/plain; version=")


async def test_metrics_may_need_a_token_or_be_off(tmp_path: Path) -> None:
    guarded, off = Face(tmp_path, metrics="token"), Face(tmp_path, metrics="off")
    asked = [await guarded.get("/metrics", name) for name in (None, "reader", "operator")]
    assert [answer.status_code for answer in asked] == [401, 403, 200]
    assert (await off.get("/metrics", None)).status_code == 404
    assert (await off.get("/healthz", None)).status_code == 200
    for face in (guarded, off):
        await face.close()


async def test_without_tokens_there_is_no_api(tmp_path: Path) -> None:
    face = Face(tmp_path, tokens=False)
    for path in ("/v1/calls", "/v1/trunks", "/openapi.json", "/docs"):
        assert (await face.get(path, "operator")).status_code == 404
    assert (await face.get("/healthz", None)).status_code == 200
    assert not (tmp_path / "link.key").exists()
    await face.close()


async def test_the_document_tells_every_path_and_that_it_needs_a_token(face: Face) -> None:
    assert (await face.get("/openapi.json", None)).status_code == 401
    document = (await face.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.")
    schemas = document["components"]["schemas"]
    commands = ("accept", "reject", "refer", "hangup", "dtmf", "hold", "resume", "say", "inject")
    assert {f"/v1/calls/{{call_id}}/{command}" for command in commands} <= set(document["paths"])
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation.get("security") == ([{"bearer": []}] if path.startswith("/v1") else None)
            if path.startswith("/v1"):
                refused = operation["responses"]["401"]["content"]["application/problem+json"]
                assert refused["schema"]["$ref"].removeprefix("#/components/schemas/") in schemas
    page = (await face.get("/docs")).text
    assert all(path in page for path in document["paths"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/v1/nothing", 404, "not_found"), ("/healthz", 405, "method_not_allowed")],
)
async def test_whatever_is_wrong_is_told_in_one_shape(face: Face, path: str, status: int, code: str) -> None:
    answer = await face.post(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() == {"title", "status", "detail", "reason_code"}
    assert answer.json()["reason_code"] == code


async def test_a_body_beyond_all_measure_is_not_read(face: Face) -> None:
    answer = await face.http.post("/v1/calls/c-1/say", content=b"x" * 1_000_000)
    assert (answer.status_code, answer.json()["reason_code"]) == (413, "body_too_large")


async def test_a_body_that_goes_on_and_on_is_cut_off(face: Face) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1000

    answer = await face.http.post("/v1/calls/c-1/say", content=endless())
    assert answer.status_code >= 400
    assert face.control.done == []


async def test_the_server_serves_until_it_is_stopped(face: Face) -> None:
    port = free_port()
    server = HttpServer(face.app, HttpConfig.model_validate({"listen": f"127.0.0.1:{port}"}))
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
    await server.stop()
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0


async def test_a_taken_port_is_an_error_at_the_start(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        server = HttpServer(face.app, HttpConfig.model_validate({"listen": listen}))
        with pytest.raises(OSError, match="in use"):
            await server.start()
        await server.stop()


def test_the_key_for_links_is_made_once_and_for_us_alone(face: Face, tmp_path: Path) -> None:
    path = tmp_path / "link.key"
    assert path.stat().st_mode & 0o777 == 0o600
    again = build(face.control, face.config, face.hub, face.board.desk)
    assert again.state.link_key == face.app.state.link_key == path.read_bytes()


def test_the_key_for_links_may_be_configured(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINK_SECRET", "of-ours")
    api = face.config.api.model_dump() | {"link_secret": {"env": "LINK_SECRET"}}
    config = Config.model_validate(face.config.model_dump(include={"storage"}) | {"api": api})
    assert build(face.control, config, face.hub, face.board.desk).state.link_key == b"of-ours"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_the_docs_name_every_request(face: Face) -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    document = (await face.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method in operations:
            written = path.replace("{call_id}", "ID").replace("{kind}", "recordings")
            written = written.replace("{dial_id}", "ID").replace("{campaign}", "NAME")
            last = written.rpartition("/")[2]
            known = f"{method.upper()} {written}`" in text or f"`{written}`" in text
            assert known or f"`/{last}`" in text, f"{method} {written}"
