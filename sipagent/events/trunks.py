"""What becomes of trunks, whether or not anybody calls."""

from __future__ import annotations

import msgspec


class TrunkStateChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trunk's registration; `expires_s` is 0 unless registered. `target` is its registrar's server."""

    at: float
    trunk: str
    registered: bool
    sip_status: int
    detail: str
    expires_s: int = 0
    target: str = ""


class TargetStateChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A server of a trunk's was asked whether it is there. `rtt_ms` is None without an answer in time."""

    at: float
    trunk: str
    target: str
    is_up: bool
    sip_status: int
    rtt_ms: float | None = None
