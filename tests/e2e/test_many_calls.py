"""Fifty calls at once from SIPp, with audio both ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support import audio
from tests.e2e.support.server import Record, running

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

CALLS = 50
GREETING, GREETING_MS = 5, 1000
CALLER, CALL_S = 6, 5
#: Share of a signal's frames in the recording. A machine too busy for 50 calls costs the recording a few, and
#: the wire silence between utterances.
KEPT = 0.95


@pytest.mark.timeout(180)
async def test_fifty_calls_at_once(setup: SetupFactory, sipp: Sipp, tmp_path: Path) -> None:
    said = audio.signal(CALLER, 1000, ULAW)
    (tmp_path / "speech.ulaw").write_bytes(said)
    greeting = Turn(reply=[Pattern(pattern_ms=GREETING_MS, number=GREETING)])
    agent = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}
    async with (
        RealtimeServer(RealtimeOptions(script=(greeting,), obedient=False)) as model,
        running(setup(model.url, agent=agent, rtp_pairs=2 * CALLS, logging={"level": "info"})) as server,
    ):
        await sipp(
            "uac-two-way-rtp-answered",
            server.setup,
            *("-r", "25", "-l", str(CALLS), "-d", str(1000 * CALL_S)),
            calls=CALLS,
            timeout_s=60,
        )
        records = await server.next_records(CALLS, within_s=20)

    spoken = audio.samples(audio.signal(GREETING, GREETING_MS, ULAW), "PCMU")
    for record in records:
        assert (record["end_reason"], record["call_status"]) == ("caller_hung_up", "completed")
        inbound, outbound = record["rtp"]["inbound"], record["rtp"]["outbound"]
        assert inbound["packets"] == pytest.approx(50 * CALL_S, rel=0.1)
        assert inbound["lost"] == 0
        assert outbound["packets"] >= GREETING_MS // 20
        (turn,) = record["turns"]
        assert (turn["played_ms"], turn["interrupted"]) == (GREETING_MS, False)
        left, right = audio.recorded(record["recording"])
        assert audio.share_of_frames(right, spoken) >= KEPT
        assert audio.share_of_frames(left, audio.samples(said, "PCMU")) >= KEPT
    assert max(overlap(records)) == CALLS
    assert len(model.sessions) == CALLS
    assert all(said in session.log.caller_audio for session in model.sessions)


def overlap(records: Sequence[Record]) -> list[int]:
    """How many calls were on when each of them ended."""
    spans = [(record["received_monotonic_s"], record["ended_monotonic_s"]) for record in records]
    return [sum(began <= end <= ended for began, ended in spans) for _, end in spans]
