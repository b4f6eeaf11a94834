"""From events and records to a real receiver over HTTP."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sipagent import events
from sipagent.call.record.builder import RecordBuilder
from sipagent.call.record.spool import append
from sipagent.config import Config
from sipagent.metrics import Metrics, ServerFigures
from sipagent.outbound.dial import CancelAsked, after
from sipagent.webhooks import courier
from sipagent.webhooks.service import Webhooks
from tests.call import stories
from tests.e2e.support.waiting import eventually
from tests.outbound import dials
from tests.webhooks.receiver import SECRET, Received, Receiver, receiving

CRM = {"name": "crm", "secret": {"env": "WEBHOOK_SECRET"}, "events": ["*"]}


class House:
    """Webhooks with their spool, which may be ended in any way and begun anew."""

    def __init__(self, directory: Path, *endpoints: dict[str, Any]) -> None:
        self.directory = directory
        self.config = Config.model_validate(
            {"storage": {"directory": directory}, "webhooks": [CRM | each for each in endpoints]}
        )
        self.metrics = Metrics(dict, lambda: ServerFigures(0, 0, 0))
        self.webhooks = Webhooks(self.config, self.metrics)

    async def start(self) -> None:
        await self.webhooks.open()
        self.webhooks.start()

    async def restart(self) -> None:
        await self.webhooks.stop()
        self.webhooks = Webhooks(self.config, self.metrics)
        await self.start()

    def call(self, call_id: str, *happened: events.Event) -> None:
        """A whole call: its events, and its record in the spool."""
        received = stories.received(call_id, time.monotonic())
        builder = RecordBuilder(received, time.time())
        told = [
            received,
            *(msgspec.structs.replace(event, call_id=call_id, at=received.at) for event in happened),
            msgspec.structs.replace(stories.ended(at=received.at + 1), call_id=call_id),
        ]
        for event in told:
            if event is not received:
                builder.apply(event)
            self.webhooks.take(event)
        self.record(msgspec.to_builtins(builder.record))

    def record(self, entry: dict[str, Any]) -> None:
        append(self.directory / "spool" / "calls-2026-03-01.jsonl", msgspec.json.encode(entry) + b"\n")

    def count(self, endpoint: str, outcome: str) -> float:
        labels = {"endpoint": endpoint, "outcome": outcome}
        return self.metrics.registry.get_sample_value("sipagent_webhook_attempts_total", labels) or 0.0


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(courier, "retry_in_s", lambda attempts, answer, chance: 0.05)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def house(tmp_path: Path, receiver: Receiver) -> AsyncIterator[House]:
    house = House(tmp_path, {"url": receiver.url})
    await house.start()
    yield house
    await house.webhooks.stop()


def types_of(messages: list[Received], call_id: str) -> list[str]:
    return [message.type for message in messages if message.call_id == call_id]


async def ends(receiver: Receiver, calls: int) -> None:
    def ended() -> bool:
        return sum(message.type == "call.ended" for message in receiver.taken) >= calls

    await receiver.until(ended, f"{calls} call.ended")


async def test_a_call_is_told_in_order_with_its_record_last(house: House, receiver: Receiver) -> None:
    house.call("a", stories.admitted(), stories.answered())
    await ends(receiver, 1)
    assert types_of(receiver.taken, "a") == ["call.received", "call.admitted", "call.answered", "call.ended"]
    assert receiver.taken[-1].data["record"]["end_reason"] == "caller_hung_up"
    await counted(house, "delivered", 4)


async def test_a_dial_that_is_over_is_told(house: House, receiver: Receiver) -> None:
    house.webhooks.take_dial(after(dials.dial(), CancelAsked(dials.NOW)))
    await receiver.until(lambda: len(receiver.taken) == 1, "dial.cancelled")
    (message,) = receiver.taken
    assert (message.type, message.data["dial"]["dial_id"]) == ("dial.cancelled", "d-1")


async def test_failures_are_tried_again_in_order(house: House, receiver: Receiver) -> None:
    tries: dict[str, int] = defaultdict(int)

    def stumble(message: Received) -> int:
        tries[message.id] += 1
        return 500 if tries[message.id] < 3 else 200

    receiver.decide = stumble
    for call_id in ("a", "b"):
        house.call(call_id, stories.admitted(), stories.answered())
    await ends(receiver, 2)
    for call_id in ("a", "b"):
        told = ["call.received", "call.admitted", "call.answered", "call.ended"]
        assert types_of(receiver.taken, call_id) == told
    assert set(tries.values()) == {3}


async def test_a_call_whose_message_fails_holds_up_no_other(house: House, receiver: Receiver) -> None:
    receiver.decide = lambda message: 500 if message.call_id == "a" else 200
    house.call("a")
    for number in range(5):
        house.call(f"b{number}")
    await ends(receiver, 5)
    assert types_of(receiver.taken, "a") == []


async def test_a_dead_receiver_holds_up_no_other(tmp_path: Path, receiver: Receiver) -> None:
    async with receiving() as silent:
        silent.decide = lambda message: None
        house = House(
            tmp_path,
            {"url": silent.url, "name": "silent", "timeout_ms": 300},
            {"url": "http://127.0.0.1:9", "name": "dead"},
            {"url": receiver.url},
        )
        await house.start()
        house.call("a")
        await ends(receiver, 1)
        assert silent.taken == []
        await house.webhooks.stop()
        assert house.count("dead", "failed") >= 1


async def test_what_was_not_delivered_is_after_a_restart(tmp_path: Path) -> None:
    async with receiving() as receiver:
        port = receiver.port
    house = House(tmp_path, {"url": f"http://127.0.0.1:{port}/hook"})
    await house.start()
    for number in range(3):
        house.call(f"c{number}", stories.answered())
    await house.restart()
    async with receiving(port) as receiver:
        await ends(receiver, 3)
        for number in range(3):
            told = ["call.received", "call.answered", "call.ended"]
            assert types_of(receiver.taken, f"c{number}") == told
    await house.webhooks.stop()


async def test_a_record_without_events_is_told_once(house: House, receiver: Receiver) -> None:
    """As a crash leaves it: the next start writes the record, and nobody has seen the call."""
    await house.webhooks.stop()
    builder = RecordBuilder(stories.received("cut-off", time.monotonic()), time.time())
    builder.apply(msgspec.structs.replace(stories.ended("server_crashed"), at=time.monotonic()))
    house.record(msgspec.to_builtins(builder.record))
    await house.restart()
    await ends(receiver, 1)
    await house.restart()
    house.call("next")
    await ends(receiver, 2)
    assert [message.call_id for message in receiver.received if message.type == "call.ended"] == [
        "cut-off",
        "next",
    ]


async def test_a_new_outbox_does_not_tell_old_calls(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path, {"url": receiver.url})
    builder = RecordBuilder(stories.received("old", time.monotonic()), time.time())
    builder.apply(msgspec.structs.replace(stories.ended(), at=time.monotonic()))
    house.record(msgspec.to_builtins(builder.record))
    await house.start()
    house.call("new")
    await ends(receiver, 1)
    assert {message.call_id for message in receiver.received} == {"new"}
    await house.webhooks.stop()


@pytest.mark.parametrize(
    ("status", "outcome"), [(410, "gone"), (422, "rejected")], ids=["gone for good", "this one refused"]
)
async def test_a_receiver_may_refuse_one_message_or_all(
    house: House, receiver: Receiver, status: int, outcome: str
) -> None:
    receiver.decide = lambda message: status if message.call_id == "a" else 200
    house.call("a", stories.answered())
    await receiver.until(lambda: len(receiver.received) >= (1 if status == 410 else 3), "refusals")
    await counted(house, outcome)
    house.call("b")
    if status == 410:
        await house.restart()
        assert types_of(receiver.taken, "b") == []
    else:
        await ends(receiver, 1)
        assert types_of(receiver.received, "a") == ["call.received", "call.answered", "call.ended"]


async def counted(house: House, outcome: str, times: int = 1) -> None:
    await eventually(lambda: house.count("crm", outcome) >= times, f"{times} times {outcome}")


async def test_a_redirect_is_not_followed(house: House, receiver: Receiver) -> None:
    moved = [302, 302, 200]
    receiver.headers = "location: http://127.0.0.1:9/elsewhere\r\n"
    receiver.decide = lambda message: moved.pop(0) if moved else 200
    house.call("a")
    await ends(receiver, 1)
    assert house.count("crm", "failed") == 2
    assert {message.id for message in receiver.received if message.status == 302} == {"msg_a_1"}


async def test_a_disk_that_refuses_costs_durability_and_no_message(
    tmp_path: Path, receiver: Receiver
) -> None:
    (tmp_path / "webhooks.db").mkdir()
    house = House(tmp_path, {"url": receiver.url})
    await house.start()
    house.call("a", stories.answered())
    await ends(receiver, 1)
    assert types_of(receiver.taken, "a") == ["call.received", "call.answered", "call.ended"]
    await house.webhooks.stop()


async def test_without_endpoints_nothing_is_opened(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.start()
    house.webhooks.take(stories.received())
    await house.webhooks.stop()
    assert list(tmp_path.iterdir()) == []
