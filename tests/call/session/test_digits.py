"""Digits: how they go out and come in, and whose record shows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipagent import events
from sipagent.call import keying
from sipagent.call.directors.director import PressKeys
from sipagent.sip.messages import InfoDigit
from tests.call.exchange import Exchange, Talk
from tests.call.fake_sip import FakeSip, invite
from tests.call.fake_workers import FakeWorkers


async def test_digits_by_info_reach_the_leg_which_tells_of_those_that_count(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.talking()
    talk.sip.send(InfoDigit("5", 160))
    await talk.settled()
    workers.report(events.DigitReceived(call_id="c-1", at=1.0, digit="5", duration_ms=160, method="info"))
    talk.sip.bye()
    (digit,) = (await talk.over())["digits"]
    assert (digit["digit"], digit["method"], workers.pressed) == ("5", "info", [("5", 160)])


async def test_digits_go_out_as_telephone_events_where_they_were_negotiated(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.talking()
    talk.session.do(PressKeys(digits="12#"))
    talk.sip.bye()
    (sent,) = (await talk.over())["digits_sent"]
    assert (sent["digits"], sent["method"], workers.dialled) == ("12#", "rfc4733", [("12#", False)])


async def test_digits_go_out_by_info_to_a_peer_without_telephone_events(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keying, "INFO_PRESS_MS", 1)
    monkeypatch.setattr(keying, "INFO_PAUSE_MS", 0)
    talk.sip.dtmf_payload_type = None
    await talk.talking()
    talk.session.do(PressKeys(digits="9d"))
    await talk.sip.until("info D 1")
    talk.sip.bye()
    (sent,) = (await talk.over())["digits_sent"]
    assert sent["method"] == "info"
    assert [deed for deed in talk.sip.done if deed.startswith("info")] == ["info 9 1", "info D 1"]


async def test_digits_go_out_as_tones_to_a_peer_without_info(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    sip = FakeSip(replace(invite(), headers=(("Allow", "INVITE, ACK, BYE, CANCEL"), ("Allow", "OPTIONS"))))
    sip.dtmf_payload_type = None
    talk = Talk(exchange, workers, sip)
    await talk.talking()
    talk.session.do(PressKeys(digits="1"))
    sip.bye()
    (sent,) = (await talk.over())["digits_sent"]
    assert (sent["method"], workers.dialled) == ("inband", [("1", True)])


@pytest.mark.parametrize("digits", ["12x", "1 2", "flash"])
async def test_what_is_no_digit_is_not_sent(talk: Talk, workers: FakeWorkers, digits: str) -> None:
    await talk.talking()
    with pytest.raises(ValueError, match="not DTMF digits"):
        talk.session.do(PressKeys(digits=digits))
    talk.sip.bye()
    assert (await talk.over())["digits_sent"] == []
    assert workers.dialled == []


async def test_before_the_answer_there_is_nobody_to_send_digits_to(talk: Talk, workers: FakeWorkers) -> None:
    await talk.preparing()
    with pytest.raises(ValueError, match="nobody"):
        talk.session.do(PressKeys(digits="1"))
    talk.sip.cancel()
    await talk.over()


async def test_digits_that_are_not_to_be_kept_are_masked_in_the_record(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    talk = Talk(exchange, workers, FakeSip(invite(to="secret")))
    await talk.talking()
    assert workers.order is not None
    assert not workers.order.record_digits
    talk.session.do(PressKeys(digits="1234"))
    talk.sip.bye()
    (sent,) = (await talk.over())["digits_sent"]
    assert sent["digits"] == "***"


async def test_digits_that_came_are_masked_for_all_but_the_directors(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    talk = Talk(exchange, workers, FakeSip(invite(to="secret")))
    await talk.talking()
    workers.report(events.DigitReceived(call_id="c-1", at=1.0, digit="7", kept=False, duration_ms=100))
    pin = events.ToolCalled(call_id="c-1", at=1.0, tool_call_id="t", name="pin", arguments='{"pin": "1234"}')
    workers.report(pin)
    talk.sip.bye()
    record = await talk.over()
    assert [press["digit"] for press in record["digits"]] == ["***"]
    assert record["tools"][0]["arguments"] == '{"pin": "***"}'
    assert [event.digit for event in exchange.seen if isinstance(event, events.DigitReceived)] == ["***"]
