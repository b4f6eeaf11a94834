"""Who hears which events."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent import events
from sipagent.api import listening
from sipagent.api.listening import Hub
from sipagent.config import RedactionConfig
from tests.call import stories

ORIGINATED = events.CallOriginated(
    call_id="a", at=1.0, trunk="pbx", from_number="1000", to_number="+49301", to_uri="sip:+49301@192.0.2.1"
)


def everything(call_id: str, trunk: str | None) -> bool:
    return True


async def heard(ear: listening.Ear, count: int) -> list[dict[str, Any]]:
    return [await ear.next() for _ in range(count)]


async def test_events_are_told_as_they_come() -> None:
    hub = Hub(RedactionConfig())
    with hub.listening(everything) as ear:
        hub.publish(stories.received())
        hub.publish(stories.answered())
        first, second = await heard(ear, 2)
    assert (first["type"], first["call_id"], first["data"]["from_number"]) == (
        "call.received",
        "c-1",
        "+15559999",
    )
    assert (second["type"], second["data"]["codec"]) == ("call.answered", "PCMU")
    assert second["timestamp"].endswith("Z")


@pytest.mark.parametrize("begun", [stories.received("a"), ORIGINATED])
async def test_each_hears_what_it_may(begun: events.CallBegun) -> None:
    hub = Hub(RedactionConfig())
    hub.publish(begun)
    with (
        hub.listening(lambda call_id, trunk: trunk == "pbx") as pbx,
        hub.listening(lambda call_id, trunk: trunk == "carrier") as carrier,
        hub.listening(lambda call_id, trunk: call_id == "a") as one,
    ):
        for call_id in ("a", "b"):
            hub.publish(events.CallResumed(call_id=call_id, at=1.0))
        hub.publish(events.CallEnded(call_id="a", at=2.0, end_reason="x", sip_status=200))
        assert [message["call_id"] for message in await heard(pbx, 2)] == ["a", "a"]
        assert [message["type"] for message in await heard(one, 2)] == ["call.resumed", "call.ended"]
        assert carrier._waiting.empty()
    assert hub._trunks == {}


async def test_a_slow_listener_loses_what_it_can_t_take_and_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "MOST_WAITING", 3)
    hub = Hub(RedactionConfig())
    with hub.listening(everything) as slow, hub.listening(everything) as quick:
        for _ in range(5):
            hub.publish(events.CallResumed(call_id="c-1", at=1.0))
            await quick.next()
        told = await heard(slow, 4)
        assert [message["type"] for message in told] == ["call.resumed"] * 3 + ["lost"]
        assert told[-1]["messages"] == 2


async def test_policy_holds_for_listeners_too() -> None:
    hub = Hub(RedactionConfig(transcripts="drop", digits="mask"))
    with hub.listening(everything) as ear:
        hub.publish(stories.said("caller", "i-1", "Hello"))
        hub.publish(events.DigitReceived(call_id="c-1", at=1.0, digit="7", duration_ms=100))
        (message,) = await heard(ear, 1)
    assert (message["type"], message["data"]["digit"]) == ("digit.received", "***")
