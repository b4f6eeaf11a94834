"""STUN binding (RFC 8489): the address at which a server sees one of our UDP sockets.

Only for sockets that nobody else reads: whatever comes in meanwhile and is no answer to us is lost.
"""

import asyncio
import socket
from dataclasses import dataclass
from struct import error as StructError

from aioice import stun

from rtp.address import Address, plain_address

MAX_DATAGRAM_BYTES = 2048
DEADLINE_S = 3.0
"""Enough for three requests: at once, after 0.5 s and after 1.5 s (RFC 8489, 6.2.1)."""


class StunError(Exception):
    """No address was learned."""


class StunTimeout(StunError):
    """The server did not answer in time."""


class StunRefused(StunError):
    """The server answered, but not with an address."""


@dataclass(frozen=True, slots=True)
class Binding:
    """`mapped` is our address as the server saw it, `local` as the socket has it.

    `other` is a second address of the server (RFC 5780), to look whether NAT maps us differently there.
    """

    local: Address
    mapped: Address
    other: Address | None = None


async def discover(server: Address, host: str, deadline_s: float = DEADLINE_S) -> Binding:
    """Bind over a socket made for that on our address `host`. Raises `StunError`, OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return await bind(sock, server, deadline_s)


async def bind(sock: socket.socket, server: Address, deadline_s: float = DEADLINE_S) -> Binding:
    """Ask `server`, an IP address and port, how it sees this bound socket. Raises `StunError`."""
    sock.setblocking(False)
    asking = _Asking(sock, server)
    try:
        async with asyncio.timeout(deadline_s):
            return await asking.run()
    except (TimeoutError, stun.TransactionTimeout):
        raise StunTimeout(f"no answer from {server[0]}:{server[1]} in {deadline_s:g} s") from None
    except stun.TransactionFailed as error:
        raise StunRefused(str(error)) from None


def parse(data: bytes) -> stun.Message:
    """Read a STUN message. Raises `StunError`, and nothing else, on anything malformed."""
    try:
        return stun.parse_message(data)
    except (ValueError, StructError) as error:
        raise StunError(str(error)) from None


class _Asking:
    """One request on a socket, sent again until it is answered."""

    def __init__(self, sock: socket.socket, server: Address) -> None:
        self._sock = sock
        self._server = server
        self._request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        self._request.add_fingerprint()
        self._transaction = stun.Transaction(self._request, server, self)

    async def run(self) -> Binding:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sock.fileno(), self._read)
        try:
            answer, _ = await self._transaction.run()
        finally:
            loop.remove_reader(self._sock.fileno())
        mapped = answer.attributes.get("XOR-MAPPED-ADDRESS") or answer.attributes.get("MAPPED-ADDRESS")
        if mapped is None:
            raise StunRefused(f"{self._server[0]}:{self._server[1]} answered without an address")
        return Binding(
            plain_address(self._sock.getsockname()), mapped, answer.attributes.get("OTHER-ADDRESS")
        )

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        """What the transaction has to send. An error is a lost datagram: it is sent again."""
        try:
            self._sock.sendto(bytes(message), addr)
        except OSError:
            return

    def _read(self) -> None:
        try:
            data, addr = self._sock.recvfrom(MAX_DATAGRAM_BYTES)
            message = parse(data)
        except (OSError, StunError):
            return
        is_answer = message.message_class in (stun.Class.RESPONSE, stun.Class.ERROR)
        is_ours = message.transaction_id == self._request.transaction_id
        if is_answer and is_ours and plain_address(addr) == self._server:
            self._transaction.response_received(message, self._server)
