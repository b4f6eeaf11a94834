"""A trunk that registers: the whole server as a customer of Kamailio."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.kamailio import PASSWORD, USER, kamailio
from tests.e2e.support.phone import call, phone
from tests.e2e.support.ports import free_port
from tests.e2e.support.provider import provider
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e

SAID = audio.signal(1, 600, ULAW)


async def test_a_trunk_registers_takes_calls_refreshes_and_unregisters(
    setup: SetupFactory, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    async with kamailio(tmp_path) as carrier:
        registrar = ("127.0.0.1", carrier.port)
        provided = {
            "allowed_addresses": [],
            "registration": {"registrar": f"sip:127.0.0.1:{carrier.port}", "username": USER},
            "auth_password": {"file": str(secret)},
            "numbers": {"*": "receptionist"},
        }
        async with running(setup(None, trunk=provided)) as server:
            await server.wait_log("trunk_state", registered=True)
            await carrier.logged(f"registered: {USER} expires=")
            assert (await server.metrics())['sipagent_trunk_registered{trunk="carrier"}'] == 1

            async with call(server.setup, proxy=registrar, number=USER, speech=SAID) as caller:
                await caller.hear_speech(600)
                await caller.hang_up()
            record = await server.next_record()
            assert (record["trunk"], record["to"], record["end_reason"]) == (
                "carrier",
                USER,
                "caller_hung_up",
            )
            assert record["source"] == f"127.0.0.1:{carrier.port}/udp"

            await carrier.logged(f"registered: {USER} expires=", within_s=12)
        assert "expires=0" in await carrier.logged(f"registered: {USER}")
        async with phone(server.setup, proxy=registrar, number=USER) as caller:
            assert (await caller.invite()).status == 480
    assert PASSWORD not in server.setup.config.with_name("server.log").read_text()


async def test_a_call_goes_on_while_its_registrar_is_gone(setup: SetupFactory, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    async with contextlib.AsyncExitStack() as while_it_runs:
        up = await while_it_runs.enter_async_context(kamailio(tmp_path))
        provided = {
            "registration": {"registrar": f"sip:127.0.0.1:{up.port}", "username": USER},
            "auth_password": {"file": str(secret)},
            "numbers": {"*": "receptionist"},
        }
        async with running(setup(None, trunk=provided)) as server:
            await server.wait_log("trunk_state", registered=True)
            async with call(server.setup, number=USER, speech=SAID) as caller:
                await caller.hear_speech(300)
                await while_it_runs.aclose()
                async with provider(up.port, tmp_path, "FULL"):
                    await server.wait_log("trunk_state", registered=False, within_s=20)
                heard = len(caller.speech_heard())
                await caller.say(SAID)
                await caller.hear(lambda: len(caller.speech_heard()) > heard)
                await caller.hang_up()
            record = await server.next_record()
            assert (record["end_reason"], record["call_status"]) == ("caller_hung_up", "completed")
            before = len(server.lines("trunk_state", registered=True))
            async with kamailio(tmp_path, port=up.port):
                await server.wait_log("trunk_state", count=before + 1, registered=True, within_s=65)


async def test_a_proxy_that_stops_answering_is_seen_in_the_metrics(
    setup: SetupFactory, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as while_it_runs:
        proxy = await while_it_runs.enter_async_context(provider(free_port(), tmp_path))
        trunk = {"outbound_proxy": f"sip:127.0.0.1:{proxy.port}", "qualify_s": 1, "failover_timeout_s": 0.5}
        labels = f'{{target="{proxy.target}",trunk="carrier"}}'
        async with running(setup(None, trunk=trunk)) as server:
            await server.wait_log("trunk_target", is_up=True, status=200)
            figures = await server.metrics()
            assert figures[f"sipagent_trunk_target_up{labels}"] == 1
            assert 0 < figures[f"sipagent_trunk_target_rtt_seconds{labels}"] < 0.5
            await while_it_runs.aclose()
            await server.wait_log("trunk_target", is_up=False, status=408)
            assert (await server.metrics())[f"sipagent_trunk_target_up{labels}"] == 0
