"""Signatures of Standard Webhooks 1.0 (https://www.standardwebhooks.com), symmetric form (v1). Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac


def headers(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What goes along with `body`. `timestamp` is that of the attempt, as Unix time in seconds."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
