"""Calls that are asked for over HTTP: paced, tried again, capped, cancelled, and kept over a crash."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from itertools import pairwise

import pytest

from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support.api import secret, set_tokens
from tests.e2e.support.callee import NUMBER, OVER, Callee, Shown
from tests.e2e.support.human import human
from tests.e2e.support.server import SIPAGENT, THREADS, running
from tests.e2e.support.waiting import PATIENCE_S

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    set_tokens(monkeypatch)


async def test_who_is_busy_is_called_again_and_talks(setup: SetupFactory) -> None:
    callee = Callee(setup)
    retry = {"attempts": 3, "waits_s": [0.2], "retry_on": ["busy"]}
    async with (
        running(callee.setup, spare_threads=THREADS) as server,
        human(callee.setup, callee.port) as phone,
    ):
        dial_id = await callee.dial(retry=retry, tenant="acme")
        await phone.refuse(486, "Busy Here")
        await phone.pick_up()
        await callee.when(dial_id, "talking")
        await phone.hang_up()
        seen = await callee.when(dial_id, *OVER)
        assert (seen["state"], seen["outcome"]) == ("completed", "answered")
        assert [each["outcome"] for each in seen["attempts"]] == ["busy", "answered"]
        assert seen["attempts"][0]["sip_status"] == 486
        records = await server.next_records(2)
        assert [record["call_id"] for record in records] == [each["call_id"] for each in seen["attempts"]]
        assert [record["dial"]["attempt"] for record in records] == [1, 2]
        metrics = await server.metrics()
        assert metrics['sipagent_dial_attempts_total{outcome="busy",trunk="carrier"}'] == 1


async def test_toll_fraud_gets_no_further_than_the_api(setup: SetupFactory) -> None:
    callee = Callee(setup, caps={"max_concurrent": 1}, deny=["+1555900"])
    async with (
        running(callee.setup, spare_threads=THREADS) as server,
        human(callee.setup, callee.port) as phone,
    ):
        for to in ("+882123456", "+15559001234", "sip:x@premium.example"):
            answer = await callee.api.post("/v1/calls", {"to": to, "agent": "receptionist"})
            assert answer.status_code == 403, answer.text
        await callee.dial()
        await phone.rings()
        full = await callee.api.post("/v1/calls", {"to": NUMBER, "agent": "receptionist"})
        assert (full.status_code, full.json()["reason_code"]) == (429, "key_concurrent_cap")
        assert int(full.headers["retry-after"]) > 0
        await phone.refuse(603, "Decline")
        await server.next_record()
        assert len(server.calls()) == 1
        refused = "sipagent_dials_refused_total"
        assert (await server.metrics())[f'{refused}{{rule="destination_denied"}}'] == 1


async def test_a_campaign_keeps_its_pace(setup: SetupFactory, sipp: Sipp) -> None:
    people, most, spacing_s = 20, 3, 0.2
    callee = Callee(setup, tenants={"acme": {"calls_per_s": 1 / spacing_s, "max_concurrent": most}})
    port = ("-p", str(callee.port))
    async with running(callee.setup, spare_threads=THREADS) as server:
        phones = asyncio.create_task(
            sipp("uas-short-call-answered-bye", callee.setup, *port, calls=people, timeout_s=40)
        )
        numbers = [f"+1555{index:04}" for index in range(people)]
        batch = {"agent": "receptionist", "tenant": "acme", "campaign": "autumn"}
        answer = await callee.api.post("/v1/dials", {**batch, "dials": [{"to": to} for to in numbers]})
        assert len(answer.json()["dials"]) == people
        await phones
        await server.next_records(people)
        last = answer.json()["dials"][-1]["dial_id"]
        await callee.when(last, *OVER)
        campaign = (await callee.api.get("/v1/campaigns/autumn")).json()
        assert (campaign["states"]["completed"], campaign["outcomes"]) == (people, {"answered": people})
        dials = (await callee.api.get("/v1/dials?campaign=autumn")).json()["dials"]
    calls = sorted((began(dial), ended(dial), dial["to"]) for dial in dials)
    assert [to for _, _, to in calls] == numbers
    starts = [at for at, _, _ in calls]
    assert all(later - at >= spacing_s - 0.002 for at, later in pairwise(starts))
    assert max(sum(at <= start < end for at, end, _ in calls) for start in starts) == most


def began(dial: Shown) -> float:
    return datetime.fromisoformat(dial["attempts"][0]["began_at"]).timestamp()


def ended(dial: Shown) -> float:
    return datetime.fromisoformat(dial["attempts"][0]["ended_at"]).timestamp()


async def test_a_crash_loses_no_dial_and_calls_nobody_twice(setup: SetupFactory) -> None:
    callee = Callee(setup, default_tenant={"calls_per_s": 50, "max_concurrent": 1})
    async with human(callee.setup, callee.port) as phone, running(callee.setup) as server:
        rang = await callee.dial()
        await phone.rings()
        queued = await callee.dial(to="+15550200")
        assert (await callee.shown(queued))["state"] == "queued"
        await server.kill()
    async with (
        human(callee.setup, callee.port) as phone,
        running(callee.setup, spare_threads=THREADS) as server,
    ):
        invite = await phone.rings()
        assert "+15550200" in invite.start
        seen = await callee.shown(rang)
        assert (seen["state"], seen["outcome"]) == ("failed", "failed")
        assert seen["attempts"][0]["detail"] == "server_crashed"
        await phone.refuse(486, "Busy Here")
        assert (await callee.when(queued, *OVER))["outcome"] == "busy"
        await server.wait_log("call_cut_off_by_crash")


async def test_a_dial_is_cancelled_while_it_rings(setup: SetupFactory) -> None:
    callee = Callee(setup)
    async with (
        running(callee.setup, spare_threads=THREADS) as server,
        human(callee.setup, callee.port) as phone,
    ):
        dial_id = await callee.dial()
        await phone.rings()
        answer = await callee.api.delete(f"/v1/dials/{dial_id}")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelling")
        async with asyncio.timeout(PATIENCE_S):
            await phone.cancelled.wait()
        assert (await callee.when(dial_id, *OVER))["state"] == "cancelled"
        assert (await server.next_record())["outcome"] == "cancelled"


async def test_what_a_stop_calls_off_is_called_again_after_the_next_start(setup: SetupFactory) -> None:
    callee = Callee(setup)
    async with human(callee.setup, callee.port) as phone, running(callee.setup) as server:
        dial_id = await callee.dial()
        await phone.rings()
        await server.wait_log("call_progressed")
        await server.stop()
        assert phone.cancelled.is_set()
        (record,) = server.calls()
    assert (record["outcome"], record["end_reason"]) == ("cancelled", "draining")
    async with (
        human(callee.setup, callee.port) as phone,
        running(callee.setup, spare_threads=THREADS) as server,
    ):
        await phone.rings()
        ringing = await callee.shown(dial_id)
        assert (ringing["state"], ringing["attempts_left"]) == ("dialling", 0)
        await phone.pick_up()
        await phone.hang_up()
        seen = await callee.when(dial_id, *OVER)
        assert [each["outcome"] for each in seen["attempts"]] == ["cancelled", "answered"]
        assert (await server.next_record())["dial"]["attempt"] == 2


async def test_the_command_line_dials_and_tells_what_came_of_it(setup: SetupFactory) -> None:
    callee = Callee(setup)

    async def sipagent(*arguments: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(SIPAGENT, *arguments, "-c", callee.setup.config),
            env=os.environ | {"SIPAGENT_TOKEN": secret("operator"), "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    async with (
        running(callee.setup, spare_threads=THREADS),
        human(callee.setup, callee.port) as phone,
    ):
        waiting = asyncio.create_task(sipagent("dial", NUMBER, "--agent", "receptionist", "--wait"))
        await phone.refuse(486, "Busy Here")
        code, text = await waiting
        assert (code, "over, busy (486" in text, "failed" in text) == (3, True, True), text
        waiting = asyncio.create_task(sipagent("dial", NUMBER, "--agent", "receptionist", "--wait"))
        await phone.pick_up()
        await phone.hang_up()
        code, text = await waiting
        assert (code, "answered" in text) == (0, True), text
        code, text = await sipagent("dial", "+882123456", "--agent", "receptionist")
        assert (code, "destination_not_allowed" in text) == (1, True), text
        code, text = await sipagent("dials", "list", "--state", "completed")
        assert (code, text.count(NUMBER)) == (0, 1), text
