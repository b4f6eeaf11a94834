"""The HTTP face: health, readiness, metrics, and the control API if there are tokens for it."""

from __future__ import annotations

import os
import secrets
from html import escape
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST

from sipagent import logs
from sipagent.api import calls, dials, files, listening, operations, problems
from sipagent.api.access import Access, Anyone, Needs
from sipagent.api.body_limit import BodyLimit
from sipagent.api.control import Control
from sipagent.api.idempotency import Replays
from sipagent.api.listening import Hub
from sipagent.config import Config
from sipagent.outbound.archive import StoreFailed
from sipagent.outbound.desk import Desk

log = logs.get_logger(__name__)

DESCRIPTION = "Control of a SIP/RTP server for voice models. Errors are problem details with a `reason_code`."


def build(control: Control, config: Config, hub: Hub, desk: Desk) -> FastAPI:
    """Raises `ConfigError` for a token or secret that can't be read, OSError for a key that can't be kept."""
    app = FastAPI(title="sipagent", description=DESCRIPTION, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.control = control
    app.state.access = Access(config.api.tokens)
    problems.install(app)
    app.add_middleware(BodyLimit)
    _add_health(app, control)
    if config.http.metrics != "off":
        _add_metrics(app, control, is_open=config.http.metrics == "open")
    if config.api.tokens:
        _warn_in_clear(config)
        app.state.hub = hub
        app.state.desk = desk
        app.add_exception_handler(StoreFailed, dials.store_failed)
        app.state.replays = Replays()
        app.state.link_key = link_key(config)
        # Routes are made with their module. `include_router` would make them again at the first request.
        for router in (calls.router, dials.router, files.router, operations.router, listening.router):
            app.router.routes.extend(router.routes)
        _add_documents(app)
    return app


def _warn_in_clear(config: Config) -> None:
    listen = config.http.listen
    if config.http.tls is None and not ip_address(listen.host).is_loopback:
        log.warning("api_tokens_in_clear", listen=str(listen), fix="http.tls, or a proxy with TLS before it")


def _add_health(app: FastAPI, control: Control) -> None:
    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """The process lives and its loop turns."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    async def readyz(response: Response) -> dict[str, object]:
        """200 if a call would be taken now, else 503; the body says what is missing."""
        conditions = dict(control.readiness())
        ready = all(conditions.values())
        response.status_code = 200 if ready else 503
        return {"ready": ready, "conditions": conditions}


def _add_metrics(app: FastAPI, control: Control, *, is_open: bool) -> None:
    @app.get("/metrics", tags=["health"], dependencies=[] if is_open else [Depends(Needs("metrics:read"))])
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(control.exposition(), media_type=CONTENT_TYPE_LATEST)


def _add_documents(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(client: Anyone) -> dict[str, Any]:
        return document(app)

    @app.get("/docs", include_in_schema=False)
    async def docs(client: Anyone) -> HTMLResponse:
        return HTMLResponse(page(document(app)))


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, which says that all under /v1 needs a bearer token."""
    schema = app.openapi()
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {}).update(problems.SCHEMAS)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operations_of in schema["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations_of.values():
                operation["security"] = [{"bearer": []}]
    return schema


def page(schema: dict[str, Any]) -> str:
    """The document for people, in one page that loads nothing else."""
    rows = [
        f"<tr><td><code>{method.upper()} {escape(path)}</code></td>"
        f"<td>{escape(operation.get('description', ''))}</td></tr>"
        for path, operations_of in schema["paths"].items()
        for method, operation in operations_of.items()
    ]
    head = "<!doctype html><meta charset=utf-8><title>sipagent</title><h1>sipagent</h1>"
    link = "<p>Bodies and answers: <a href=openapi.json>openapi.json</a>.</p>"
    return f"{head}<p>{escape(DESCRIPTION)}</p>{link}<table>{''.join(rows)}</table>"


def link_key(config: Config) -> bytes:
    """What links are signed with: the configured secret, or a key that is made once and kept."""
    if config.api.link_secret is not None:
        return config.api.link_secret.resolve().encode()
    path = config.storage.directory / "link.key"
    if not path.exists():
        _write_key(path)
    return path.read_bytes()


def _write_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name("link.key.part")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    os.replace(partial, path)
