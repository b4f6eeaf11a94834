"""What becomes of dials, and of pauses, when the process ends and another begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipagent.call.origination import Refused
from sipagent.errors import ReasonCode
from sipagent.outbound.dial import PickedUp, Placed, State, after
from sipagent.outbound.store import Filter, Store
from tests.outbound import dials
from tests.outbound.desk.rig import NEVER, SOON, switchboard, take, wish
from tests.outbound.dials import retry


async def test_what_was_taken_is_placed_by_the_next_process(tmp_path: Path) -> None:
    async with switchboard(tmp_path) as board:
        board.calls.refusals = [Refused(ReasonCode.DRAINING, "", 5)] * 1000
        (dial,) = await take(board)
    async with switchboard(tmp_path) as board:
        _, origination = await board.next_call()
        assert (origination.dial_id, origination.attempt) == (dial.dial_id, 1)


@pytest.mark.parametrize(("again", "state"), [(True, State.WAITING), (False, State.FAILED)])
async def test_an_attempt_that_a_crash_cut_off_counts(tmp_path: Path, again: bool, state: State) -> None:
    crashed = Store(tmp_path / "dials.db")
    policy = retry(3600, retry_on=("failed",) if again else ("busy",))
    crashed.save([after(dials.dial(retry=policy, expires_at=NEVER), Placed(1.0))])
    crashed.close()
    async with switchboard(tmp_path) as board:
        dial = await board.desk.get("d-1")
        assert dial is not None
        assert (dial.state, dial.outcome, dial.last.detail) == (state, "failed", "server_crashed")
        assert board.calls.placed.empty()


async def test_a_call_that_was_answered_before_the_crash_has_been_made(tmp_path: Path) -> None:
    crashed = Store(tmp_path / "dials.db")
    crashed.save([after(after(dials.dial(retry=SOON, expires_at=NEVER), Placed(1.0)), PickedUp(2.0))])
    crashed.close()
    async with switchboard(tmp_path) as board:
        over = await board.next_end()
        assert (over.state, over.outcome) == (State.COMPLETED, "answered")


async def test_who_stops_the_server_calls_nobody_off(tmp_path: Path) -> None:
    async with switchboard(tmp_path) as board:
        (dial,) = await take(board)
        call_id, _ = await board.next_call()
        board.calls.refusals = [Refused(ReasonCode.DRAINING, "", 5)] * 1000
        board.end(call_id, "cancelled", 487, end_reason="draining")
    async with switchboard(tmp_path) as board:
        _, origination = await board.next_call()
        assert (origination.dial_id, origination.attempt) == (dial.dial_id, 2)


async def test_a_paused_campaign_rests_also_after_a_restart(tmp_path: Path) -> None:
    async with switchboard(tmp_path) as board:
        await board.desk.pause("autumn", True)
        await take(board, wish(campaign="autumn"))
    async with switchboard(tmp_path) as board:
        assert board.desk.is_paused("autumn")
        await take(board)
        await board.next_call()
        assert await board.desk.counts(Filter(campaign="autumn", state="queued"))
        await board.desk.pause("autumn", False)
        await board.next_call()
