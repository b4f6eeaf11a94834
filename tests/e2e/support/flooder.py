"""Requests as fast as one process can send them, from many ports of one address.

`python flooder.py HOST PORT SOURCE METHOD SECONDS`; prints how many went out.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
import time
from collections.abc import AsyncIterator

SOCKETS = 64
BATCH = 100
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"


def request(method: str, host: str, port: int, source: tuple[str, int], number: int) -> bytes:
    body = SDP if method == "INVITE" else ""
    return (
        f"{method} sip:1000@{host}:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {source[0]}:{source[1]};branch=z9hG4bK-flood-{number};rport\r\n"
        f"From: <sip:100@{source[0]}>;tag={number}\r\nTo: <sip:1000@{host}>\r\n"
        f"Call-ID: flood-{number}\r\nCSeq: 1 {method}\r\nContact: <sip:100@{source[0]}>\r\n"
        f"Max-Forwards: 70\r\nUser-Agent: friendly-scanner\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


@contextlib.asynccontextmanager
async def flood(target: tuple[str, int], source: str, method: str, seconds: float) -> AsyncIterator[None]:
    """One is on; it ends with this."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, target[0], str(target[1]), source, method, str(seconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
        assert process.returncode is None, "the flood was over too soon"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def main() -> None:
    host, port, source, method, seconds = sys.argv[1:]
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    for sock in socks:
        sock.bind((source, 0))
    until, numbers = time.monotonic() + float(seconds), itertools.count()
    print("on", flush=True)
    while time.monotonic() < until:
        for number in itertools.islice(numbers, BATCH):
            sock = socks[number % SOCKETS]
            sock.sendto(request(method, host, int(port), sock.getsockname(), number), (host, int(port)))


if __name__ == "__main__":
    main()
