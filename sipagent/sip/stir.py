"""What an INVITE says of the authenticity of its caller: STIR/SHAKEN, read and not verified. Pure.

The PASSporT (RFC 8225) in the Identity header (RFC 8224) is signed; nobody here looks whether by whom it
should be. `verstat` (3GPP TS 24.229, ATIS-1000082) is the verdict of a network before us that did.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any

import msgspec

MAX_TOKEN_CHARS = 8192
MAX_TEXT_CHARS = 256

_VERSTAT = re.compile(r";\s*verstat\s*=\s*([\w-]{1,64})", re.IGNORECASE)


def seen(identities: Iterable[str], uris: Iterable[str]) -> dict[str, Any] | None:
    """`verstat` of the first URI that has one, and the first PASSporT's claims; None if there is neither.

    The claims are what whoever sent the request wrote. A header without a readable payload (the compact form,
    too) gives empty claims.
    """
    verstat = next((match[1] for uri in uris if (match := _VERSTAT.search(uri))), None)
    identity = next(iter(identities), None)
    if verstat is None and identity is None:
        return None
    return {"verstat": verstat, "unverified": None if identity is None else claims(identity)}


def claims(identity: str) -> dict[str, Any]:
    """Of an Identity header: attestation (`A`, `B`, `C`), calling and called numbers, origination id."""
    payload = _payload(identity.partition(";")[0].strip())
    orig, dest = _object(payload.get("orig")), _object(payload.get("dest"))
    return {
        "attestation": _text(payload.get("attest")),
        "orig": _text(orig.get("tn")) or _text(orig.get("uri")),
        "dest": [text for key in ("tn", "uri") for each in _list(dest.get(key)) if (text := _text(each))],
        "origid": _text(payload.get("origid")),
        "iat": _seconds(payload.get("iat")),
    }


def _payload(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARS or len(parts) != 3 or not token.isascii():
        return {}
    try:
        data = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return _object(msgspec.json.decode(data))
    except (binascii.Error, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value[:8] if isinstance(value, list) else []


def _seconds(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**40 else None


def _text(value: Any) -> str | None:
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) else None
