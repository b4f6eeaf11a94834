"""Calls through the whole server over a bad network.

Both sides talk all the time: the caller from its first packet, the model from its greeting on.
"""

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.conversation import SPEECH_S, Conditions, Conversation, words
from benchmarks.speech import RATE, VOICES
from rtp import g711
from rtp.wav import header
from sipagent.simulator.realtime_options import RealtimeOptions, Turn, Wav
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.support.bad_network import BadNetwork, bad_network
from tests.e2e.support.joiner import Impairment
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import Setup, write_setup

TRAILER_S = 0.9
"""How long calls go on after the caller's last word: the model began to speak a little later."""
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}


@dataclass(frozen=True)
class Bench:
    """A running server with its simulated model, and the network that callers reach it by."""

    network: BadNetwork
    server: Server
    model: RealtimeServer
    seconds: int

    async def talk(self, *calls: Conditions) -> list[Conversation]:
        """A call for each of these, all at once. The network is as the first says, for all of them."""
        await self.network.impair(calls[0].to_us, calls[0].to_them)
        async with contextlib.AsyncExitStack() as stack:
            begun = []
            for conditions in calls:
                phone = await stack.enter_async_context(self._dial(conditions))
                begun.append((phone, self.model.sessions[-1]))
            ends_at = begun[-1][0].talking_since + self.seconds + TRAILER_S
            for phone, _ in begun:
                await phone.hear(lambda: time.monotonic() >= ends_at, within_s=self.seconds + 10)
            tallies = await self.network.impair(Impairment(), Impairment())
            for phone, _ in begun:
                await phone.hang_up()
        records = {record["sip_call_id"]: record for record in await self.server.next_records(len(calls))}
        return [
            Conversation.of(phone, session, records[phone.sip_call_id], conditions, self.seconds, tallies)
            for (phone, session), conditions in zip(begun, calls, strict=True)
        ]

    def _dial(self, conditions: Conditions) -> contextlib.AbstractAsyncContextManager[Phone]:
        return call(
            self.server.setup,
            host=self.network.theirs,
            inside=self.network.far,
            speech=g711.pcm_to_ulaw(words(VOICES[0], self.seconds).tobytes()),
            clock_ppm=conditions.clock_ppm,
        )


@contextlib.asynccontextmanager
async def bench(seconds: int = SPEECH_S) -> AsyncIterator[Bench]:
    """A server in this process's network namespace; callers are in another. Needs root."""
    with tempfile.TemporaryDirectory() as directory:
        spoken = Path(directory) / "spoken.wav"
        pcm = words(VOICES[1], seconds).tobytes()
        spoken.write_bytes(header(channels=1, rate=RATE, data_bytes=len(pcm)) + pcm)
        script = (Turn(reply=[Wav(wav=spoken)]),)
        options = RealtimeOptions(script=script, obedient=False, reply_delay_ms=100)
        async with bad_network() as network, RealtimeServer(options) as model:
            setup = _setup(Path(directory), network, model.url)
            async with running(setup) as server:
                yield Bench(network, server, model, seconds)


def _setup(directory: Path, network: BadNetwork, url: str) -> Setup:
    trunk = {"allowed_addresses": [network.ours, network.theirs]}
    backend = {"kind": "openai_realtime", "url": url, "extra_session": NO_TURNS}
    return write_setup(
        directory / "server",
        url,
        agent={"greeting": "Hello", "backend": backend},
        trunk=trunk,
        host=network.ours,
        logging={"level": "info"},
    )
