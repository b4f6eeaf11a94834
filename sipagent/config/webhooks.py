"""Who is told of calls by signed webhooks (Standard Webhooks 1.0)."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from sipagent.config.values import Secret, Section
from sipagent.errors import ConfigError

SECRET_PREFIX = "whsec_"
#: What Standard Webhooks 1.0 asks of a symmetric key, in bytes.
KEY_BYTES = range(24, 65)


def _http_url(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// (or http:// for a receiver on a private network)")
    return url


EventPattern = Annotated[str, Field(pattern=r"^(\*|[a-z_*]+\.[a-z_*]+)$")]


class WebhookConfig(Section):
    """One receiver. `events` are names or patterns such as `call.*`; docs/webhooks.md lists the names.

    `numbers: mask` leaves of every phone number but our own its first and last digits. No more than
    `max_backlog` messages wait for one endpoint: then the oldest give way.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    url: Annotated[str, AfterValidator(_http_url)]
    secret: Secret
    events: tuple[EventPattern, ...] = ("call.*",)
    timeout_ms: Annotated[int, Field(ge=100, le=60000)] = 10000
    max_concurrent: Annotated[int, Field(ge=1, le=100)] = 4
    max_backlog: PositiveInt = 100_000
    numbers: Literal["keep", "mask"] = "keep"

    def key(self) -> bytes:
        """What messages are signed with. Raises `ConfigError`, in words that don't give it away."""
        text = self.secret.resolve()
        try:
            key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if not text.startswith(SECRET_PREFIX) or len(key) not in KEY_BYTES:
            wanted = f"must be {SECRET_PREFIX} and {KEY_BYTES[0]} to {KEY_BYTES[-1]} bytes in base64"
            raise ConfigError([f"{self.secret} {wanted}"])
        return key
