"""SIGKILL at any moment: no call without its record, no record twice, no recording lost."""

from __future__ import annotations

import pytest

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import call
from tests.e2e.support.server import Server, records, running
from tests.e2e.support.setup import NUMBER

pytestmark = pytest.mark.e2e

SAID_MS = 4000
#: Of audio that a crash of everything at once may cost. The recording is written once a second.
LOST_MS = 2000


@pytest.mark.paced
@pytest.mark.parametrize("workers_too", [False, True], ids=["control", "everything"])
async def test_a_killed_server_keeps_the_record_and_the_audio(setup: SetupFactory, workers_too: bool) -> None:
    prepared = setup(None)
    said = audio.signal(1, SAID_MS, ULAW)
    async with running(prepared) as server, call(prepared, speech=said) as caller:
        await caller.hear_speech(SAID_MS)
        await server.kill(workers_too=workers_too)
    assert records(prepared) == []

    async with running(prepared) as restarted:
        (record,) = records(prepared)
        assert (record["end_reason"], record["call_status"]) == ("server_crashed", "completed")
        assert record["sip_call_id"] == caller.sip_call_id
        assert (record["agent"], record["to"]) == ("receptionist", NUMBER)
        survived = audio.samples(said[: 8 * (SAID_MS - LOST_MS if workers_too else SAID_MS)], "PCMU")
        left, right = audio.recorded(record["recording"])
        assert audio.holds(left, survived)
        assert audio.plays(right, survived)
        restarted.skip_records()
        await eventually_works(restarted)


async def eventually_works(server: Server) -> None:
    said = audio.signal(3, 400, ULAW)
    async with call(server.setup, speech=said) as caller:
        await caller.hear_speech(400)
        await caller.hang_up()
    assert (await server.next_record())["end_reason"] == "caller_hung_up"
