"""Floods, from nowhere and from a trunk: whoever else calls notices nothing, and nothing grows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support import processes
from tests.e2e.support.certificates import certificate
from tests.e2e.support.flooder import flood
from tests.e2e.support.phone import call
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import Setup
from tests.e2e.support.sip import options_answered
from tests.e2e.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

STRANGER, GREEDY = "127.0.0.9", "127.0.0.2"
FLOOD_UP = "flood from unlisted sources: the kernel drops it, but for 1 in 256"
CARRIER_ALONE = {"allowed_addresses": ["127.0.0.1/32"]}
ASKED = 20
MOST_LINES_PER_S = 12
RSS_GROWTH_KB = 16 * 1024
CONNECTIONS = 40


def resident_kb(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
async def test_a_flood_from_nowhere(setup: SetupFactory, method: str) -> None:
    """Once what came before the filter has been read, a listed trunk's every request is answered at the first
    try, and its calls are had."""
    quiet = {"level": "info"}
    async with running(setup(None, trunk=CARRIER_ALONE, logging=quiet), spare_threads=4) as server:
        target = (server.setup.host, server.setup.sip_port)
        before, began = resident_kb(server), time.monotonic()
        async with flood(target, STRANGER, method, seconds=60):
            await server.wait_log(FLOOD_UP)
            await eventually(lambda: options_answered(*target, within_s=0.5), "an answer", within_s=5)
            answered = [await options_answered(*target, within_s=1.0) for _ in range(ASKED)]
            async with call(server.setup) as caller:
                await caller.hang_up()
        lasted = time.monotonic() - began
        assert answered == [True] * ASKED
        (record,) = await server.next_records(1)
        assert record["trunk"] == "carrier"
        assert resident_kb(server) - before < RSS_GROWTH_KB
        assert len(server.log) < 40 + MOST_LINES_PER_S * lasted
        assert not [line for line in server.log if "friendly-scanner" in str(line)]


async def test_a_trunk_beyond_its_rate(setup: SetupFactory, sipp: Sipp) -> None:
    """It gets 503 with Retry-After, a hundred times a second, while the other trunk's calls are all had."""
    greedy = {"allowed_addresses": [f"{GREEDY}/32"], "max_calls_per_second": 0.01}
    quiet = {"level": "info"}
    made = setup(None, trunk=CARRIER_ALONE, trunks={"greedy": greedy}, rtp_pairs=60, logging=quiet)
    async with running(made, spare_threads=32) as server:
        async with call(server.setup, host=GREEDY) as first:
            await first.hang_up()
        await asyncio.gather(
            sipp("uac-over-limit-503", made, "-r", "100", host=GREEDY, calls=300, timeout_s=40),
            sipp("uac-pcmu-answered", made, "-r", "10", calls=30, timeout_s=40),
        )
        records = await server.next_records(331, within_s=30)
        refused = [each["reason_code"] for each in records if each["trunk"] == "greedy"]
        assert sorted(filter(None, refused)) == ["trunk_rate_limit"] * 300
        served = [each for each in records if each["trunk"] == "carrier"]
        assert [each["end_reason"] for each in served] == ["caller_hung_up"] * 30


@contextlib.contextmanager
def connections(address: tuple[str, int], source: str, says: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(CONNECTIONS)]
        for sock in made:
            sock.bind((source, 0))
            sock.settimeout(5)
            sock.connect(address)
            sock.sendall(says)
        yield made


def connected(setup: Setup, pid: int) -> int:
    """Connections to SIP listeners that the server holds, by its open files."""
    return processes.connections(pid, {setup.sip_port, setup.tls_port})


async def test_connections_that_say_nothing_or_half_of_it(setup: SetupFactory, tmp_path: Path) -> None:
    """Those of a trunk are closed after a while; nobody else gets one."""
    made = setup(None, trunk=CARRIER_ALONE, certificate=certificate(tmp_path, "127.0.0.1"))
    async with running(made, spare_threads=4) as server:
        tcp, tls = (made.host, made.sip_port), (made.host, made.tls_port)
        half = b"INVITE sip:1000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\n"
        with (
            connections(tcp, "127.0.0.1", b""),
            connections(tcp, "127.0.0.1", half),
            connections(tls, "127.0.0.1", b"\x16\x03\x01"),
        ):
            pid = server.process.pid
            await eventually(lambda: connected(made, pid) >= 2 * CONNECTIONS, "they are accepted")
            with socket.socket() as stranger:
                stranger.bind((STRANGER, 0))
                stranger.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    stranger.connect(tcp)
            assert await options_answered(*tcp, within_s=1.0)
            await eventually(lambda: not connected(made, pid), "they are closed", within_s=25)
