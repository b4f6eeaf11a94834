"""dnsmasq as the name server of a test: it knows what it is told, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Iterable

from tests.e2e.support.ports import free_port
from tests.e2e.support.sip import host_port
from tests.e2e.support.waiting import PATIENCE_S, eventually

TTL_S = 2


def srv(service: str, host: str, port: int, priority: int, weight: int = 0) -> str:
    """A record such as `_sip._udp.carrier.test`."""
    return f"--srv-host={service},{host},{port},{priority},{weight}"


def address(host: str, ip: str = "127.0.0.1") -> str:
    return f"--host-record={host},{ip}"


@contextlib.asynccontextmanager
async def name_server(
    records: Iterable[str], port: int | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """Its address and port, as `sip.nameservers` wants them."""
    port = port or free_port(host)
    process = await asyncio.create_subprocess_exec(
        *(
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--pid-file=",
        ),
        *(f"--listen-address={host}", "--bind-interfaces", f"--port={port}", "--user=root", "--group=root"),
        *(f"--local-ttl={TTL_S}", "--log-facility=-", "--log-queries", *records),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    reading = asyncio.create_task(process.stderr.read())
    try:
        await eventually(lambda: _is_bound(host, port), "the name server listens", PATIENCE_S)
        yield host_port((host, port))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        await reading


def any_host() -> str:
    """An address of loopback's for a server that wants a port of its own, 53 for instance."""
    return f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def _is_bound(host: str, port: int) -> bool:
    wanted = f"{socket.inet_aton(host)[::-1].hex().upper()}:{port:04X}"
    with open("/proc/net/udp") as table:
        return any(line.split()[1] == wanted for line in list(table)[1:])
