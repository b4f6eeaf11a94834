"""What holds dials back: caps, room in the store, numbers to call from, and who may be called."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipagent.outbound.dial import State
from sipagent.outbound.dispatch import NoRoom
from sipagent.outbound.store import Filter
from tests.outbound.desk.rig import switchboard, take, wish
from tests.outbound.switchboard import configured


async def test_caps_count_calls_of_earlier_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t" * 16)
    token = {"name": "crm", "token": {"env": "TOKEN"}, "scopes": ["calls:originate"]}
    capped = ({**token, "caps": {"max_per_day": 2}},)
    async with switchboard(tmp_path, tokens=capped) as board:
        await take(board, wish(), wish(), at_once=False)
        for _ in range(2):
            board.end((await board.next_call())[0], "busy")
            await board.next_end()
    async with switchboard(tmp_path, tokens=capped) as board:
        with pytest.raises(NoRoom) as full:
            await take(board)
        assert full.value.rule == "key_daily_cap"
        assert 86_000 < full.value.retry_after_s <= 86_400
        assert b'sipagent_dials_refused_total{rule="key_daily_cap"} 1.0' in board.metrics.exposition()


async def test_only_so_many_dials_wait(tmp_path: Path) -> None:
    async with switchboard(tmp_path, max_open_dials=2) as board:
        with pytest.raises(NoRoom, match="0 of 2"):
            await take(board, wish(), wish(), wish())
        await take(board, wish(), wish())


async def test_pools_keep_to_their_callees(tmp_path: Path) -> None:
    pool = {"numbers": ["+4930111", "+4930222"], "sticky": True}
    callers = []
    async with switchboard(tmp_path, pools={"sales": pool}) as board:
        for callee in ("+49301", "+49302", "+49302", "+49301"):
            await take(board, wish(to=callee, pool="sales"))
            call_id, origination = await board.next_call()
            callers.append(origination.from_uri)
            board.end(call_id, "busy")
            await board.next_end()
    assert callers == ["+4930111", "+4930222", "+4930222", "+4930111"]


async def test_a_pool_whose_numbers_are_all_in_use_waits_for_one(tmp_path: Path) -> None:
    pool = {"numbers": ["+4930111"], "max_concurrent_per_number": 1}
    async with switchboard(tmp_path, pools={"sales": pool}) as board:
        await take(board, wish(pool="sales"), wish(pool="sales"))
        first, _ = await board.next_call()
        assert len(await board.desk.find(Filter(state="queued"), 10)) == 1
        board.end(first, "busy")
        await board.next_call()


async def test_who_may_not_be_called_any_more_is_not_called(tmp_path: Path) -> None:
    async with switchboard(tmp_path) as board:
        await board.desk.pause("autumn", True)
        await take(board, wish(campaign="autumn"))
        board.current.config = configured(tmp_path, allow=["+44"])
        await board.desk.pause("autumn", False)
        over = await board.next_end()
        assert (over.state, over.detail.partition(":")[0]) == (State.FAILED, "destination_not_allowed")
