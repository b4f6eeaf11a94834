"""The desk over a real store, with calls that do what a test says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

from sipagent.call.origination import Origination, Refused
from sipagent.errors import ReasonCode
from sipagent.outbound import dialler
from sipagent.outbound.dial import Dial, IllegalMove, PickedUp, Placed, State, Wish, after
from sipagent.outbound.dispatch import NoRoom
from sipagent.outbound.store import Filter, Store
from tests.outbound import dials
from tests.outbound.dials import TO, retry
from tests.outbound.switchboard import Switchboard, configured

NEVER = 4e9
SOON = retry(0.01, 0.01)


def wish(**fields: Any) -> Wish:
    return dials.wish(**{"expires_at": NEVER, **fields})


@contextlib.asynccontextmanager
async def switchboard(directory: Path, **outbound: Any) -> AsyncIterator[Switchboard]:
    board = Switchboard(configured(directory, **outbound))
    await board.desk.open()
    yield board
    await board.desk.stop()


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Switchboard]:
    async with switchboard(tmp_path) as made:
        yield made


async def take(board: Switchboard, *wishes: Wish, at_once: bool = True) -> list[Dial]:
    return await board.desk.take(wishes or [wish()], "crm", at_once=at_once)


async def test_a_dial_becomes_a_call(board: Switchboard) -> None:
    wanted = wish(caller="+4930111", variables={"name": "Anna"}, headers=(("X-A", "b"),), ring_timeout_s=20)
    (dial,) = await take(board, wanted)
    assert dial.state is State.QUEUED
    call_id, origination = await board.next_call()
    assert origination == Origination(
        to=TO,
        to_uri=f"sip:{TO}@192.0.2.1",
        trunk="carrier",
        agent="seller",
        from_uri="+4930111",
        ring_timeout_s=20,
        headers=(("X-A", "b"),),
        variables={"name": "Anna"},
        dial_id=dial.dial_id,
        attempt=1,
        tenant="default",
    )
    board.answer(call_id)
    board.end(call_id, "answered")
    over = await board.next_end()
    assert (over.state, over.outcome, over.last.call_id) == (State.COMPLETED, "answered", call_id)
    assert await board.desk.get(dial.dial_id) == over


async def test_who_is_busy_is_tried_again_until_somebody_answers(board: Switchboard) -> None:
    await take(board, wish(retry=SOON))
    for attempt, outcome in enumerate(("busy", "no_answer", "answered"), start=1):
        call_id, origination = await board.next_call()
        assert origination.attempt == attempt
        if outcome == "answered":
            board.answer(call_id)
        board.end(call_id, outcome, q850=17)
    over = await board.next_end()
    assert over.state is State.COMPLETED
    assert [attempt.outcome for attempt in over.attempts] == ["busy", "no_answer", "answered"]
    assert over.attempts[0].q850_cause == 17


@pytest.mark.parametrize(("kind", "outcome"), [("machine", "machine"), ("human", "answered")])
async def test_a_machine_that_answers_is_called_again(
    board: Switchboard, kind: Literal["human", "machine"], outcome: str
) -> None:
    (dial,) = await take(board, wish(detects_machine=True, retry=retry(0.01, retry_on=("machine",))))
    call_id, origination = await board.next_call()
    assert origination.detects_machine
    board.answer(call_id)
    board.recognise(call_id, kind)
    board.end(call_id, "answered")
    if kind == "machine":
        assert (await board.next_call())[1].attempt == 2
    now = await board.desk.get(dial.dial_id)
    assert now is not None
    assert (now.attempts[0].outcome, now.attempts[0].answerer) == (outcome, kind)


async def test_when_no_attempt_is_left_it_has_failed(board: Switchboard) -> None:
    await take(board, wish(retry=retry(0.01)))
    for _ in range(2):
        board.end((await board.next_call())[0], "busy", 486)
    over = await board.next_end()
    assert (over.state, over.outcome, len(over.attempts)) == (State.FAILED, "busy", 2)


async def test_an_attempt_is_on_disk_before_its_call_is_placed(
    board: Switchboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Dial]] = []
    originate = board.calls.originate

    def look(origination: Origination) -> str:
        other = Store(tmp_path / "dials.db")
        seen.append(other.unfinished())
        other.close()
        return originate(origination)

    monkeypatch.setattr(board.calls, "originate", look)
    await take(board)
    await board.next_call()
    ((dial,),) = seen
    assert (dial.state, len(dial.attempts)) == (State.DIALLING, 1)


async def test_a_call_without_room_is_placed_when_there_is(board: Switchboard) -> None:
    board.calls.refusals = [Refused(ReasonCode.TRUNK_CALL_LIMIT, "full", 5)]
    await take(board)
    call_id, origination = await board.next_call()
    assert origination.attempt == 1
    board.end(call_id, "busy")
    assert len((await board.next_end()).attempts) == 1


async def test_a_call_that_can_never_be_is_not_tried_for_ever(board: Switchboard) -> None:
    board.calls.refusals = [Refused(ReasonCode.AGENT_UNKNOWN, "gone")]
    await take(board)
    over = await board.next_end()
    assert (over.state, over.last.detail) == (State.FAILED, "agent_unknown: gone")


async def test_a_defect_costs_its_own_dial_and_no_other(board: Switchboard) -> None:
    board.calls.refusals = [RuntimeError("a defect")]
    (doomed, _) = await take(board, wish(), wish(to="+4930222"))
    over = await board.next_end()
    assert (over.dial_id, over.state, over.outcome) == (doomed.dial_id, State.FAILED, "failed")
    assert over.last.detail == "internal_error"
    assert (await board.next_call())[1].to == "+4930222"
    assert defects(board) == 1


async def test_a_defect_of_the_desk_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialler, "LONGEST_SLEEP_S", 0.01)
    told: list[Dial] = []

    def tell(dial: Dial) -> None:
        told.append(dial)
        if len(told) == 1:
            raise RuntimeError("a defect")

    board = Switchboard(configured(tmp_path), tell)
    await board.desk.open()
    for _ in range(2):
        await take(board)
        call_id, _ = await board.next_call()
        board.end(call_id, "busy")
    await board.desk.stop()
    assert [dial.outcome for dial in told] == ["busy", "busy"]
    assert defects(board) == 1


def defects(board: Switchboard) -> float | None:
    return board.metrics.registry.get_sample_value("sipagent_dial_defects_total")


async def test_a_budget_that_is_spent_is_waited_for(board: Switchboard) -> None:
    board.calls.refusals = [Refused(ReasonCode.BUDGET_EXCEEDED, "spent")]
    await take(board)
    assert (await board.next_call())[1].attempt == 1


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


async def test_a_dial_that_waits_can_be_cancelled(board: Switchboard) -> None:
    (dial,) = await take(board, wish(not_before=NEVER - 1))
    cancelled = await board.desk.cancel(dial.dial_id)
    assert cancelled is not None
    assert cancelled.state is State.CANCELLED
    assert await board.next_end() == cancelled
    with pytest.raises(IllegalMove, match="cancelled"):
        await board.desk.cancel(dial.dial_id)
    assert await board.desk.cancel("unknown") is None


async def test_a_call_that_rings_can_be_cancelled_but_not_one_that_was_answered(board: Switchboard) -> None:
    ringing, answered = await take(board, wish(retry=SOON), wish())
    calls = {call.dial_id: call_id for call_id, call in [await board.next_call(), await board.next_call()]}
    assert (await board.desk.cancel(ringing.dial_id)).state is State.CANCELLING  # type: ignore[union-attr]
    assert board.calls.hung_up == [calls[ringing.dial_id]]
    board.end(calls[ringing.dial_id], "cancelled", 487)
    assert (await board.next_end()).state is State.CANCELLED
    board.answer(calls[answered.dial_id])
    with pytest.raises(IllegalMove, match="talking"):
        await board.desk.cancel(answered.dial_id)


async def test_a_call_that_somebody_else_hung_up_is_not_tried_again(board: Switchboard) -> None:
    await take(board, wish(retry=SOON))
    board.end((await board.next_call())[0], "cancelled", 487)
    assert (await board.next_end()).state is State.CANCELLED


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


async def test_what_is_not_placed_in_time_expires(board: Switchboard) -> None:
    await take(board, wish(expires_at=1.0))
    assert (await board.next_end()).state is State.EXPIRED


async def test_dials_can_not_be_taken_where_they_can_not_be_kept(tmp_path: Path) -> None:
    (tmp_path / "dials.db").mkdir()
    async with switchboard(tmp_path) as board:
        with pytest.raises(NoRoom) as refused:
            await take(board)
        assert refused.value.rule == "dial_store_failed"


async def test_attempts_are_counted(board: Switchboard) -> None:
    await take(board)
    board.end((await board.next_call())[0], "busy", 486)
    await board.next_end()
    text = board.metrics.exposition().decode()
    assert 'sipagent_dial_attempts_total{outcome="busy",trunk="carrier"} 1.0' in text
    assert 'sipagent_dials{state="waiting"} 0.0' in text
