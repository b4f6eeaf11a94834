"""A call over TLS from baresip to the whole server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sipagent.media.pipeline import PCM_8K
from sipagent.simulator.realtime_options import RealtimeOptions, Tone, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.baresip import baresip, link
from tests.e2e.support.certificates import certificate
from tests.e2e.support.server import running
from tests.e2e.support.setup import NUMBER

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace takes root"),
]

AGENT_HZ, CALLER_HZ = 600, 1000
GREETING_MS = 1500


@pytest.mark.parametrize("srtp", ["off", "required"])
async def test_baresip_calls_over_tls(setup: SetupFactory, tmp_path: Path, srtp: str) -> None:
    greeting = Turn(reply=[Tone(tone_hz=AGENT_HZ, duration_ms=GREETING_MS)])
    speech = audio.tone(CALLER_HZ, 5000, PCM_8K)
    with link() as wire:
        trusted, key = certificate(tmp_path, wire.ours)
        async with RealtimeServer(RealtimeOptions(script=(greeting,), obedient=False)) as model:
            prepared = setup(
                model.url,
                host=wire.ours,
                agent={"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}},
                trunks={"baresip": {"allowed_addresses": [wire.theirs], "transport": "tls", "srtp": srtp}},
                certificate=(trusted, key),
            )
            async with (
                running(prepared) as server,
                baresip(tmp_path / "baresip", wire, trusted, speech, srtp=srtp == "required") as caller,
            ):
                caller.command(f"/dial sip:{NUMBER}@{wire.ours}:{prepared.tls_port};transport=tls")
                await server.wait_log("agent_speech_ended")
                await caller.quit()
                record = await server.next_record()
            (session,) = model.sessions

    assert (record["trunk"], record["codec"], record["end_reason"]) == ("baresip", "PCMU", "caller_hung_up")
    assert record["source"].startswith(wire.theirs)
    assert record["source"].endswith("/tls")
    assert (record["srtp"] is not None) == (srtp == "required")
    # Under SRTP too, baresip opens NATs and says goodbye with an RTCP packet in plain.
    assert record["rtp"]["inbound"]["unauthenticated"] == (2 if srtp == "required" else 0)
    assert not server.lines("srtp_keys_in_clear")
    assert "inline:" not in (tmp_path / "server/server.log").read_text().replace("inline:[redacted]", "")
    assert record["turns"][0]["played_ms"] == GREETING_MS
    to_model = audio.from_first_sound(audio.received(session.log.caller_audio, "pcmu"))
    to_baresip = audio.from_first_sound(audio.mono(caller.heard()))
    left, right = (audio.from_first_sound(side) for side in audio.recorded(record["recording"]))
    for hz, heard in ((CALLER_HZ, to_model), (AGENT_HZ, to_baresip), (CALLER_HZ, left), (AGENT_HZ, right)):
        assert audio.pitch_hz(heard[: audio.RATE]) == pytest.approx(hz, abs=2)
