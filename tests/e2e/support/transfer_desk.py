"""A caller whom the agent hands on to a human, and what both say."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import Any

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.commanded_server import at_desk
from tests.e2e.support.human import HumanPhone, human
from tests.e2e.support.phone import FRAME_MS, Phone
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import Record, Server, running
from tests.e2e.support.waiting import PATIENCE_S

GOODBYE, GOODBYE_MS, AGAIN, AGAIN_MS = 1, 600, 2, 600
WORDS, REPLY, TALK_MS = 3, 4, 1500
HELLO = 5
SPEAKS = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}
TO_SALES = at_desk(("Transfer", {"target": "sales", "summary": "wants a bicycle"}))


def speaks() -> RealtimeOptions:
    replies = [[Pattern(pattern_ms=GOODBYE_MS, number=GOODBYE)], [Pattern(pattern_ms=AGAIN_MS, number=AGAIN)]]
    return RealtimeOptions(script=tuple(Turn(reply=reply) for reply in replies), obedient=False)


class Desk:
    """What a test needs to hand a caller on to a human on `port`."""

    def __init__(self, setup: SetupFactory, server: RealtimeServer, **target: Any) -> None:
        self.port = free_port("127.0.0.1")
        sales = {"to": "+15550100", "how": "bridge", "goodbye_max_s": 3} | target
        transfer = {"uri_template": f"sip:{{number}}@127.0.0.1:{self.port}", "outcome_timeout_s": 3}
        self.setup = setup(
            server.url, agent=SPEAKS | {"transfers": {"sales": sales}}, trunk={"transfer": transfer}
        )

    def running(self, spare_threads: int = 0, errors: Sequence[str] = ()) -> Any:
        return running(self.setup, wrapper=TO_SALES, spare_threads=spare_threads, errors=errors)

    def human(self, **options: Any) -> Any:
        return human(self.setup, self.port, **options)


async def say_goodbye(server: Server, caller: Phone) -> None:
    """The agent has spoken, and the caller is to be handed on."""
    await caller.hear_speech(GOODBYE_MS)
    await server.wait_log("agent_speech_ended")
    server.process.send_signal(signal.SIGUSR1)


async def talk(caller: Phone, called: HumanPhone) -> None:
    """Both say hello until they are heard, then speak at once, for a while, and are silent again."""
    await asyncio.gather(_greet(caller, called), _greet(called, caller))
    silence = ULAW.silence * 4000
    say = caller.say(audio.signal(WORDS, TALK_MS, ULAW) + silence)
    law = called.law
    await asyncio.gather(say, called.say(audio.signal(REPLY, TALK_MS, law) + law.silence * 4000))


async def _greet(speaker: Phone, listener: Phone) -> None:
    """That they are joined is logged as it is ordered; the media worker may be a little behind."""
    heard = len(listener.frames_of_speech())
    async with asyncio.timeout(PATIENCE_S):
        while len(listener.frames_of_speech()) == heard:
            await speaker.say(audio.signal(HELLO, FRAME_MS, speaker.law))


def only_transfer(record: Record, *keys: str) -> tuple[Any, ...]:
    """These fields of the one transfer that there was."""
    (transfer,) = record["transfers"]
    return tuple(transfer[key] for key in keys)
