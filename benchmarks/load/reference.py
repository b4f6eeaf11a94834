"""One call that is listened to throughout: every sample of it is compared, both ways."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.load.measures import SILENCE, ReferenceOutcome, compared, lateness_ms
from benchmarks.load.track import FRAME, callers_speech
from benchmarks.speech import VOICES, speech
from rtp import g711
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.support import audio
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import Record, records
from tests.e2e.support.setup import Setup
from tests.e2e.support.waiting import eventually

NUMBER = "2000"
UNDERWAY_FRAMES = 5
FRAME_S = 0.02
#: Collections of the second generation before one of the third.
NEVER = 2**31 - 1


@dataclass
class Reference:
    """A call that is held until `stop`."""

    setup: Setup
    model: RealtimeServer
    lasts_s: float

    async def run(self, stop: asyncio.Event) -> ReferenceOutcome:
        said = _repeated(callers_speech(), self.lasts_s)
        with no_full_collections():
            return await self._call(said, stop)

    async def _call(self, said: bytes, stop: asyncio.Event) -> ReferenceOutcome:
        async with call(self.setup, number=NUMBER, speech=said) as phone:
            session = self.model.sessions[-1]
            await stop.wait()
            ended_early = phone.ended.is_set()
            if not ended_early:
                await phone.hang_up()
            sent = min(len(said), FRAME * len(phone.sent_at))
        await session.ended.wait()
        got = bytes(session.log.caller_audio)
        return ReferenceOutcome(
            to_model=compared(said[:sent], got),
            to_caller=compared(_repeated(_agents_speech(), self.lasts_s), _from_first_word(phone)),
            is_recorded=await self._is_recorded(phone.sip_call_id, said[:sent]),
            ended_early=ended_early,
            caller_late_ms=round(lateness_ms(phone.sent_at, FRAME_S), 1),
        )

    async def _is_recorded(self, sip_call_id: str, said: bytes) -> bool:
        """Whether the recording holds all that the caller said, but for what was on its way at the end."""
        whole = audio.samples(said, "PCMU")[: -FRAME * UNDERWAY_FRAMES]

        def record() -> Record | None:
            found = (each for each in records(self.setup) if each["sip_call_id"] == sip_call_id)
            return next(found, None)

        written = await eventually(record, "the record of the reference call")
        return written is not None and audio.holds(audio.recorded(written["recording"])[0], whole)


@contextmanager
def no_full_collections() -> Iterator[None]:
    """All that the call has heard and said is kept to the end. A full garbage collection looks through it,
    and the caller stands still meanwhile.
    """
    first, second, third = gc.get_threshold()
    gc.set_threshold(first, second, NEVER)
    try:
        yield
    finally:
        gc.set_threshold(first, second, third)


def _agents_speech() -> bytes:
    return g711.pcm_to_ulaw(speech(VOICES[1]).tobytes())


def _repeated(law: bytes, lasts_s: float) -> bytes:
    """Whole repetitions, for longer than the call."""
    return law * (int(8000 * (lasts_s + 60) / len(law)) + 1)


def _from_first_word(phone: Phone) -> bytes:
    whole = phone.audio_heard()
    silent = len(whole) - len(whole.lstrip(SILENCE))
    return whole[silent // FRAME * FRAME :]
