"""An upgrade without a dropped call, as docs/operations.md has it: another server takes over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sipagent.formats import ULAW
from tests.e2e.support import audio
from tests.e2e.support.kamailio import PASSWORD, USER, kamailio
from tests.e2e.support.phone import call
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import Setup, write_setup

pytestmark = pytest.mark.e2e

OLD_CALL, NEW_CALL = (audio.signal(number, 600, ULAW) for number in (1, 2))


def customer(directory: Path, registrar: int) -> Setup:
    """A server of the provider's user, with ports and files of its own."""
    secret = directory.with_suffix(".password")
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    trunk = {
        "allowed_addresses": [],
        "registration": {"registrar": f"sip:127.0.0.1:{registrar}", "username": USER},
        "auth_password": {"file": str(secret)},
        "numbers": {"*": "receptionist"},
    }
    return write_setup(directory, None, trunk=trunk)


async def only(server: Server, said: bytes) -> None:
    """The one call of this server's was heard to its end."""
    (record,) = server.calls()
    assert (record["end_reason"], record["call_status"]) == ("caller_hung_up", "completed")
    assert audio.holds(audio.recorded(record["recording"])[0], audio.samples(said, "PCMU"))


@pytest.mark.paced
async def test_a_second_server_takes_over_and_no_call_is_dropped(tmp_path: Path) -> None:
    async with kamailio(tmp_path) as provider:
        via = {"proxy": ("127.0.0.1", provider.port), "number": USER}
        async with running(customer(tmp_path / "old", provider.port)) as old:
            await old.wait_log("trunk_state", registered=True)
            async with (
                call(old.setup, **via) as before,
                running(customer(tmp_path / "new", provider.port)) as new,
            ):
                await new.wait_log("trunk_state", registered=True)
                old.terminate()
                await old.wait_log("trunk_state", registered=False)

                async with call(new.setup, **via) as after:
                    await asyncio.gather(before.say(OLD_CALL), after.say(NEW_CALL))
                    await before.hear_speech(600)
                    await after.hear_speech(600)
                    await after.hang_up()
                await new.next_record()
                await before.hang_up()
                assert await old.exited() == 0
                await only(old, OLD_CALL)
                await only(new, NEW_CALL)
