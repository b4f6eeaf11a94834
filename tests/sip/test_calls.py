from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from sipagent.sip import calls
from sipagent.sip.call import GIVEN_UP, SipCall


async def test_a_call_that_was_looked_after_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()

    def look(call: SipCall) -> None:
        looked.set()

    monkeypatch.setattr(calls, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(SipCall, "look_after", look)
    held = calls.Calls()
    looking = asyncio.create_task(held.look_after())
    call = held.new(None)
    gone = weakref.ref(call)
    gc.disable()
    try:
        await looked.wait()
        call.fail(GIVEN_UP)
        held.release_ended()
        del call
        assert gone() is None
    finally:
        gc.enable()
        looking.cancel()
