"""SRTP: do its keys, which travel in SDP, travel encrypted?"""

from __future__ import annotations

from sipagent.config import Config, TrunkConfig
from sipagent.doctor.finding import Finding, ok, warn


async def check(config: Config) -> list[Finding]:
    """One finding for every trunk that may have SRTP."""
    return [_keys(trunk) for trunk in config.trunks.values() if trunk.srtp != "off"]


def _keys(trunk: TrunkConfig) -> Finding:
    name = f"SRTP keys of {trunk.name}"
    if trunk.transport == "tls":
        return ok(name, "travel over TLS")
    detail = f"travel over {trunk.transport.upper()}, where whoever sees the signalling can decrypt the call"
    return warn(name, detail, f"Set transport: tls in trunk {trunk.name}, if the peer can do it.")
