"""Dials that somebody calls off, waiting or ringing."""

from __future__ import annotations

import pytest

from sipagent.outbound.dial import IllegalMove, State
from tests.outbound.desk.rig import NEVER, SOON, take, wish
from tests.outbound.switchboard import Switchboard


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
    cancelled = await board.desk.cancel(ringing.dial_id)
    assert cancelled is not None
    assert cancelled.state is State.CANCELLING
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
