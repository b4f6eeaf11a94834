"""One attempt to deliver one message by HTTP."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

from sipagent import signing
from sipagent.config import WebhookConfig
from sipagent.webhooks.messages import Message
from sipagent.webhooks.schedule import Answer

#: Of an answer's body no more is read, and it serves to say why a message was not taken.
MOST_BYTES = 2048
SHOWN_CHARACTERS = 200


class Sender:
    """Of one endpoint. Proxies of the environment are not used, redirects not followed."""

    def __init__(self, endpoint: WebhookConfig) -> None:
        """Raises `ConfigError` for a secret that can't be used."""
        self._url = endpoint.url
        self._key = endpoint.key()
        self._timeout_s = endpoint.timeout_ms / 1000
        self._client = httpx.AsyncClient(
            verify=_trust(),
            timeout=httpx.Timeout(self._timeout_s),
            limits=httpx.Limits(max_connections=endpoint.max_concurrent, keepalive_expiry=5.0),
            headers={"user-agent": "sipagent-webhooks/1"},
            trust_env=False,
        )

    async def send(self, message: Message, now: float) -> Answer:
        """Post it, signed for `now` (Unix time). What goes wrong is in the answer."""
        signed = signing.headers(self._key, message.message_id, int(now), message.body)
        headers = {**signed, "content-type": "application/json"}
        request = self._client.build_request("POST", self._url, content=message.body, headers=headers)
        try:
            response = await self._client.send(request, stream=True)
            try:
                said = await _beginning(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer(0, f"{type(error).__name__}: {error}".rstrip(": "))
        return Answer(response.status_code, said, _retry_after_s(response))

    async def close(self) -> None:
        await self._client.aclose()


@cache
def _trust() -> ssl.SSLContext:
    """Certifi's certificates, read once for all endpoints: that takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


async def _beginning(response: httpx.Response) -> str:
    body = b""
    if not response.is_success:
        async for part in response.aiter_raw():
            body += part
            if len(body) >= MOST_BYTES:
                break
    shown = body[:SHOWN_CHARACTERS].decode(errors="replace")
    return " ".join(f"{response.status_code} {response.reason_phrase} {shown}".split())


def _retry_after_s(response: httpx.Response) -> float:
    """RFC 9110, section 10.2.3, in its form in seconds."""
    wish = response.headers.get("retry-after", "")
    return float(wish) if wish.isascii() and wish.isdecimal() else 0.0
