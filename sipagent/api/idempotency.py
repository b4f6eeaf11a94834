"""POSTs that are sent again under one Idempotency-Key are done once.

See draft-ietf-httpapi-idempotency-key-header. Answers below 400 are kept in memory for a day, and given again
to whoever asks with the same token. A restart forgets them.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from sipagent.api.problems import Problem

MOST_KEPT, KEPT_S = 10_000, 24 * 3600.0

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(slots=True)
class Kept:
    """An answer, or None while it is being made. `at` is CLOCK_MONOTONIC."""

    at: float
    request: bytes
    answer: Response | None = None


class Replays:
    """What was asked under a key, and answered."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()

    async def once(self, request: Request, key: str, handler: Handler) -> Response:
        """Let the handler answer, unless it has done so before."""
        now = time.monotonic()
        self._forget(now)
        asked = _digest(await request.body())
        place = _digest(
            *(text.encode() for text in (request.headers.get("authorization", ""), request.url.path, key))
        )
        if (kept := self._kept.get(place)) is not None:
            return _again(kept, asked)
        self._kept[place] = kept = Kept(now, asked)
        try:
            kept.answer = answer = await handler(request)
        finally:
            if kept.answer is None or kept.answer.status_code >= 400:
                self._kept.pop(place, None)
        return answer

    def _forget(self, now: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) < MOST_KEPT and oldest.at > now - KEPT_S:
                return
            self._kept.popitem(last=False)


def _again(kept: Kept, asked: bytes) -> Response:
    if kept.request != asked:
        raise Problem(422, "idempotency_key_reused", "this Idempotency-Key came with another request before")
    if kept.answer is None:
        raise Problem(409, "request_in_progress", "the request with this Idempotency-Key is being worked on")
    answer = kept.answer
    headers = dict(answer.headers) | {"idempotent-replayed": "true"}
    return Response(answer.body, answer.status_code, headers)


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


class IdempotentRoute(APIRoute):
    """A route whose POSTs heed Idempotency-Key."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            if request.method != "POST" or not key:
                return await handler(request)
            replays: Replays = request.app.state.replays
            return await replays.once(request, key, handler)

        return handle
