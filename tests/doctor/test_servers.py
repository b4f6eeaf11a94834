"""The servers of trunks: found, and asked by OPTIONS."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from sipagent.doctor import Finding, addresses, servers
from sipagent.sip.targets import Target
from tests.doctor.findings import config, trunk


async def test_a_registrar_that_cant_be_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "LOOK_UP_S", 0.05)
    registered = config(
        trunks=trunk(registration={"registrar": "sip:sip.example.com", "username": "x"}),
        sip={"nameservers": ["127.0.0.1:9"]},
    )
    (found,) = await servers.check(registered)
    (public,) = await addresses.check_public_addresses(registered)
    assert found.detail.startswith("sip.example.com can't be located")
    assert (found.status, public.status) == ("fail", "fail")


async def test_servers_that_answer_and_that_do_not() -> None:
    answering, silent = Target("192.0.2.1", 5060, "udp"), Target("192.0.2.2", 5060, "udp")
    refusing = Target("192.0.2.3", 5061, "tls")
    assert servers.judge("s", {answering: 12.3}) == Finding("s", "ok", "udp:192.0.2.1:5060 answers in 12 ms")
    assert servers.judge("s", {answering: 12.3, refusing: None}).status == "warn"
    assert servers.judge("s", {silent: None}).status == "warn"  # it may ignore strangers
    assert servers.judge("s", {refusing: None}).status == "fail"


async def test_a_server_is_asked_by_options() -> None:
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[bytes] = loop.create_future()

    class Registrar(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            asked.set_result(data)
            self.transport.sendto(b"SIP/2.0 404 Not Found\r\n\r\n", addr)

    transport, _ = await loop.create_datagram_endpoint(Registrar, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    registered = config(trunks=trunk(registration={"registrar": f"sip:127.0.0.1:{port}", "username": "x"}))
    (finding,) = await servers.check(registered)
    transport.close()
    assert (finding.name, finding.status) == ("servers of t", "ok")
    assert (await asked).startswith(f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n".encode())
