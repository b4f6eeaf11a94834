"""Where legs live, and where they go. The workers of these tests only write down what they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from socket import socket
from types import SimpleNamespace
from typing import Any

import pytest

from rtp.handover import Handover
from rtp.session import RtpParams
from sipagent import events
from sipagent.errors import EndReason, NoWorker
from sipagent.worker.control import housing as module
from sipagent.worker.control.child import WorkerProcess
from sipagent.worker.control.handle import MAX_LOSSES, MAX_LOSSES_IN_ALL, LegHandle, Loss
from sipagent.worker.control.housing import Housing
from sipagent.worker.orders import CloseLeg, JoinLegs, OpenLeg, SetAside, StartMedia
from sipagent.worker.reports import LegSnapshot, LegTaken

NOBODY = RtpParams(("127.0.0.1", 9))
PATIENCE_S = 10.0


class House:
    """Two workers, and the legs of a test by their call ids, with what each was told of itself."""

    def __init__(self) -> None:
        self.up = [self.worker(number) for number in range(2)]
        self.told: dict[str, list[events.LegEvent]] = {}
        self.housing = Housing(lambda: self.up)
        self.sockets = (socket(), socket())
        self._news = asyncio.Event()

    def worker(self, number: int) -> WorkerProcess:
        sent: list[Any] = []
        channel: Any = SimpleNamespace(sent=sent, send=lambda message, fds=(): sent.append(message))
        process: Any = SimpleNamespace()
        return WorkerProcess(number, process, channel)

    def open(self, call_id: str, beside: str | None = None) -> LegHandle:
        order = OpenLeg(
            call_id=call_id, agent="", codec="PCMU", recording=None, jitter_min_ms=60, jitter_max_ms=200
        )
        self.told[call_id] = []
        return self.housing.open_leg(order, self.sockets, self._tell, beside)

    def talk(self, call_id: str, beside: str | None = None) -> LegHandle:
        leg = self.open(call_id, beside)
        self.hear(events.LegReady(call_id=call_id, at=1.0, ready_ms=1.0))
        leg.start(NOBODY)
        self.hear(snapshot(call_id))
        return leg

    def hear(self, event: events.LegEvent | LegSnapshot | LegTaken) -> None:
        self.housing.hear(self.home_of(event.call_id), event)

    def home_of(self, call_id: str) -> WorkerProcess:
        (home,) = [worker for worker in self.up if call_id in worker.legs]
        return home

    def lose(self, worker: WorkerProcess, replacement: bool = True) -> None:
        self.up.remove(worker)
        if replacement:
            self.up.append(self.worker(worker.number + 10))
        self.housing.lost(worker, Loss(time.monotonic(), "died", worker.number))

    async def until_told(self, kind: str, call_id: str) -> None:
        """The last that a leg is told of itself is of this kind."""
        async with asyncio.timeout(PATIENCE_S):
            while self.kinds(call_id)[-1:] != [kind]:
                self._news.clear()
                await self._news.wait()

    def kinds(self, call_id: str) -> list[str]:
        return [type(event).__name__ for event in self.told[call_id]]

    def sent_to(self, call_id: str) -> list[str]:
        channel: Any = self.home_of(call_id).channel
        return [type(message).__name__ for message in channel.sent if message.call_id == call_id]

    def _tell(self, event: events.LegEvent) -> None:
        self.told[event.call_id].append(event)
        self._news.set()


def snapshot(call_id: str) -> LegSnapshot:
    now = time.monotonic()
    return LegSnapshot(
        call_id=call_id, at=now, session=Handover(now, "x"), audio={}, recorded_since=None, heard=None
    )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    house.housing.close()
    for sock in house.sockets:
        sock.close()


async def test_a_leg_goes_on_and_its_call_is_told(house: House) -> None:
    house.talk("c-1")
    first = house.home_of("c-1")
    house.lose(first)
    assert house.sent_to("c-1") == ["OpenLeg", "StartMedia"]
    assert house.kinds("c-1") == ["LegReady"]
    house.hear(events.LegReady(call_id="c-1", at=2.0, ready_ms=1.0))
    house.hear(snapshot("c-1"))
    house.hear(snapshot("c-1"))
    assert house.kinds("c-1") == ["LegReady", "LegRehomed"]
    rehomed = house.told["c-1"][-1]
    assert isinstance(rehomed, events.LegRehomed)
    assert (rehomed.cause, rehomed.from_worker) == ("died", first.number)
    assert rehomed.to_worker == house.home_of("c-1").number
    assert 0 <= rehomed.gap_ms < 1000


async def test_a_leg_that_was_getting_ready_gets_ready_elsewhere(house: House) -> None:
    house.open("c-1")
    house.lose(house.home_of("c-1"))
    house.hear(events.LegReady(call_id="c-1", at=2.0, ready_ms=1.0))
    assert house.kinds("c-1") == ["LegReady"]


async def test_legs_of_one_call_stay_together_and_are_joined_when_both_flow(house: House) -> None:
    caller = house.talk("c-1")
    house.talk("c-1-2", beside="c-1")
    caller.tell(JoinLegs(call_id="c-1", other="c-1-2"))
    house.lose(house.home_of("c-1"))
    home = house.home_of("c-1")
    assert home is house.home_of("c-1-2")
    channel: Any = home.channel
    assert [type(message) for message in channel.sent] == [
        *(OpenLeg, StartMedia, OpenLeg, StartMedia),
        JoinLegs,
    ]


async def test_legs_are_spread_over_those_with_the_fewest(house: House) -> None:
    for number in range(6):
        house.talk(f"c-{number}")
    house.lose(house.up[0])
    assert sorted(len(worker.legs) for worker in house.up) == [3, 3]
    with pytest.raises(NoWorker):
        house.open("c-9-2", beside="c-9")


async def test_without_a_worker_legs_wait_for_one_and_keep_what_they_are_told(house: House) -> None:
    leg = house.talk("c-1")
    for worker in tuple(house.up):
        house.lose(worker, replacement=False)
    leg.tell(SetAside(call_id="c-1"))
    assert house.kinds("c-1") == ["LegReady"]
    house.up = [house.worker(7)]
    house.housing.house_homeless()
    assert house.sent_to("c-1") == ["OpenLeg", "StartMedia", "SetAside"]


async def test_who_hangs_up_meanwhile_has_ended(house: House) -> None:
    leg = house.talk("c-1")
    for worker in tuple(house.up):
        house.lose(worker, replacement=False)
    leg.close(EndReason.CALLER_HUNG_UP)
    ended = house.told["c-1"][-1]
    assert isinstance(ended, events.LegEnded)
    assert (ended.reason, ended.recording_left) == ("caller_hung_up", True)
    assert ended.rtp["inbound"]["packets"] == 0
    house.up = [house.worker(7)]
    house.housing.house_homeless()
    assert house.up[0].legs == {}


async def test_no_leg_waits_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOMELESS_S", 0.0)
    house.talk("c-1")
    house.open("c-2")
    for worker in tuple(house.up):
        house.lose(worker, replacement=False)
    await house.until_told("LegEnded", "c-1")
    await house.until_told("LegFailed", "c-2")


async def test_a_leg_that_loses_worker_after_worker_is_given_up(house: House) -> None:
    house.talk("c-1")
    for _ in range(MAX_LOSSES):
        house.lose(house.home_of("c-1"))
        house.hear(LegTaken(call_id="c-1"))
    house.lose(house.home_of("c-1"))
    ended = house.told["c-1"][-1]
    assert isinstance(ended, events.LegEnded)
    assert ended.reason == EndReason.WORKER_LOST
    assert not any("c-1" in worker.legs for worker in house.up)


async def test_workers_that_died_before_they_took_a_leg_did_not_die_of_it(house: House) -> None:
    house.talk("c-1")
    for _ in range(MAX_LOSSES_IN_ALL):
        house.lose(house.home_of("c-1"))
    assert house.kinds("c-1") == ["LegReady"]
    house.lose(house.home_of("c-1"))
    assert house.kinds("c-1") == ["LegReady", "LegEnded"]


async def test_a_leg_that_cannot_be_made_again_has_ended(house: House) -> None:
    house.talk("c-1")
    house.lose(house.home_of("c-1"))
    house.hear(
        events.LegFailed(
            call_id="c-1", at=1.0, sip_status=500, reason_code="internal_error", detail="a defect"
        )
    )
    ended = house.told["c-1"][-1]
    assert isinstance(ended, events.LegEnded)
    assert (ended.reason, ended.detail) == (EndReason.WORKER_LOST, "internal_error: a defect")


async def test_a_call_whose_sockets_are_gone_has_ended(house: House) -> None:
    house.talk("c-1")
    channel: Any = house.up[1 - house.home_of("c-1").number].channel

    def no_descriptors(message: object, fds: object = ()) -> None:
        raise OSError(9, "Bad file descriptor")

    channel.send = no_descriptors
    house.lose(house.home_of("c-1"), replacement=False)
    assert house.kinds("c-1")[-1] == "LegEnded"


async def test_the_end_of_the_server_ends_legs(house: House) -> None:
    leg = house.talk("c-1")
    house.housing.abandon(house.home_of("c-1"))
    assert house.kinds("c-1")[-1] == "LegEnded"
    leg.tell(CloseLeg(call_id="c-1", reason="x"))
    assert house.kinds("c-1").count("LegEnded") == 1
