"""STUN binding against a server of the test's own on loopback, without a network in between."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from aioice import stun as messages

from rtp import stun
from rtp.address import Address

MAPPED = ("203.0.113.5", 40_000)
Reply = Callable[[messages.Message], list[bytes]]


class Server(asyncio.DatagramProtocol):
    """Answers each request with what `reply` makes of it, oldest reply first; the last one stays."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        reply = self.replies[min(self.asked, len(self.replies) - 1)]
        self.asked += 1
        for answer in reply(messages.parse_message(data)):
            self.transport.sendto(answer, addr)

    @property
    def address(self) -> Address:
        address: Address = self.transport.get_extra_info("sockname")[:2]
        return address


@pytest_asyncio.fixture(params=["127.0.0.1", "::1"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Server, local_addr=(request.param, 0))
    yield protocol
    transport.close()


def answer(
    request: messages.Message, kind: messages.Class = messages.Class.RESPONSE, **attributes: object
) -> bytes:
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return bytes(messages.Message(messages.Method.BINDING, kind, request.transaction_id, named))


def mapped(request: messages.Message) -> list[bytes]:
    return [answer(request, XOR_MAPPED_ADDRESS=MAPPED)]


async def test_the_address_that_the_server_sees(server: Server) -> None:
    server.replies = [mapped]
    binding = await stun.discover(server.address, server.address[0])
    assert (binding.mapped, binding.local[0], binding.other) == (MAPPED, server.address[0], None)


async def test_over_a_socket_of_ours(server: Server) -> None:
    server.replies = [
        lambda request: [answer(request, MAPPED_ADDRESS=MAPPED, OTHER_ADDRESS=("192.0.2.9", 9))]
    ]
    family = socket.AF_INET6 if ":" in server.address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((server.address[0], 0))
        binding = await stun.bind(sock, server.address)
        assert binding.local == sock.getsockname()[:2]
        assert (binding.mapped, binding.other) == (MAPPED, ("192.0.2.9", 9))
        assert await stun.bind(sock, server.address) == binding  # it is left as it was


async def test_a_lost_request_is_sent_again(server: Server) -> None:
    server.replies = [lambda request: [], mapped]
    assert (await stun.discover(server.address, server.address[0])).mapped == MAPPED
    assert server.asked == 2


async def test_what_is_no_answer_to_us_is_passed_over(server: Server) -> None:
    def noise(request: messages.Message) -> list[bytes]:
        alien = messages.Message(messages.Method.BINDING, messages.Class.RESPONSE, bytes(12))
        cut = answer(request, ERROR_CODE=(400, "x"))[:-1]
        return [
            b"",
            b"\x80" * 40,
            bytes(alien),
            cut,
            answer(request, messages.Class.REQUEST),
            *mapped(request),
        ]

    server.replies = [noise]
    assert (await stun.discover(server.address, server.address[0])).mapped == MAPPED


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lambda request: [], stun.StunTimeout),
        (lambda request: [answer(request)], stun.StunRefused),
        (
            lambda request: [answer(request, messages.Class.ERROR, ERROR_CODE=(500, "No"))],
            stun.StunRefused,
        ),
    ],
)
async def test_no_address_in_time_is_an_error(server: Server, reply: Reply, error: type[Exception]) -> None:
    server.replies = [reply]
    with pytest.raises(error):
        await stun.discover(server.address, server.address[0], deadline_s=0.05)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(20),
        b"\0\1\0\4\x21\x12\xa4\x42" + bytes(12) + b"\x80\x28\0\0",
        b"\0\1\0\x08\x21\x12\xa4\x42" + bytes(12) + b"\0\x24\0\3abc\0",
    ],
)
def test_malformed_messages_are_one_error(data: bytes) -> None:
    with pytest.raises(stun.StunError):
        stun.parse(data)
