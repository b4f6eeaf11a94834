"""dnsmasq as the name server of a test: it knows what it is told, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
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
async def name_server(records: Iterable[str], port: int | None = None) -> AsyncIterator[str]:
    """Its address and port, as `sip.nameservers` wants them."""
    port = port or free_port()
    process = await asyncio.create_subprocess_exec(
        *(
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--pid-file=",
        ),
        *("--listen-address=127.0.0.1", "--bind-interfaces", f"--port={port}", "--user=root", "--group=root"),
        *(f"--local-ttl={TTL_S}", "--log-facility=-", "--log-queries", *records),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    reading = asyncio.create_task(process.stderr.read())
    try:
        await eventually(lambda: _is_bound(port), "the name server listens", PATIENCE_S)
        yield host_port(("127.0.0.1", port))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        await reading


def _is_bound(port: int) -> bool:
    with open("/proc/net/udp") as table:
        return any(int(line.split()[1].rpartition(":")[2], 16) == port for line in list(table)[1:])
