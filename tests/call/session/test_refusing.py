"""A call that is not admitted: by which rule, and what its record says."""

from __future__ import annotations

import pytest

from sipagent.call.telling import tell_rejected
from sipagent.config import RoutesConfig
from sipagent.errors import ReasonCode
from sipagent.sip.messages import IncomingInvite, RejectedInvite
from tests.call.exchange import Exchange, Talk, kind, outcome
from tests.call.fake_sip import OFFER, STRANGER, FakeSip, invite
from tests.call.fake_workers import FakeWorkers


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (invite(source=STRANGER), "refuse 403 trunk_unknown"),
        (invite(to="200"), "refuse 404 number_unknown"),
        (invite(offer="v=0\r\nnonsense"), "refuse 488 no_common_codec"),
        (invite(offer=OFFER.replace(" 0 8", " 18")), "refuse 488 no_common_codec"),
    ],
    ids=["source", "number", "unreadable offer", "codec"],
)
async def test_a_call_that_a_rule_refuses(
    exchange: Exchange, workers: FakeWorkers, request_: IncomingInvite, refusal: str
) -> None:
    talk = Talk(exchange, workers, FakeSip(request_))
    record = await talk.over()
    assert talk.sip.done == [refusal]
    assert f"refuse {record['sip_status']} {record['reason_code']}" == refusal
    assert outcome(record)[:2] == ("rejected", "refused")
    assert list(map(kind, exchange.seen)) == ["CallReceived", "CallRouted", "CallRefused", "CallEnded"]
    assert record["route_trail"][-1]["passed"] is False


async def test_a_call_that_a_rule_redirects(exchange: Exchange, workers: FakeWorkers) -> None:
    redirect = {"to": ["sip:1@elsewhere.example", "tel:+1"], "status": 302}
    routes = RoutesConfig.model_validate({"rules": [{"name": "away", "redirect": redirect}]})
    exchange.house.current.config = exchange.config.model_copy(update={"routes": routes})
    talk = Talk(exchange, workers, FakeSip(invite()))
    record = await talk.over()
    assert talk.sip.done == ["redirect 302 sip:1@elsewhere.example tel:+1"]
    assert outcome(record) == ("redirected", "redirected", 302, None)
    assert record["redirected_to"] == ["sip:1@elsewhere.example", "tel:+1"]
    assert list(map(kind, exchange.seen)) == ["CallReceived", "CallRouted", "CallRedirected", "CallEnded"]


async def test_a_call_over_the_limit_is_told_when_to_come_back(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    load = exchange.house.load
    with load.permit("pbx", 0.0), load.permit("pbx", 0.0):
        talk = Talk(exchange, workers, FakeSip(invite()))
        await talk.finished()
    record = await talk.over()
    assert outcome(record) == ("rejected", "refused", 503, "server_call_limit")
    assert talk.sip.done[0].startswith("refuse 503 server_call_limit ")


async def test_an_invite_that_the_stack_refused_has_its_record(exchange: Exchange) -> None:
    rejected = RejectedInvite(invite(), 488, ReasonCode.NO_COMMON_CODEC)
    await tell_rejected("c-1", rejected, exchange.house)
    record = exchange.only_record()
    assert outcome(record) == ("rejected", "refused", 488, "no_common_codec")
    assert (record["trunk"], record["to"]) == ("pbx", "100")
