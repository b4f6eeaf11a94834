"""Rules that answer a call without a model: handed on, a prompt, a message."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
import yaml

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import call
from tests.e2e.support.referred_phone import referred_call
from tests.e2e.support.server import running
from tests.e2e.support.setup import Setup

pytestmark = pytest.mark.e2e

SAID = audio.signal(1, 600, ULAW)


def with_rule(setup: Setup, **action: object) -> Setup:
    document = {"rules": [{"name": "all", **action}]}
    setup.config.with_name("routes.yaml").write_text(yaml.safe_dump(document))
    return setup


async def test_a_rule_hands_the_caller_on(setup: SetupFactory) -> None:
    trunk = {"transfer": {"uri_template": "sip:{number}@127.0.0.1:9"}, "numbers": {}}
    soon = {"transfers": {"sales": {"to": "+15550100", "goodbye_max_s": 1}}}  # an echo may have no end
    prepared = with_rule(
        setup(None, trunk=trunk, agent=soon), transfer={"to": "sales", "agent": "receptionist"}
    )
    async with running(prepared) as server:
        async with referred_call(prepared) as caller:
            refer = await caller.referred()
            assert refer["refer-to"] == "<sip:+15550100@127.0.0.1:9>"
            caller.notify("100 Trying")
            caller.notify("200 OK")
            await caller.hung_up()
        record = await server.next_record()
    assert record["end_reason"] == "transferred"
    assert record["route"] == "carrier/all -> receptionist -> sales"


async def test_a_rule_plays_a_prompt(setup: SetupFactory, tmp_path: Path) -> None:
    sound = tmp_path / "closed.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\x00\x20\x00\xe0" * 4000)
    prepared = with_rule(setup(None), prompt={"file": str(sound)})
    async with running(prepared, spare_threads=1) as server:
        async with call(prepared) as caller:
            await caller.hung_up()
            assert len(caller.speech_heard()) >= 8 * 900
        record = await server.next_record()
    assert (record["end_reason"], record["agent"]) == ("prompt_played", "all")
    assert record["recording"] is None


async def test_a_rule_takes_a_message(setup: SetupFactory) -> None:
    prepared = with_rule(setup(None), voicemail={"silence_s": 1, "max_s": 10})
    async with running(prepared) as server:
        async with call(prepared) as caller:
            await caller.hear_speech(100)  # the beep
            await caller.say(SAID)
            await caller.hung_up()
        record = await server.next_record()
    assert (record["end_reason"], record["route"]) == ("message_taken", "carrier/all -> all")
    assert record["recording"] is not None
