"""The server as its API sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtp.ports import PortPool
from sipagent import events
from sipagent.api.control import CantBeDone
from sipagent.call.directors.director import Accept, HangUp, PressKeys
from sipagent.call.record.spool import append
from sipagent.call.reloading import ReloadOutcome
from sipagent.call.session import CallSession
from sipagent.config import Config
from sipagent.control import ServerControl
from sipagent.errors import EndReason
from sipagent.worker.orders import Say
from tests.call.exchange import Exchange, Talk
from tests.call.fake_sip import FakeSip, invite
from tests.call.fake_workers import FakeWorkers
from tests.rtp.test_ports import pool_of


class FakeAgent:
    """Of SIP only that no trunk has servers to speak of."""

    def servers(self, trunk: str) -> tuple[()]:
        return ()


class FakeReloader:
    def __init__(self, outcome: ReloadOutcome) -> None:
        self._outcome = outcome

    async def reload(self) -> ReloadOutcome:
        return self._outcome


class Desk:
    """A server with a call, and its control."""

    def __init__(self, directory: Path, ports: PortPool, outcome: ReloadOutcome | None = None) -> None:
        self.workers = FakeWorkers()
        self.exchange = Exchange(directory, ports, self.workers, max_calls=2)
        storage = {"storage": {"directory": directory / "server"}}
        config = Config.model_validate(self.exchange.config.model_dump() | storage)
        self.exchange.house.current.config = config
        self.talk = Talk(self.exchange, self.workers, FakeSip(invite()))
        self.sessions: dict[str, CallSession] = {"c-1": self.talk.session}
        agent: Any = FakeAgent()
        reloader: Any = FakeReloader(outcome or ReloadOutcome())
        self.control = ServerControl(
            self.exchange.house, agent, reloader, lambda: self.sessions, lambda: {"workers": True}
        )


@pytest.fixture
def ports() -> Iterator[PortPool]:
    pool = pool_of(1)
    yield pool
    pool.close()


async def ended(desk: Desk) -> None:
    desk.talk.sip.bye()
    await desk.talk.over()


async def test_a_call_is_seen_while_it_is_on(tmp_path: Path, ports: PortPool) -> None:
    desk = Desk(tmp_path, ports)
    await desk.talk.talking()
    (call,) = desk.control.live()
    assert (call["call_id"], call["agent"], call["from"], call["call_status"]) == (
        "c-1",
        "echo",
        "+15559999",
        "in-progress",
    )
    record = desk.control.live_record("c-1")
    assert record is not None
    assert call.items() <= record.items()
    assert await desk.control.record("c-1") == record
    await ended(desk)


async def test_a_call_that_is_over_is_known_from_the_spool_until_the_database_has_it(
    tmp_path: Path, ports: PortPool
) -> None:
    desk = Desk(tmp_path, ports)
    kept = {"call_id": "abcdef", "end_reason": "caller_hung_up"}
    append(tmp_path / "server/spool/calls-2026-03-01.jsonl", msgspec.json.encode(kept) + b"\n")
    assert await desk.control.record("abcdef") == kept
    assert await desk.control.record("abc") is None
    assert desk.control.live_record("abcdef") is None
    await desk.talk.talking()
    await ended(desk)


async def test_commands_reach_the_call_when_it_can_take_them(tmp_path: Path, ports: PortPool) -> None:
    desk = Desk(tmp_path, ports)
    say = Say(call_id="c-1", text="Hello")
    await desk.talk.preparing()
    with pytest.raises(CantBeDone, match="is preparing") as early:
        desk.control.do("c-1", say)
    assert early.value.code == "call_not_answered"
    await desk.talk.talking()
    desk.control.do("c-1", PressKeys(digits="5"))
    assert desk.workers.dialled == [("5", False)]
    with pytest.raises(CantBeDone, match="does not wait") as wrong:
        desk.control.do("c-1", Accept())
    assert wrong.value.code == "not_possible"
    desk.control.do("c-1", HangUp(reason=EndReason.API_HUNG_UP, detail="enough"))
    assert (await desk.talk.over())["end_reason"] == "api_hung_up"
    for call_id in ("c-1", "c-9"):
        with pytest.raises(CantBeDone) as late:
            desk.control.do(call_id, say)
        assert late.value.code == "call_over"


async def test_trunks_are_shown_as_they_stand(tmp_path: Path, ports: PortPool) -> None:
    desk = Desk(tmp_path, ports)
    await desk.talk.talking()
    (pbx,) = desk.control.trunks()
    assert (pbx["name"], pbx["registers"], pbx["registered"], pbx["calls"]) == ("pbx", False, None, 1)
    desk.control.note_trunk(
        events.TrunkStateChanged(at=1.0, trunk="pbx", registered=False, sip_status=403, detail="Forbidden")
    )
    (pbx,) = desk.control.trunks()
    assert (pbx["registered"], pbx["sip_status"], pbx["detail"]) == (False, 403, "Forbidden")
    assert {each["name"] for each in desk.control.agents() if each["calls"] == 1} == {"echo"}
    await ended(desk)


async def test_draining_refuses_calls_until_it_is_taken_back(tmp_path: Path, ports: PortPool) -> None:
    desk = Desk(tmp_path, ports)
    await desk.talk.talking()
    assert desk.control.drain(True) == 1
    assert desk.exchange.house.load.draining
    desk.control.drain(False)
    assert not desk.exchange.house.load.draining
    await ended(desk)


async def test_a_reload_tells_what_is_wrong_or_what_has_changed(tmp_path: Path, ports: PortPool) -> None:
    desk = Desk(tmp_path, ports, ReloadOutcome(problems=("x.yaml:1: wrong",)))
    assert (await desk.control.reload()).problems == ("x.yaml:1: wrong",)
    await desk.talk.talking()
    await ended(desk)
