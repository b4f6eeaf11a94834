"""A server behind real NAT, in network namespaces: which address it tells others, and how it knows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from rtp import stun
from tests.e2e.conftest import SetupFactory
from tests.e2e.support.namespaces import IS_ROOT, Internet, Namespace, Router, masquerade, one_to_one
from tests.e2e.support.nat import (
    CALLER,
    NEXT_PUBLIC,
    OFFICE,
    PRIVATE,
    PUBLIC,
    ROUTER,
    STUN_SERVER,
    pcmu,
    ports_kept,
    trunk,
)
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import SIPAGENT, running
from tests.e2e.support.setup import Setup
from tests.e2e.support.sip import Address, Message, Socket, parsed_host_port, request
from tests.e2e.support.waiting import PATIENCE_S

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not IS_ROOT, reason="network namespaces take root"),
]


@contextlib.asynccontextmanager
async def coturn(net: Internet) -> AsyncIterator[str]:
    """A STUN server on the switch, with two addresses (RFC 5780); the first of them, and its port."""
    place = net.host("stun", STUN_SERVER)
    second = net.address(STUN_SERVER + 1)
    place.run("ip", "address", "add", f"{second}/24", "dev", "eth0")
    process = await asyncio.create_subprocess_exec(
        *(*place.command, "turnserver", "-n", "-S", "-L", place.address, "-L", second, "-p", "3478"),
        *("--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout", "--pidfile", ""),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await answers(place.address)
        yield f"{place.address}:3478"
    finally:
        process.terminate()
        await process.wait()


async def answers(address: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(stun.StunError, OSError):
                await stun.discover((address, 3478), "0.0.0.0", deadline_s=1.0)
                return


def office(net: Internet) -> tuple[Router, str]:
    """This process moves behind 1:1 NAT, where it keeps the address that is returned."""
    private = OFFICE.replace("0/24", str(PRIVATE))
    rules = one_to_one(private, net.address(PUBLIC))
    router = net.router("office", ROUTER, OFFICE, rules, PUBLIC, NEXT_PUBLIC)
    return router, router.join(PRIVATE)


async def assert_reached_at(public: str, setup: Setup, caller_at: Any) -> None:
    """A call to the public address, which then stands in SDP and Contact; audio both ways."""
    said = pcmu(1000)
    outside = replace(setup, host=public)
    async with call(outside, host=caller_at.address, inside=caller_at, speech=said) as caller:
        assert caller.answer is not None
        assert caller.rtp_target[0] == public
        assert f"@{public}:{setup.sip_port}" in caller.answer["contact"]
        await caller.hear_speech(1000)
        await caller.hang_up()
    assert said in caller.speech_heard()


async def test_a_server_behind_1_to_1_nat_with_a_fixed_address(setup: SetupFactory, net: Internet) -> None:
    _, host = office(net)
    caller = net.host("phone", CALLER)
    public = net.address(PUBLIC)
    settings = trunk(net, host, public_address=public)
    async with running(setup(None, host=host, trunk=settings)) as server:
        await assert_reached_at(public, server.setup, caller)


async def test_a_server_behind_1_to_1_nat_asks_a_stun_server(setup: SetupFactory, net: Internet) -> None:
    """And notices when it is moved to another address: the next call is told of that one."""
    router, host = office(net)
    caller = net.host("phone", CALLER)
    async with coturn(net) as stun_server:
        settings = trunk(net, host, public_address="stun", stun_server=stun_server)
        prepared = setup(None, host=host, trunk=settings, top={"stun_refresh_s": 1})
        async with running(prepared) as server:
            await assert_reached_at(net.address(PUBLIC), prepared, caller)
            router.translate(one_to_one(host, net.address(NEXT_PUBLIC)))
            moved = f"trunk carrier: our public address is now {net.address(NEXT_PUBLIC)}"
            await server.wait_log(moved)
            await assert_reached_at(net.address(NEXT_PUBLIC), prepared, caller)


@pytest.mark.parametrize(
    ("rules", "status", "detail"),
    [
        (masquerade, "fail", "symmetric NAT: one socket is seen as"),
        (ports_kept, "ok", "ports are kept"),
    ],
)
async def test_the_doctor_tells_one_nat_from_another(
    setup: SetupFactory, net: Internet, rules: Callable[[str], str], status: str, detail: str
) -> None:
    host = net.router("office", ROUTER, OFFICE, rules(OFFICE)).join(PRIVATE)
    async with coturn(net) as stun_server:
        settings = trunk(net, host, public_address="stun", stun_server=stun_server)
        prepared = setup(None, host=host, trunk=settings)
        doctor = await asyncio.create_subprocess_exec(
            *(SIPAGENT, "doctor", "--config", str(prepared.config)),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"COLUMNS": "300"},
        )
        said, _ = await doctor.communicate()
    lines = said.decode().splitlines()
    (at,) = (index for index, line in enumerate(lines) if f"NAT as {stun_server} sees it" in line)
    found = " ".join(" ".join(lines[at : at + 4]).split())
    assert (status in found, detail in found) == (True, True), said.decode()


class MovablePhone(Phone):
    """Takes a re-INVITE, and sends where it says: audio by its SDP, requests by its Contact."""

    moved = 0

    def _receive_sip(self, data: bytes, addr: Address) -> None:
        message = Message.parse(data)
        if message.method != "INVITE" or message.status:
            super()._receive_sip(data, addr)
            return
        lines = message.body.split("\r\n")
        host = next(line for line in lines if line.startswith("c=")).split()[2]
        port = next(line for line in lines if line.startswith("m=audio")).split()[1]
        self.rtp_target = host, int(port)
        self._uri = message["contact"].strip("<>")
        self._to = parsed_host_port(self._uri.partition("@")[2].partition(";")[0])
        body = self._offer()
        head = message.answer.decode().replace("Content-Length: 0", f"Content-Length: {len(body)}")
        contact = f"Contact: <sip:phone@{self._sip.address[0]}:{self._sip.address[1]}>"
        types = f"{contact}\r\nContent-Type: application/sdp\r\nContent-Length"
        self._sip.send(head.replace("Content-Length", types).encode() + body.encode(), addr)
        self.moved += 1


async def test_a_call_that_is_on_follows_the_server_to_its_new_address(
    setup: SetupFactory, net: Internet
) -> None:
    router, host = office(net)
    place = net.host("phone", CALLER)
    async with coturn(net) as stun_server:
        settings = trunk(net, host, public_address="stun", stun_server=stun_server)
        prepared = setup(None, host=host, trunk=settings, top={"stun_refresh_s": 1})
        async with running(prepared) as server:
            outside = replace(prepared, host=net.address(PUBLIC))
            caller = MovablePhone(outside, host=place.address, inside=place, speech=pcmu(20_000))
            await caller.open()
            try:
                assert (await caller.invite()).status == 200
                await caller.hear_speech(1000)
                router.translate(one_to_one(host, net.address(NEXT_PUBLIC)))
                await server.wait_log("media_updated")
                assert caller.rtp_target[0] == net.address(NEXT_PUBLIC)
                await caller.hear_speech(len(caller.speech_heard()) // 8 + 1000)
                assert caller.moved == 1
                await caller.hang_up()
            finally:
                caller.close()
            assert (await server.next_record())["end_reason"] == "caller_hung_up"


class Registrar:
    """Takes every REGISTER, and tells the client where it sees it from (RFC 3581)."""

    def __init__(self) -> None:
        self.contacts: list[str] = []
        self.client: Address = ("", 0)
        self.keepalives = 0
        self.answered: list[Message] = []
        self._news = asyncio.Event()
        self._socket: Socket

    async def open(self, place: Namespace) -> None:
        self._socket = await Socket.open(self._receive, (place.address, 5060), place)

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not enough():
                self._news.clear()
                await self._news.wait()

    def ask_options(self) -> None:
        """Ask the client something where it is seen from, which only comes through an open NAT."""
        uri = self.contacts[-1]
        ask = request("OPTIONS", uri, self._socket.address, call_id="o", from_tag="r")
        self._socket.send(ask, self.client)

    def close(self) -> None:
        self._socket.close()

    def _receive(self, data: bytes, addr: Address) -> None:
        self.client = addr
        if not data.strip():
            self.keepalives += 1
        elif (message := Message.parse(data)).status:
            self.answered.append(message)
        else:
            self.contacts.append(message["contact"].partition(">")[0].strip("<"))
            seen = f"received={addr[0]};rport={addr[1]}"
            expires = f"Contact: {message['contact']}\r\nExpires: 300\r\nContent-Length: 0".encode()
            answer = message.answer.replace(b"rport", seen.encode(), 1)
            self._socket.send(answer.replace(b"Content-Length: 0", expires), addr)
        self._news.set()


async def test_a_registered_trunk_is_reached_where_its_registrar_sees_it(
    setup: SetupFactory, net: Internet
) -> None:
    """Contact follows the registrar's view of us, and keep-alives go there."""
    router = net.router("office", ROUTER, OFFICE, masquerade(OFFICE))
    host = router.join(PRIVATE)
    place = net.host("registrar", CALLER)
    registrar = Registrar()
    await registrar.open(place)
    settings = trunk(
        net,
        host,
        registration={"registrar": f"sip:{place.address}", "username": "alice"},
        keepalive_s=1,
    )
    try:
        async with running(setup(None, host=host, trunk=settings)) as server:
            await server.wait_log("trunk_state", registered=True)
            await registrar.until(
                lambda: registrar.contacts[-1].startswith(f"sip:alice@{net.address(ROUTER)}")
            )
            assert f"@{registrar.client[0]}:{registrar.client[1]}" in registrar.contacts[-1]
            await registrar.until(lambda: registrar.keepalives >= 1)
            since = time.monotonic()
            registrar.ask_options()
            await registrar.until(lambda: bool(registrar.answered))
            assert registrar.answered[0].status == 200
            await registrar.until(lambda: registrar.keepalives >= 3)
            assert registrar.keepalives <= 3 + time.monotonic() - since, "one a second at most"
    finally:
        registrar.close()


async def test_ports_that_nat_maps_to_others_are_said_as_mapped(setup: SetupFactory, net: Internet) -> None:
    """No 1:1 NAT but a masquerade: SDP says what the STUN server sees of the call's own sockets."""
    mapping = "meta l4proto udp masquerade to :50000-50999 random"
    rules = masquerade(OFFICE).replace("masquerade random,fully-random", mapping)
    router = net.router("office", ROUTER, OFFICE, rules)
    host = router.join(PRIVATE)
    neighbour = router.host("phone", 9)
    async with coturn(net) as stun_server:
        settings = trunk(net, OFFICE, public_address="stun", stun_server=stun_server)
        async with (
            running(setup(None, host=host, trunk=settings, limits={"drain_deadline_s": 1})) as server,
            call(server.setup, host=neighbour.address, inside=neighbour) as caller,
        ):
            assert caller.rtp_target[0] == net.address(ROUTER)
            assert 50_000 <= caller.rtp_target[1] <= 50_999
            assert server.setup.rtp_ports[0] <= 50_000
            caller.close()
            server.terminate()
            await server.exited()
