"""Standard Webhooks signatures (https://www.standardwebhooks.com, spec 1.0.0). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"


def signed_headers(secret: str, message_id: str, unix_s: int, body: bytes) -> dict[str, str]:
    """The three headers that go with `body`.

    A secret is base64 after `whsec_`, as the standard has it; any other is taken as it stands, in UTF-8.
    """
    signed = f"{message_id}.{unix_s}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass  # not the standard's form after all
    return secret.encode()
