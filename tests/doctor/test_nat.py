"""NAT as a STUN server sees it."""

from __future__ import annotations

import pytest

from rtp.stun import Binding
from sipagent.doctor import addresses, nat
from tests.doctor.findings import config, trunk

HERE, ONE, OTHER = ("10.0.0.5", 4000), ("8.8.4.4", 4000), ("8.8.4.4", 61_000)


@pytest.mark.parametrize(
    ("first", "second", "ours", "status", "detail"),
    [
        (Binding(HERE, ONE), Binding(HERE, ONE), ["10.0.0.5"], "ok", "8.8.4.4, ports are kept"),
        (Binding(HERE, ONE), None, ["10.0.0.5"], "ok", "can't be told from one address"),
        (Binding(ONE, ONE), None, ["10.0.0.5", "8.8.4.4"], "ok", "an address of this machine: no NAT"),
        (Binding(HERE, OTHER), Binding(HERE, OTHER), [], "warn", "NAT makes port 61000 of 4000"),
        (Binding(HERE, ONE), Binding(HERE, OTHER), [], "fail", "symmetric NAT: one socket is seen as"),
    ],
)
def test_what_two_bindings_say_of_nat(
    first: Binding, second: Binding | None, ours: list[str], status: str, detail: str
) -> None:
    finding = nat.judge("NAT", first, second, ours)
    assert (finding.status, detail in finding.detail) == (status, True)
    assert (finding.fix == "") == (status == "ok")


async def test_a_stun_server_that_cant_be_asked_is_told() -> None:
    stun = config(
        stun_server="stun.invalid", trunks=trunk(allowed_addresses=["127.0.0.1"], public_address="stun")
    )
    (seen,) = await nat.check(stun)
    (public,) = await addresses.check_public_addresses(stun)
    assert (seen.name, seen.status, public.status) == ("NAT as stun.invalid:3478 sees it", "fail", "fail")
    assert "stun_server" in seen.fix
    assert "stun_server" in public.fix
