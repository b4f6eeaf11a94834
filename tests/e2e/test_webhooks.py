"""Webhooks of a running server, taken by a real HTTP receiver that verifies them."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import pytest

from tests.e2e.conftest import SetupFactory
from tests.e2e.support.phone import call
from tests.e2e.support.server import SIPAGENT, running
from tests.e2e.support.setup import Setup
from tests.webhooks.receiver import SECRET, Received, Receiver, receiving

pytestmark = pytest.mark.e2e

STORY = ["call.received", "call.routed", "call.admitted", "call.answered"]


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)


def crm(url: str, **values: Any) -> dict[str, Any]:
    events = ["call.*", "recording.finished"]
    return {"name": "crm", "url": url, "secret": {"env": "WEBHOOK_SECRET"}, "events": events} | values


async def one_call(setup: Setup) -> str:
    async with call(setup) as caller:
        await caller.hang_up()
    return caller.sip_call_id


def told(receiver: Receiver, sip_call_id: str) -> list[Received]:
    return [each for each in receiver.taken if each.data["call"]["sip_call_id"] == sip_call_id]


def ended(receiver: Receiver) -> int:
    return sum(message.type == "call.ended" for message in receiver.taken)


async def test_a_call_is_told_as_it_happens_and_ends_with_its_record(setup: SetupFactory) -> None:
    async with receiving() as receiver, running(setup(None, top={"webhooks": [crm(receiver.url)]})) as server:
        async with call(server.setup) as caller:
            await receiver.has_taken("call.answered")
            assert ended(receiver) == 0
            await caller.hang_up()
        await receiver.has_taken("call.ended", "recording.finished")
        messages = told(receiver, caller.sip_call_id)
        assert [message.type for message in messages][: len(STORY)] == STORY
        assert [message.type for message in messages][-2:] == ["recording.finished", "call.ended"]
        record = await server.next_record()
        assert messages[-1].data["record"] == record
        assert {message.call_id for message in messages} == {record["call_id"]}
        metrics = await server.metrics()
        name = 'sipagent_webhook_attempts_total{endpoint="crm",outcome="delivered"}'
        assert metrics[name] >= len(STORY)


async def test_a_receiver_that_was_away_gets_all_of_it_in_order(setup: SetupFactory) -> None:
    """Down at first, then the server is started again, then it fails for a while, then it works."""
    async with receiving() as receiver:
        port = receiver.port
    prepared = setup(None, top={"webhooks": [crm(f"http://127.0.0.1:{port}/hook")]})
    async with running(prepared) as server:
        calls = [await one_call(prepared) for _ in range(2)]
        await server.next_records(2)
    listed = webhooks_command("list", prepared)
    assert "ConnectError" in listed.stdout, listed.stdout
    async with running(prepared) as server:
        calls.append(await one_call(prepared))
        async with receiving(port) as receiver:
            failing = 3
            receiver.decide = lambda message: 500 if len(receiver.received) < failing else 200
            assert webhooks_command("retry", prepared, "crm").returncode == 0
            await receiver.until(lambda: ended(receiver) == len(calls), "every call ended")
            for sip_call_id in calls:
                types = [message.type for message in told(receiver, sip_call_id)]
                assert types[: len(STORY)] == STORY
                assert types[-1] == "call.ended"
            assert len({message.id for message in receiver.taken}) == len(receiver.taken)


async def test_a_receiver_can_be_tried_from_the_command_line(setup: SetupFactory) -> None:
    async with receiving() as receiver:
        prepared = setup(None, top={"webhooks": [crm(receiver.url)]})
        process = await asyncio_run("webhooks", "test", "crm", "-c", str(prepared.config))
        assert process == 0
        assert [message.type for message in receiver.taken] == ["webhook.test"]
    assert await asyncio_run("webhooks", "test", "crm", "-c", str(prepared.config)) == 1


def webhooks_command(command: str, setup: Setup, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [SIPAGENT, "webhooks", command, *arguments, "-c", setup.config]
    environment = {"COLUMNS": "300", "PATH": "/usr/bin:/bin"}
    return subprocess.run(words, capture_output=True, text=True, timeout=30, env=environment)


async def asyncio_run(*arguments: str) -> int:
    process = await asyncio.create_subprocess_exec(SIPAGENT, *arguments)
    return await process.wait()
