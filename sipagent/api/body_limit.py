"""No request may have us keep more of its body than anything that we take is long."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sipagent.api.problems import Problem

MOST_BYTES = 64 * 1024
#: Lists of numbers are longer than anything else.
MOST_BYTES_OF = {"/v1/dials": 1024 * 1024}


class BodyLimit:
    """ASGI middleware. A body that says that it is too long gets 413; one that turns out so is cut off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = MOST_BYTES_OF.get(scope["path"], MOST_BYTES)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > most:
            detail = f"a body may have {most} bytes"
            await Problem(413, "body_too_large", detail).response()(scope, receive, send)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                return {"type": "http.disconnect"}
            return message

        await self._app(scope, limited, send)
