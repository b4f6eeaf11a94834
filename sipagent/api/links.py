"""Links that need no token: one path, until one moment, signed. Pure."""

from __future__ import annotations

import hashlib
import hmac


def sign(key: bytes, path: str, expires_at: int) -> str:
    """The query of a link to `path` that is good until `expires_at` (Unix time in seconds)."""
    return f"expires={expires_at}&signature={_signature(key, path, expires_at)}"


def is_good(key: bytes, path: str, expires: str, signature: str, now: float) -> bool:
    """Was this link to `path` made by us, and is it still good? Compared in constant time."""
    if not (expires.isascii() and expires.isdecimal() and len(expires) <= 12):
        return False
    ours = _signature(key, path, int(expires))
    return hmac.compare_digest(ours.encode(), signature.encode()) and now < int(expires)


def _signature(key: bytes, path: str, expires_at: int) -> str:
    return hmac.new(key, f"GET {path} {expires_at}".encode(), hashlib.sha256).hexdigest()
