"""A caller whose telephone sends nothing while nobody speaks (DTX), but says how quiet it is (RFC 3389)."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import RealtimeOptions
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.audio import RATE, Samples
from tests.e2e.support.lengths import flowed_s
from tests.e2e.support.phone import call
from tests.e2e.support.server import running

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

NOISE_DBOV = -50
SAID_MS = 400
#: Shorter and longer than the jitter buffer waits until it puts something in the place of audio.
PAUSES_S = (0.15, 1.2, 0.7)
SAID = [audio.signal(number, SAID_MS, ULAW) for number in range(1, len(PAUSES_S) + 2)]
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}


def places_s(whole: Samples) -> list[float]:
    """Where each utterance begins; every one must be there as it was said."""
    there = whole.astype("<i2").tobytes()
    return [there.index(audio.samples(said, "PCMU").tobytes()) / 2 / RATE for said in SAID]


@pytest.mark.paced
async def test_speech_resumes_in_its_place_after_every_pause(setup: SetupFactory) -> None:
    async with RealtimeServer(RealtimeOptions()) as model:
        backend = {"kind": "openai_realtime", "url": model.url, "extra_session": NO_TURNS}
        async with (
            running(setup(model.url, agent={"backend": backend})) as server,
            call(server.setup, noise_dbov=NOISE_DBOV, speech=SAID[0]) as caller,
        ):
            begun_at = [0]
            for said, pause_s in zip(SAID[1:], PAUSES_S, strict=True):
                await caller.say(b"")
                await caller.keep_quiet(pause_s)
                begun_at.append(len(caller.sent_at))
                await caller.say(said)
            await caller.say(b"")
            await caller.keep_quiet(0.1)
            hung_up_at = time.monotonic()
            await caller.hang_up()
            record = await server.next_record()
        (session,) = model.sessions

    inbound = record["rtp"]["inbound"]
    assert inbound["comfort_noise"] == len(SAID)
    assert (inbound["lost"], inbound["concealed_ms"], inbound["silence_filled_ms"]) == (0, 0, 0)
    assert inbound["comfort_noise_ms"] == pytest.approx(1000 * sum(PAUSES_S), abs=300)

    wanted = [caller.sent_at[first] for first in begun_at]
    left, right = audio.recorded(record["recording"])
    heard = audio.received(session.log.caller_audio, "pcmu")
    for side, tolerance_s in ((left, 0.04), (heard, 0.1)):
        for (place, next_place), (at, next_at) in zip(
            pairwise(places_s(side)), pairwise(wanted), strict=True
        ):
            assert next_place - place == pytest.approx(next_at - at, abs=tolerance_s)
    assert len(left) == len(right)
    assert len(left) / RATE == pytest.approx(flowed_s(server, record, hung_up_at), abs=0.04)

    quiet = [round((place + SAID_MS / 1000) * RATE) for place in places_s(left)]
    noise = left[quiet[1] + 400 : quiet[1] + 8000].astype(np.float64)
    level_dbov = 20 * np.log10(np.sqrt(np.mean(noise * noise)) / 32124)
    assert level_dbov == pytest.approx(NOISE_DBOV, abs=1.5)
