"""Malformed and odd messages: the server lives, keeps quiet, and answers nobody it need not."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from sipagent.sip.pjlog import MOST_WARNINGS_PER_S
from tests.e2e.conftest import SetupFactory
from tests.e2e.support.kinds import Kind, serialized
from tests.e2e.support.malformed import BODIES, KINDS
from tests.e2e.support.server import running
from tests.e2e.support.setup import Setup
from tests.e2e.support.sip import Message, Socket, options_answered
from tests.e2e.support.waiting import eventually_equal

pytestmark = pytest.mark.e2e

LISTED, STRANGER = "127.0.0.1", "127.0.0.9"
CARRIER_ALONE = {"allowed_addresses": [f"{LISTED}/32"]}


class Sender:
    """Sends one message from a port of its own. Calls that it gets are acknowledged and ended."""

    def __init__(self, kind: Kind, setup: Setup) -> None:
        self.kind = kind
        self.answers: list[Message] = []
        self._to = (setup.host, setup.sip_port)
        self._rtp_port = setup.rtp_ports[0]

    async def send(self, number: int, host: str) -> None:
        self._socket = await Socket.open(self._take, (host, 0))
        message = serialized(self.kind, number, self._socket.address, self._to, self._rtp_port)
        self._socket.send(message, self._to)

    @property
    def final(self) -> int:
        """0 as long as there is none."""
        return next((answer.status for answer in self.answers if answer.status >= 200), 0)

    def close(self) -> None:
        self._socket.close()

    def _take(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = Message.parse(data)
        self.answers.append(answer)
        if not answer.status:
            self._socket.send(answer.answer, addr)
        elif answer.status >= 200 and answer.method == "INVITE":
            self._send("ACK", answer, 0)
            if answer.status < 300:
                self._send("BYE", answer, 1)

    def _send(self, method: str, answer: Message, later: int) -> None:
        """ACK, or a BYE some requests later."""
        via, cseq = answer["via"], int(answer["cseq"].split()[0]) + later
        if answer.status < 300:
            via = via.replace("branch=", f"branch=z9hG4bK{method}")
        lines = [
            f"{method} sip:1000@{self._to[0]}:{self._to[1]} SIP/2.0",
            f"Via: {via}",
            *(f"{name}: {answer[name]}" for name in ("from", "to", "call-id")),
            f"CSeq: {cseq} {method}",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        self._socket.send("\r\n".join([*lines, "", ""]).encode(), self._to)


@contextlib.asynccontextmanager
async def sent(kinds: Sequence[Kind], setup: Setup, host: str) -> AsyncIterator[list[Sender]]:
    """Each is sent from a port of its own."""
    senders = [Sender(kind, setup) for kind in kinds]
    try:
        for number, sender in enumerate(senders):
            await sender.send(number, host)
        yield senders
    finally:
        for sender in senders:
            sender.close()


def unanswered(senders: Sequence[Sender]) -> list[str]:
    return [sender.kind.name for sender in senders if sender.kind.must and not sender.final]


@pytest.mark.parametrize("kinds", [KINDS, BODIES], ids=["messages", "bodies"])
async def test_from_a_trunk(setup: SetupFactory, kinds: Sequence[Kind]) -> None:
    """What has to be answered is, with what RFC 3261 allows; the rest may be dropped."""
    async with (
        running(setup(None, trunk=CARRIER_ALONE, rtp_pairs=60), spare_threads=32) as server,
        sent(kinds, server.setup, LISTED) as senders,
    ):
        await eventually_equal(partial(unanswered, senders), [], "kinds that must be answered and aren't")
        assert await options_answered(server.setup.host, server.setup.sip_port, within_s=1.0)
        asked = [sender for sender in senders if sender.kind.must]
        assert not {each.kind.name: each.final for each in asked if each.final not in each.kind.must}
        await server.assert_one_record_per_call()  # some that needn't be answered are, and want an ACK


async def test_from_elsewhere(setup: SetupFactory) -> None:
    """Not one answer, and no more of it in the log than whence it came, and what is wrong with it."""
    async with (
        running(setup(None, trunk=CARRIER_ALONE, logging={"level": "info"})) as server,
        sent((*KINDS, *BODIES), server.setup, STRANGER) as senders,
    ):
        assert await options_answered(server.setup.host, server.setup.sip_port, within_s=1.0)
        assert (await server.metrics())["sipagent_sip_requests_dropped_total"] >= len(BODIES)
        assert not [sender.kind.name for sender in senders if sender.answers]
        assert not [line for line in server.log if "anna@" in str(line)]
        told = [line["event"] for line in server.log if line["level"] == "warning"]
        assert all(line.startswith((f"malformed message src={STRANGER}:", "sip_parser.c")) for line in told)
        assert 0 < len(told) <= 2 * MOST_WARNINGS_PER_S + 2
        assert not server.calls()


async def test_over_tcp(setup: SetupFactory) -> None:
    """A stream has no ends of messages but those that lengths tell; calls are not for those who hang up."""
    kinds = [kind for kind in KINDS if not kind.text.startswith("INVITE")]
    async with running(setup(None, trunk=CARRIER_ALONE), spare_threads=4) as server:
        to = (server.setup.host, server.setup.sip_port)
        for number, kind in enumerate(kinds):
            with socket.create_connection(to) as stream:
                stream.sendall(serialized(kind, number, stream.getsockname(), to, server.setup.rtp_ports[0]))
        assert await options_answered(*to, within_s=1.0)
