"""Ports: of RTP, and those that the server listens on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sipagent.config import Config
from sipagent.doctor import ports
from tests.doctor.findings import config, statuses


@pytest.mark.parametrize(
    ("ephemeral", "reserved", "fix"),
    [
        ((32768, 60999), "", ""),
        ((32768, 60999), "8080", ""),
        ((16384, 60999), "20000-29999", ""),
        ((16384, 60999), "5060,18000-31000", ""),
        ((16384, 60999), "", "ip_local_reserved_ports=20000-29999,"),
        ((16384, 60999), "5060,20000-20009", "ip_local_reserved_ports=5060,20000-20009,20000-29999,"),
        ((28000, 60999), "", "ip_local_reserved_ports=28000-29999,"),
    ],
)
def test_rtp_ports_must_not_be_handed_to_others(ephemeral: tuple[int, int], reserved: str, fix: str) -> None:
    finding = ports.collisions(config(), ephemeral, reserved)
    assert finding.status == ("warn" if fix else "ok")
    assert fix in finding.fix


async def test_the_ranges_of_this_machine_can_be_read() -> None:
    assert set(statuses(await ports.check_rtp_range(config()))) == {"RTP ports", "RTP port count"}


def test_ports_in_quarantine_are_counted_in() -> None:
    tight = {"first_port": 20000, "last_port": 20199}
    finding = ports.size(config(rtp=tight, limits={"max_calls": 100}))
    assert (finding.status, finding.fix) == ("warn", "Set rtp.last_port to 20319 or more.")
    assert ports.size(config(rtp=tight | {"last_port": 20319}, limits={"max_calls": 100})).status == "ok"


@pytest.fixture
def held_port() -> Iterator[int]:
    """A TCP port of loopback that somebody listens on, and doesn't answer."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


def listening(port: int, **http: str) -> Config:
    return config(sip={"listen_udp": None, "listen_tcp": f"127.0.0.1:{port}"}, http=http)


async def test_a_port_that_another_program_holds_is_told(held_port: int, unused_tcp_port: int) -> None:
    (finding,) = await ports.check_listeners(listening(held_port, listen=f"127.0.0.1:{unused_tcp_port}"))
    assert finding.status == "fail"
    assert finding.detail == f"sip.listen_tcp 127.0.0.1:{held_port}: Address already in use"
    assert "ss -lnptu" in finding.fix


async def test_free_ports_are_all_right(unused_tcp_port_factory: Any) -> None:
    free, other = unused_tcp_port_factory(), unused_tcp_port_factory()
    (finding,) = await ports.check_listeners(listening(free, listen=f"127.0.0.1:{other}"))
    assert finding.status == "ok"


async def test_ports_that_our_own_server_holds_are_all_right(held_port: int) -> None:
    async def healthz(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if request.startswith(b"GET /healthz ") else b"404 Not Found"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(healthz, "127.0.0.1", 0) as server:
        http_port = server.sockets[0].getsockname()[1]
        (finding,) = await ports.check_listeners(listening(held_port, listen=f"127.0.0.1:{http_port}"))
    assert finding.status == "ok"
    assert "in use by a running sipagent" in finding.detail


async def test_an_address_that_isnt_ours_is_told(unused_tcp_port: int) -> None:
    (finding,) = await ports.check_listeners(
        config(
            sip={"listen_udp": "198.51.100.1:5060", "listen_tcp": None},
            http={"listen": f"127.0.0.1:{unused_tcp_port}"},
        )
    )
    assert finding.detail == "sip.listen_udp 198.51.100.1:5060: Cannot assign requested address"
    assert finding.status == "fail"
