"""SRTP, and how its keys travel."""

from __future__ import annotations

from sipagent.doctor import srtp
from tests.doctor.findings import config, statuses


async def test_srtp_keys_should_travel_over_tls() -> None:
    peer = {"allowed_addresses": ["192.0.2.1"], "srtp": "required"}
    open_, over_tls, plain = (
        peer | {"name": "a"},
        peer | {"name": "b", "transport": "tls"},
        peer | {"name": "c"},
    )
    trunks = {"a": open_, "b": over_tls, "c": plain | {"srtp": "off"}}
    findings = await srtp.check(config(trunks=trunks))
    assert statuses(findings) == {"SRTP keys of a": "warn", "SRTP keys of b": "ok"}
