"""Who is where in tests of NAT, and what they have in common."""

from __future__ import annotations

from typing import Any

from sipagent.formats import CODECS
from tests.e2e.support import audio
from tests.e2e.support.namespaces import Internet, masquerade

HOME, OFFICE = "10.98.1.0/24", "10.97.1.0/24"
SERVER, STUN_SERVER, CALLER, ROUTER, PUBLIC, NEXT_PUBLIC = 10, 3, 20, 2, 5, 6
PRIVATE = 7


def pcmu(ms: int) -> bytes:
    return audio.signal(8, ms, CODECS["PCMU"])


def trunk(net: Internet, *also: str, **settings: Any) -> dict[str, Any]:
    return {"allowed_addresses": [str(net.network), *also], **settings}


def ports_kept(inside: str) -> str:
    """Rules of a router that gives every flow its own port where that is free, whoever it goes to."""
    return masquerade(inside).replace(" random,fully-random", "")
