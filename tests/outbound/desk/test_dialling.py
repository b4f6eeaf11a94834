"""A dial from its wish to its outcome, over as many calls as it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from sipagent.call.origination import Origination, Refused
from sipagent.errors import ReasonCode
from sipagent.outbound import dialler
from sipagent.outbound.dial import Dial, State
from sipagent.outbound.dispatch import NoRoom
from sipagent.outbound.store import Store
from tests.outbound.desk.rig import SOON, switchboard, take, wish
from tests.outbound.dials import TO, retry
from tests.outbound.switchboard import Switchboard, configured


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
