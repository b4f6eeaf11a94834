"""A real attacker at the RTP ports of a call: nothing gets in, nothing gets out."""

from __future__ import annotations

import socket

import pytest

from sipagent.formats import CODECS
from sipagent.simulator.realtime_options import RealtimeOptions
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.attacker import FRAME, Attacker, attacker
from tests.e2e.support.namespaces import IS_ROOT, Internet, masquerade
from tests.e2e.support.phone import Phone
from tests.e2e.support.server import Record, running

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not IS_ROOT, reason="network namespaces take root"),
]

HOME = "10.98.1.0/24"
SERVER, CALLER, ROUTER, ATTACKER = 10, 20, 2, 66
LISTENS = {"turn_detection": {"kind": "server_vad", "threshold": 1.0}}
SAID = audio.signal(8, 4000, CODECS["PCMU"])
FEW_PORTS = 4


class SlowPhone(Phone):
    """Answered, it says nothing before it is told to."""

    def _talk(self, answer: str) -> None:
        self._answered = answer

    def begin(self) -> None:
        super()._talk(self._answered)


async def under_attack(caller: SlowPhone, enemy: Attacker) -> None:
    """A call of 4 s, sprayed before its first packet, during it, and by one who pretends to be the caller."""
    await enemy.strike(10)
    answer = await caller.invite()
    assert answer.status == 200
    await enemy.strike(75)
    caller.begin()
    await caller.hear(lambda: len(caller.heard) > 100)
    enemy.pretend(caller.talker.ssrc, caller.talker.sequence)
    await enemy.strike(50)
    enemy.pretend(caller.talker.ssrc, caller.talker.sequence - 30_000)
    await caller.say(b"")
    await enemy.strike(25)
    await caller.hang_up()


@pytest.mark.paced
@pytest.mark.parametrize(
    ("behind_nat", "symmetric_rtp"),
    [(False, True), (True, True), (False, False)],
    ids=["public", "behind NAT", "public, SDP's address alone"],
)
async def test_nothing_gets_in_and_nothing_out(
    setup: SetupFactory, net: Internet, behind_nat: bool, symmetric_rtp: bool
) -> None:
    host = net.join(SERVER)
    enemy_place = net.host("attacker", ATTACKER)
    if behind_nat:
        place = net.router("home", ROUTER, HOME, masquerade(HOME)).host("phone", 5)
    else:
        place = net.host("phone", CALLER)
    async with RealtimeServer(RealtimeOptions(obedient=False)) as model:
        prepared = setup(
            model.url,
            host=host,
            agent=LISTENS,
            rtp_pairs=FEW_PORTS,
            trunk={"allowed_addresses": [str(net.network)], "symmetric_rtp": symmetric_rtp},
        )
        caller = SlowPhone(prepared, host=place.address, inside=place, speech=SAID)
        async with running(prepared) as server, attacker(enemy_place, host, prepared.rtp_ports) as enemy:
            await caller.open()
            try:
                await under_attack(caller, enemy)
                record = await server.next_record()
            finally:
                caller.close()
            assert enemy.answers.keys() == {socket.IPPROTO_ICMP}
        (session,) = model.sessions
    heard = bytes(session.log.caller_audio)
    assert FRAME not in heard
    assert_not_recorded(record)
    inbound = record["rtp"]["inbound"]
    assert record["digits"] == []
    assert record["end_reason"] == "caller_hung_up"
    assert inbound["foreign"] > 300
    assert inbound["foreign_rtcp"] > 100
    assert inbound["stun"] > 10
    assert heard.startswith(SAID)


def assert_not_recorded(record: Record) -> None:
    left, right = audio.recorded(record["recording"])
    for side in (left, right):
        assert not audio.holds(side, audio.samples(FRAME[:20], "PCMU"))
