"""A campaign from its batch to its webhooks: paused, called from numbers of a pool, counted, and told of."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support.api import set_tokens
from tests.e2e.support.callee import OVER, Callee
from tests.e2e.support.server import THREADS, running
from tests.webhooks.receiver import SECRET, Receiver, receiving

pytestmark = pytest.mark.e2e

SCENARIO = "uas-odd-numbers-busy-486"
FIRST, SECOND = OURS = ["+15550001", "+15550002"]
POOL = {"numbers": OURS, "choose": "round_robin", "sticky": True}
ANN, BEA, BUSY, OTHER = "+15550100", "+15550200", "+15550301", "+15550400"
TERMS = {"agent": "receptionist", "pool": "sales", "campaign": "autumn"}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    set_tokens(monkeypatch)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


def hook(receiver: Receiver) -> dict[str, Any]:
    secret = {"env": "WEBHOOK_SECRET"}
    events = ["dial.*", "call.originated", "call.answered"]
    return {"name": "crm", "url": receiver.url, "secret": secret, "events": events}


def seen_calling(trace: Path) -> list[tuple[str, str]]:
    """Whom each INVITE that SIPp got was for, and from whom."""
    invites = re.findall(r"^INVITE sip:([^@]+)@.*?^From: <?sip:([^@]+)@", trace.read_text(), re.M | re.S)
    return list(dict.fromkeys(invites))


async def test_a_campaign_rests_goes_on_and_is_told_of(
    setup: SetupFactory, sipp: Sipp, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        callee = Callee(setup, top={"webhooks": [hook(receiver)]}, pools={"sales": POOL})
        async with running(callee.setup, spare_threads=THREADS):
            phones = asyncio.create_task(sipp(SCENARIO, callee.setup, "-p", str(callee.port), calls=5))
            first = await callee.dial(to=ANN, pool="sales", campaign="autumn")
            await callee.when(first, *OVER)
            await callee.api.post("/v1/campaigns/autumn/pause")
            batch = [{"to": to} for to in (ANN, BEA, BUSY)]
            answer = await callee.api.post("/v1/dials", {**TERMS, "dials": batch})
            held = [dial["dial_id"] for dial in answer.json()["dials"]]
            await callee.when(await callee.dial(to=OTHER), *OVER)
            paused = (await callee.api.get("/v1/campaigns/autumn")).json()
            resumed = (await callee.api.post("/v1/campaigns/autumn/resume")).json()
            ends = [await callee.when(dial_id, *OVER) for dial_id in held]
            await phones
            counts = (await callee.api.get("/v1/campaigns/autumn")).json()
            await receiver.until(lambda: len(receiver.taken) == 14, "five dials and their calls")
    assert (paused["paused"], paused["states"]["queued"], paused["states"]["completed"]) == (True, 3, 1)
    assert (resumed["paused"], counts["paused"]) == (False, False)
    assert (counts["dials"], counts["outcomes"]) == (4, {"answered": 3, "busy": 1})
    assert (counts["states"]["completed"], counts["states"]["failed"]) == (3, 1)
    assert [dial["from"] for dial in ends] == [FIRST, SECOND, FIRST]
    wire = seen_calling(tmp_path / f"{SCENARIO}.message.log")
    assert [to for to, _ in wire[:2]] == [ANN, OTHER]
    assert {(ANN, FIRST), (BEA, SECOND), (BUSY, FIRST)} <= set(wire)
    told = [message.type for message in receiver.taken]
    assert [told.count(name) for name in ("call.originated", "call.answered")] == [5, 4]
    of_dials = {
        (message.type, message.data["dial"]["to"])
        for message in receiver.taken
        if message.type.startswith("dial.")
    }
    assert of_dials == {("dial.failed", BUSY)} | {("dial.completed", to) for to in (ANN, BEA, OTHER)}
