"""From a tool's configuration and its arguments to an HTTP request, and what its answer means. Pure."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sipagent import signing
from sipagent.config.tools import HttpToolConfig
from sipagent.config.webhooks import SECRET_PREFIX
from sipagent.tools.arguments import BadArguments
from sipagent.tools.outcome import Outcome, as_json, error

WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})
FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 5.0
_READABLE = ("text/", "application/json", "application/xml", "application/problem+json")


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a tool may know of the call it is called in."""

    call_id: str
    agent: str
    trunk: str = ""
    direction: str = "inbound"

    def as_dict(self) -> dict[str, str]:
        return {
            "call_id": self.call_id,
            "agent": self.agent,
            "trunk": self.trunk,
            "direction": self.direction,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """An attempt is this with a signature of its own: see `headers_of`."""

    method: str
    url: str
    params: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str] = field(repr=False)


def build(
    config: HttpToolConfig,
    name: str,
    arguments: Mapping[str, Any],
    call: CallContext,
    tool_call_id: str,
    headers: Mapping[str, str],
) -> Request:
    """`headers` are those of the configuration, their secrets read. Raises BadArguments."""
    url, rest = config.url, dict(arguments)
    for placeholder in config.placeholders:
        url = url.replace(f"{{{placeholder}}}", _segment(placeholder, rest.pop(placeholder)))
    has_body = config.method not in WITHOUT_BODY
    own = {
        "accept": "application/json, text/plain;q=0.9, */*;q=0.1",
        "idempotency-key": quote(f"{call.call_id}.{tool_call_id}"),
        "sipagent-call-id": quote(call.call_id),
        "sipagent-agent": quote(call.agent),
        "sipagent-tool": name,
    }
    if has_body:
        own["content-type"] = "application/json"
    return Request(
        config.method,
        url,
        {} if has_body else {key: _text(value) for key, value in rest.items()},
        as_json(rest).encode() if has_body else b"",
        own | {key.lower(): value for key, value in headers.items()},
    )


def headers_of(request: Request, secret: str | None, unix_s: int) -> dict[str, str]:
    """With a signature over the id, this second and the body, if there is a secret to sign with."""
    headers = dict(request.headers)
    if secret is not None:
        headers |= signing.headers(_key(secret), headers["idempotency-key"], unix_s, request.body)
    return headers


def _key(secret: str) -> bytes:
    """Base64 after `whsec_`, as the standard has it; any other text is taken as it stands, in UTF-8."""
    if secret.startswith(SECRET_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error:
            pass  # not the standard's form after all
    return secret.encode()


def passes(status: int) -> bool:
    """May the same request do better in a moment?"""
    return status == 429 or status >= 500


def pause_s(attempt: int, jitter: float, retry_after: str | None = None) -> float:
    """How long to wait after attempt 0, 1, ...: doubled each time, less up to half by `jitter` (0 to 1).

    A server that asks for a pause in seconds gets it.
    """
    if retry_after is not None and retry_after.isdecimal():
        return float(retry_after)
    return min(MAX_PAUSE_S, FIRST_PAUSE_S * math.pow(2, attempt)) * (1 - jitter / 2)


def understood(status: int, content_type: str, body: bytes, is_cut: bool) -> Outcome:
    """What the answer means to the model. A 4xx is its own mistake, or a plain no; a 5xx is the tool's."""
    text = _decoded(content_type, body)
    if text is None:
        return error(
            "failed", "the tool answered with something that is not text", f"{status} {content_type}"
        )
    if is_cut:
        text += f" [cut off after {len(body)} bytes]"
    if 200 <= status < 300:
        return Outcome("ok", text or as_json({"status": "done"}), str(status))
    if 300 <= status < 400:
        return error(
            "failed", "the tool is misconfigured and can't be used", f"{status}: redirects are not followed"
        )
    if passes(status):
        return error("failed", f"the tool has failed ({status}); it may work later", str(status))
    return Outcome(
        "rejected", as_json({"error": f"refused with status {status}", "answer": text}), str(status)
    )


def _segment(name: str, value: Any) -> str:
    """One segment of a path, whatever the value is."""
    text = _text(value)
    if text in ("", ".", ".."):
        raise BadArguments(f"{name} must not be '{text}'")
    return quote(text, safe="")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def _decoded(content_type: str, body: bytes) -> str | None:
    kind, _, parameters = content_type.lower().partition(";")
    if body and kind and not kind.strip().startswith(_READABLE) and not kind.strip().endswith("+json"):
        return None
    charset = parameters.partition("charset=")[2].strip('" ') or "utf-8"
    try:
        return body.decode(charset, errors="replace").strip()
    except (LookupError, ValueError):  # no charset at all, or one that is no such thing as text
        return body.decode(errors="replace").strip()
