"""Who asks, and whether they may: bearer tokens (RFC 6750) with scopes.

Whoever fails too often is told to wait (429). A good token is always taken: behind a proxy all requests come
from one address, and one client with a stale token must not lock the others out.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from math import ceil
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from sipagent import logs
from sipagent.api.failures import Failures
from sipagent.api.problems import Problem
from sipagent.config import TokenConfig
from sipagent.config.api import Scope

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. `trunks` None: calls of all trunks are theirs to see."""

    name: str
    scopes: frozenset[str]
    trunks: frozenset[str] | None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def sees(self, trunk: str | None) -> bool:
        return self.trunks is None or trunk in self.trunks


class Access:
    """The tokens of the configuration."""

    def __init__(self, tokens: tuple[TokenConfig, ...]) -> None:
        """Raises `ConfigError` for a token that can't be read."""
        self._clients = [
            (_digest(token.token.resolve()), Client(token.name, frozenset(token.scopes), _trunks(token)))
            for token in tokens
        ]
        self._failures = Failures()

    def identify(self, connection: HTTPConnection) -> Client:
        """Raises Problem (401, 429)."""
        client = self._known(connection.headers.get("authorization", ""))
        if client is not None:
            return client
        source, now = connection.client.host if connection.client else "", time.monotonic()
        wait_s = self._failures.wait_s(source, now)
        if wait_s > 0:
            headers = {"retry-after": str(ceil(wait_s))}
            raise Problem(429, "too_many_failures", "too many requests without a good token", headers)
        self._failures.note(source, now)
        log.warning("api_unauthorized", source=source, path=connection.url.path)
        raise Problem(
            401,
            "unauthorized",
            "a known bearer token is needed",
            {"www-authenticate": 'Bearer realm="sipagent"'},
        )

    def _known(self, authorization: str) -> Client | None:
        """Every token is compared, in constant time, so that time tells nothing of them."""
        scheme, _, token = authorization.partition(" ")
        digest = _digest(token.strip())
        found = [client for known, client in self._clients if hmac.compare_digest(known, digest)]
        return found[0] if found and scheme.lower() == "bearer" else None


class Needs:
    """A dependency: the client, who must have one of the scopes, if any are named."""

    def __init__(self, *scopes: Scope) -> None:
        self.scopes = scopes

    async def __call__(self, connection: HTTPConnection) -> Client:
        access: Access = connection.app.state.access
        client = access.identify(connection)
        if self.scopes and not any(client.may(scope) for scope in self.scopes):
            wanted = " or ".join(self.scopes)
            log.warning("api_forbidden", client=client.name, path=connection.url.path, scope=wanted)
            raise Problem(403, "scope_missing", f"the token '{client.name}' lacks the scope {wanted}")
        return client


Reader = Annotated[Client, Depends(Needs("calls:read"))]
Writer = Annotated[Client, Depends(Needs("calls:write"))]
Listener = Annotated[Client, Depends(Needs("calls:listen"))]
RecordingReader = Annotated[Client, Depends(Needs("recordings:read"))]
TrunkReader = Annotated[Client, Depends(Needs("trunks:read"))]
Admin = Annotated[Client, Depends(Needs("admin"))]
Originator = Annotated[Client, Depends(Needs("calls:originate"))]
DialReader = Annotated[Client, Depends(Needs("calls:read", "calls:originate"))]
Anyone = Annotated[Client, Depends(Needs())]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _trunks(token: TokenConfig) -> frozenset[str] | None:
    return None if token.trunks is None else frozenset(token.trunks)
