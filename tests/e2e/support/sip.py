"""SIP over UDP by hand: just enough to be a peer that isn't built on the code under test."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e.support.namespaces import Namespace

Address = tuple[str, int]
#: When the datagram that was read last came in, of the system's clock (socket(7)).
SIOCGSTAMPNS = 0x8907
TIMESPEC = struct.Struct("@ll")


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response. Header names are in lower case."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def parse(cls, data: bytes) -> Message:
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        split = (line.partition(":") for line in lines)
        return cls(start, tuple((name.strip().lower(), value.strip()) for name, _, value in split), body)

    @property
    def status(self) -> int:
        """0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        """Of a request, or of the request that a response answers."""
        return self["cseq"].split()[1]

    def __getitem__(self, name: str) -> str:
        return next(value for header, value in self.headers if header == name)

    def get(self, name: str) -> str | None:
        return next((value for header, value in self.headers if header == name), None)

    @property
    def answer(self) -> bytes:
        """200 OK to this request."""
        copied = ("via", "from", "to", "call-id", "cseq")
        lines = [f"{name}: {value}" for name, value in self.headers if name in copied]
        return "\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""]).encode()


def host_port(address: Address) -> str:
    """As URIs and Via have it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parsed_host_port(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def request(
    method: str,
    uri: str,
    local: Address,
    *,
    call_id: str,
    from_tag: str,
    to: str | None = None,
    cseq: int = 1,
    branch: str | None = None,
    body: str = "",
    content_type: str = "application/sdp",
) -> bytes:
    me = host_port(local)
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {me};branch=z9hG4bK{branch or secrets.token_hex(8)};rport",
        f"From: <sip:+15550001@{me}>;tag={from_tag}",
        f"To: {to or f'<{uri}>'}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:+15550001@{me}>",
        "Max-Forwards: 70",
        *([f"Content-Type: {content_type}"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Socket(asyncio.DatagramProtocol):
    """A UDP socket that hands over each datagram as it comes."""

    def __init__(self, receive: Callable[[bytes, Address], None]) -> None:
        self._receive = receive
        self.transport: asyncio.DatagramTransport

    @classmethod
    async def open(
        cls, receive: Callable[[bytes, Address], None], local: Address, inside: Namespace | None = None
    ) -> Socket:
        """`inside` is the network namespace that `local` is in, if it isn't ours."""
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        with inside.entered() if inside else contextlib.nullcontext():
            sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind(local)
        loop = asyncio.get_running_loop()
        return (await loop.create_datagram_endpoint(lambda: cls(receive), sock=sock))[1]

    @property
    def address(self) -> Address:
        address: Address = self.transport.get_extra_info("sockname")[:2]
        return address

    @property
    def arrived_at(self) -> float:
        """When the datagram that is being handed over came in, by the kernel, in monotonic seconds: a process
        that is busy reads it later."""
        stamp = fcntl.ioctl(self.transport.get_extra_info("socket"), SIOCGSTAMPNS, bytes(TIMESPEC.size))
        seconds, nanoseconds = TIMESPEC.unpack(stamp)
        return time.monotonic() - (time.time() - seconds - nanoseconds / 1e9)

    def send(self, data: bytes, to: Address) -> None:
        self.transport.sendto(data, to)

    def close(self) -> None:
        self.transport.close()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport
        with contextlib.suppress(FileNotFoundError):  # to have asked is what turns the stamps on
            _ = self.arrived_at

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._receive(data, addr[:2])

    def error_received(self, exc: Exception) -> None:
        """The peer's port is closed: whoever waits for an answer will notice."""


async def options_answered(host: str, port: int, within_s: float) -> bool:
    """Is an OPTIONS answered with 200 in that time?"""
    answered: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def receive(data: bytes, addr: Address) -> None:
        if not answered.done():
            answered.set_result(Message.parse(data))

    asking = await Socket.open(receive, (host, 0))
    try:
        uri = f"sip:{host_port((host, port))}"
        ask = request("OPTIONS", uri, asking.address, call_id=secrets.token_hex(8), from_tag="t")
        asking.send(ask, (host, port))
        async with asyncio.timeout(within_s):
            return (await answered).status == 200
    except TimeoutError:
        return False
    finally:
        asking.close()
