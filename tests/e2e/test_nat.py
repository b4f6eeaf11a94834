"""Calls through real NAT, in network namespaces, whose routers choose ports and forget them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from rtp.latch import QUIET_S, RESUMED
from rtp.sender import KEEPALIVE_S
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.desk_phone import desk_call
from tests.e2e.support.namespaces import IS_ROOT, Internet, masquerade
from tests.e2e.support.nat import CALLER, HOME, OFFICE, PRIVATE, ROUTER, SERVER, pcmu, ports_kept, trunk
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import running
from tests.e2e.support.sip import Address
from tests.e2e.support.waiting import PATIENCE_S, eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not IS_ROOT, reason="network namespaces take root"),
]

JITTER_BUFFER_S = 0.2
#: After so long without a packet NAT forgets: longer than between two keep-alives.
FORGOTTEN_S = round(KEEPALIVE_S) + 2


def longest_gap_s(caller: Phone) -> float:
    at = [each.at for each in caller.heard]
    return max(after - before for before, after in pairwise(at))


@pytest.mark.paced
async def test_a_caller_behind_nat_is_heard_from_the_first_frame(setup: SetupFactory, net: Internet) -> None:
    """Its SDP names a private address, and its NAT chooses ports at random."""
    host = net.join(SERVER)
    home = net.router("home", ROUTER, HOME, masquerade(HOME)).host("phone", 5)
    said = pcmu(2000)
    async with (
        running(setup(None, host=host, trunk=trunk(net))) as server,
        call(server.setup, host=home.address, inside=home, speech=said) as caller,
    ):
        await caller.hear_speech(2000)
        await caller.hang_up()
        record = await server.next_record()
    assert record["source"].startswith(f"{net.address(ROUTER)}:")
    spoken = audio.samples(said, "PCMU")
    left, _ = audio.recorded(record["recording"])
    assert audio.holds(left, spoken)
    assert audio.plays(audio.samples(caller.audio_heard(), "PCMU"), spoken)


async def test_a_nat_that_forgets_its_ports_costs_half_a_second(setup: SetupFactory, net: Internet) -> None:
    host = net.join(SERVER)
    router = net.router("home", ROUTER, HOME, masquerade(HOME))
    home = router.host("phone", 5)
    async with (
        running(setup(None, host=host, trunk=trunk(net))) as server,
        call(server.setup, host=home.address, inside=home, speech=pcmu(8000)) as caller,
    ):
        await caller.hear_speech(1000)
        for _ in range(2):
            before = len(caller.heard)
            router.forget()
            await caller.hear(lambda: len(caller.heard) > before + 100)  # noqa: B023
        await caller.hang_up()
        record = await server.next_record()
    assert 0.3 < longest_gap_s(caller) < RESUMED.silence_s + JITTER_BUFFER_S
    inbound = record["rtp"]["inbound"]
    assert inbound["lost"] <= 2 * QUIET_S / 0.02 + 2


async def test_a_nat_in_front_of_us_stays_open_while_a_call_is_on_hold(
    setup: SetupFactory, net: Internet
) -> None:
    """Only SIP is forwarded, and the router forgets what is idle for FORGOTTEN_S. The hold lasts longer: the
    caller sends nothing, we keep-alives only. Then its music on hold comes through to us."""
    router = net.router("office", ROUTER, OFFICE, ports_kept(OFFICE))
    for kind in ("udp_timeout", "udp_timeout_stream"):
        router.run("sysctl", "-qw", f"net.netfilter.nf_conntrack_{kind}={FORGOTTEN_S}")
    host, place = router.join(PRIVATE), net.host("phone", CALLER)
    prepared = setup(None, host=host, trunk=trunk(net, host, public_address=router.address))
    router.translate(ports_kept(OFFICE) + forwarded(prepared.sip_port, host))
    outside = replace(prepared, host=router.address)
    async with (
        running(prepared) as server,
        desk_call(outside, host=place.address, inside=place, noise_dbov=-60) as caller,
    ):
        await caller.say(pcmu(400))
        await caller.hear_speech(400)
        await caller.hold("sendonly")
        with sent_from(host, (place.address, 9)) as port:  # nothing follows: it is forgotten, and all as idle
            await eventually(lambda: router.remembers(port), "the router has seen it")
            await eventually(
                lambda: not router.remembers(port), "it has forgotten it", FORGOTTEN_S + PATIENCE_S
            )
        before = len(caller.sent_at), len(caller.heard)
        await caller.say(pcmu(400))
        await caller.resume()
        await caller.hear(lambda: len(caller.heard) > before[1] + 20)
        await caller.hang_up()
        record = await server.next_record()
    inbound = record["rtp"]["inbound"]
    assert inbound["packets"] >= len(caller.sent_at) - 3  # the first may have come before the NAT was open
    assert inbound["packets"] > before[0] + 400 / 20 - 3
    assert inbound["lost"] == 0


@contextlib.contextmanager
def sent_from(host: str, to: Address) -> Iterator[int]:
    """Sends one datagram; the port that it came from is kept meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.sendto(b"", to)
        yield sock.getsockname()[1]


def forwarded(port: int, private: str) -> str:
    """Rules by which one UDP port is passed on to a host, and what comes to others unasked is dropped."""
    return f"""table ip forwarding {{
chain in {{
type nat hook prerouting priority dstnat
iifname "wan" udp dport {port} dnat to {private}
}}
chain closed {{
type filter hook input priority filter
iifname "wan" meta l4proto udp drop
}}
}}
"""
