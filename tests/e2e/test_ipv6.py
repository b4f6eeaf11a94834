"""The whole server over IPv6: SIP, SDP and RTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipagent.formats import CODECS
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, sipp
from tests.e2e.support.phone import call
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e

LOOPBACK = "::1"


@pytest.mark.paced
async def test_audio_both_ways_over_ipv6(setup: SetupFactory) -> None:
    said = audio.signal(8, 2000, CODECS["PCMU"])
    async with (
        running(setup(None, host=LOOPBACK)) as server,
        call(server.setup, speech=said) as caller,
    ):
        assert caller.answer is not None
        assert f"c=IN IP6 {LOOPBACK}\r\n" in caller.answer.body
        assert f"@[{LOOPBACK}]:{server.setup.sip_port}" in caller.answer["contact"]
        await caller.hear_speech(2000)
        await caller.hang_up()
        record = await server.next_record()

    assert record["rtp"]["inbound"]["lost"] == 0
    spoken = audio.samples(said, "PCMU")
    left, right = audio.recorded(record["recording"])
    assert audio.holds(left, spoken)
    assert audio.plays(right, spoken)
    assert audio.plays(audio.samples(caller.audio_heard(), "PCMU"), spoken)


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_over_ipv6(setup: SetupFactory, tmp_path: Path, transport: str) -> None:
    async with running(setup(None, host=LOOPBACK)) as server:
        target = (LOOPBACK, server.setup.sip_port)
        await sipp.play("uac-pcmu-answered", tmp_path, target, "-t", transport, host=LOOPBACK)
        record = await server.next_record()
    assert (record["end_reason"], record["codec"]) == ("caller_hung_up", "PCMU")
