"""Public addresses: whether the peer can send to what SDP says."""

from __future__ import annotations

import pytest

from sipagent.doctor import Finding, addresses
from tests.doctor.findings import config, trunk


@pytest.mark.parametrize(
    ("said", "local", "peer", "status", "why"),
    [
        ("8.8.4.4", "8.8.4.4", "1.1.1.1", "ok", ""),
        ("10.0.0.5", "10.0.0.5", "10.0.0.9", "ok", ""),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", "ok", ""),
        ("8.8.4.4", "10.0.0.5", "1.1.1.1", "ok", "behind 1:1 NAT"),
        ("10.0.0.5", "10.0.0.5", "1.1.1.1", "fail", "a private address"),
        ("172.17.0.2", "172.17.0.2", "1.1.1.1", "fail", "a private address"),
        ("127.0.0.1", "10.0.0.5", "10.0.0.9", "fail", "a loopback address"),
        ("8.8.4.4", "2a00::5", "2a00::9", "fail", "one is IPv4, the other IPv6"),
        ("8.8.8.8", "8.8.4.4", "1.1.1.1", "warn", "not the address that packets leave from"),
        ("10.0.0.6", "10.0.0.5", "10.0.0.9", "warn", "not the address that packets leave from"),
    ],
)
def test_an_address_in_sdp_must_be_one_the_peer_can_send_to(
    said: str, local: str, peer: str, status: str, why: str
) -> None:
    finding = addresses.judge("public address", said, local, peer)
    assert (finding.status, why in finding.detail) == (status, True)
    assert (finding.fix == "") == (status == "ok")


async def test_auto_is_shown_as_the_address_of_the_route() -> None:
    (finding,) = await addresses.check_public_addresses(
        config(trunks=trunk(allowed_addresses=["127.0.0.0/8"]))
    )
    assert finding == Finding(
        "public address for t", "ok", "SDP will say 127.0.0.1, the route to 127.0.0.0 leaves from 127.0.0.1"
    )


async def test_a_trunks_own_public_address_is_the_one_looked_at() -> None:
    wrong = trunk(allowed_addresses=["127.0.0.1"], public_address="2001:db8::1")
    (finding,) = await addresses.check_public_addresses(config(trunks=wrong))
    assert finding.status == "fail"
    assert "SDP will say 2001:db8::1" in finding.detail
