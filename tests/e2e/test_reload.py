"""SIGHUP under live calls: a good configuration is taken up, a bad one changes nothing, calls keep theirs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.kamailio import PASSWORD, USER, kamailio
from tests.e2e.support.phone import Phone, call, phone
from tests.e2e.support.server import Server, running
from tests.e2e.support.server_log import Line
from tests.e2e.support.setup import NUMBER, Setup

pytestmark = pytest.mark.e2e

SECOND = "127.0.0.3"
SAID = audio.signal(1, 200, ULAW)
OTHER = "2000"


def edit(setup: Setup, name: str, **changes: Any) -> None:
    """Change keys of a file of the configuration, which need not be there yet."""
    file = setup.config.with_name(f"{name}.yaml") if "/" not in name else setup.config.parent / f"{name}.yaml"
    document = yaml.safe_load(file.read_text()) if file.exists() else {}
    file.write_text(yaml.safe_dump(document | changes))


async def reload(server: Server, outcome: str = "config_reloaded") -> Line:
    count = len(server.lines(outcome)) + 1
    server.process.send_signal(signal.SIGHUP)
    return await server.wait_log(outcome, count=count)


async def hears_itself(caller: Phone) -> None:
    """The agent echoes what is said now."""
    before = len(caller.speech_heard())
    await caller.say(SAID)
    await caller.hear(lambda: len(caller.speech_heard()) >= before + len(SAID) // 2)


async def test_a_good_configuration_is_taken_up_and_a_bad_one_is_not(setup: SetupFactory) -> None:
    written = setup(None, agents={"night": {}})
    async with running(written, errors=["config_reload_refused"], spare_threads=1) as server:
        async with call(written, speech=SAID) as caller:
            edit(written, "trunks/carrier", numbers={OTHER: "night"}, max_calls=2)
            edit(written, "routes", rules=[{"name": "all", "when": {"called": "30*"}, "agent": "night"}])
            edit(written, "sipagent", http={"listen": "127.0.0.1:1"}, limits={"max_calls": 5})
            told = await reload(server)
            assert (told["trunks_changed"], told["rules_changed"]) == (["carrier"], True)
            assert server.lines("config_needs_restart")[0]["keys"] == ["http.listen"]
            await hears_itself(caller)

            async with call(written, number="3001") as second:
                async with phone(written, number="3002") as third:
                    assert (await third.invite()).status == 503  # the trunk takes two, and the first counts
                await second.hang_up()
            async with phone(written, number=NUMBER) as fourth:
                assert (await fourth.invite()).status == 404

            edit(written, "trunks/carrier", numbers={OTHER: "nihgt"})
            refused = await reload(server, "config_reload_refused")
            assert refused["problems"] == [
                f"{written.config.parent}/trunks/carrier.yaml:5: numbers.{OTHER}: "
                "there is no agent 'nihgt' (did you mean 'night'?)"
            ]
            await hears_itself(caller)
            async with call(written, number=OTHER) as fifth:
                await fifth.hang_up()
            await caller.hang_up()
        told_of = {(record["to"], record["reason_code"]) for record in await server.next_records(5)}
        assert told_of == {
            ("3002", "trunk_call_limit"),
            ("3001", None),
            (NUMBER, "number_unknown"),
            (OTHER, None),
            (NUMBER, None),
        }
        metrics = await server.metrics()
        assert metrics['sipagent_config_reloads_total{outcome="applied"}'] == 1
        assert metrics['sipagent_config_reloads_total{outcome="refused"}'] == 1


async def test_a_trunk_comes_and_goes_under_its_calls(setup: SetupFactory) -> None:
    written = setup(None)
    trunk = {"allowed_addresses": [SECOND], "numbers": {"*": "receptionist"}}
    async with running(written, spare_threads=1) as server:
        edit(written, "trunks/second", **trunk)
        assert (await reload(server))["trunks_added"] == ["second"]
        async with call(written, host=SECOND, speech=SAID) as caller:
            (written.config.parent / "trunks/second.yaml").unlink()
            assert (await reload(server))["trunks_removed"] == ["second"]
            await hears_itself(caller)
            async with phone(written, host=SECOND) as stranger:
                assert (await stranger.invite()).status == 403
            await caller.hang_up()
        first, second = await server.next_records(2)
        assert (first["reason_code"], first["trunk"]) == ("trunk_unknown", None)
        assert (second["end_reason"], second["trunk"]) == ("caller_hung_up", "second")
        edit(written, "trunks/second", **trunk)
        await reload(server)
        async with call(written, host=SECOND) as again:
            await again.hang_up()


async def test_a_registration_comes_changes_and_goes(setup: SetupFactory, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text("wrong")
    written = setup(None)
    async with kamailio(tmp_path) as carrier, running(written, spare_threads=1) as server:
        provided = {
            "registration": {"registrar": f"sip:127.0.0.1:{carrier.port}", "username": USER},
            "auth_password": {"file": str(secret)},
            "allowed_addresses": [],
            "numbers": {"*": "receptionist"},
        }
        edit(written, "trunks/carrier", allowed_addresses=["127.0.0.9"])
        edit(written, "trunks/provider", **provided)
        await reload(server)
        await server.wait_log("trunk_state", trunk="provider", registered=False)
        secret.write_text(PASSWORD)  # the file of the trunk is the same: its secret isn't
        await reload(server)
        await server.wait_log("trunk_state", trunk="provider", registered=True)
        async with call(written, proxy=("127.0.0.1", carrier.port), number=USER, speech=SAID) as caller:
            await caller.hear_speech(100)
            (written.config.parent / "trunks/provider.yaml").unlink()
            await reload(server)
            assert "expires=0" in await carrier.logged(f"registered: {USER} expires=0")
            await hears_itself(caller)
            await caller.hang_up()
        assert (await server.next_record())["trunk"] == "provider"
