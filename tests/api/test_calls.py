"""Calls over HTTP: what is shown of them, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.api.control import CantBeDone, Reloaded
from sipagent.call.directors.director import (
    Accept,
    Command,
    HangUp,
    Hold,
    PressKeys,
    Reject,
    Resume,
    Transfer,
)
from sipagent.errors import EndReason
from sipagent.worker.orders import Inject, Say
from tests.api.house import Face


async def test_calls_that_are_on_are_listed_and_filtered(face: Face) -> None:
    face.add("c-1", agent="receptionist", to="100", **{"from": "+15551"})
    face.add("c-2", trunk="carrier", agent="echo", to="200", **{"from": "+15552"})
    face.add("c-3", live=False)

    async def listed(query: str) -> list[str]:
        answer = await face.get(f"/v1/calls{query}")
        return [call["call_id"] for call in answer.json()["calls"]]

    assert await listed("") == ["c-1", "c-2"]
    assert await listed("?trunk=carrier") == ["c-2"]
    assert await listed("?agent=receptionist&to=100") == ["c-1"]
    assert await listed("?from=%2B15552") == ["c-2"]
    assert await listed("?agent=echo&trunk=pbx") == []
    assert (await face.get("/v1/calls?direction=sideways")).status_code == 422


async def test_a_call_is_shown_while_it_is_on_and_after(face: Face) -> None:
    face.add("c-1", turns=[{"role": "agent"}])
    face.add("c-2", live=False, end_reason="caller_hung_up")
    assert (await face.get("/v1/calls/c-1")).json()["turns"] == [{"role": "agent"}]
    assert (await face.get("/v1/calls/c-2")).json()["end_reason"] == "caller_hung_up"
    answer = await face.get("/v1/calls/c-4")
    assert (answer.status_code, answer.json()["reason_code"]) == (404, "call_unknown")


COMMANDS: list[tuple[str, dict[str, Any] | None, Command]] = [
    ("hangup", None, HangUp(reason=EndReason.API_HUNG_UP, detail="by writer")),
    ("hangup", {"detail": "enough"}, HangUp(reason=EndReason.API_HUNG_UP, detail="enough")),
    ("dtmf", {"digits": "12#d"}, PressKeys(digits="12#D")),
    ("hold", None, Hold()),
    ("resume", None, Resume()),
    ("say", {"text": "One moment."}, Say(call_id="c-1", text="One moment.")),
    ("inject", {"text": "VIP"}, Inject(call_id="c-1", text="VIP", respond=False)),
    ("inject", {"text": "VIP", "respond": True}, Inject(call_id="c-1", text="VIP", respond=True)),
    ("refer", {"target": "sales"}, Transfer(target="sales")),
    ("refer", {"target_uri": "tel:+15551", "how": "bridge"}, Transfer(target="tel:+15551", how="bridge")),
    ("accept", None, Accept()),
    ("accept", {"agent": "sales", "greeting": "Hi"}, Accept(agent="sales", greeting="Hi")),
    ("reject", None, Reject(sip_status=603)),
    ("reject", {"status_code": 486}, Reject(sip_status=486)),
]


@pytest.mark.parametrize(("name", "body", "command"), COMMANDS)
async def test_a_call_is_told_what_is_asked(
    face: Face, name: str, body: dict[str, Any] | None, command: Command
) -> None:
    face.add("c-1")
    answer = await face.post(f"/v1/calls/c-1/{name}", body)
    assert (answer.status_code, answer.json()) == (202, {"call_id": "c-1", "command": name})
    assert face.control.done == [("c-1", command)]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("dtmf", {"digits": "12x"}),
        ("dtmf", {"digits": ""}),
        ("dtmf", None),
        ("say", {"text": ""}),
        ("say", {"text": "x" * 8001}),
        ("say", {"text": "x", "loudly": True}),
        ("inject", {"text": 7}),
        ("refer", {"target": "x", "how": "by_magic"}),
        ("reject", {"status_code": 200}),
    ],
)
async def test_what_is_not_as_it_should_be_is_told(
    face: Face, name: str, body: dict[str, Any] | None
) -> None:
    face.add("c-1")
    answer = await face.post(f"/v1/calls/c-1/{name}", body)
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "invalid_request")
    assert face.control.done == []


async def test_what_a_call_can_t_do_now_is_a_conflict(face: Face) -> None:
    face.add("c-1")
    face.control.refuses = CantBeDone("call_not_answered", "the call is preparing")
    answer = await face.post("/v1/calls/c-1/say", {"text": "x"})
    assert (answer.status_code, answer.json()["reason_code"]) == (409, "call_not_answered")


@pytest.mark.parametrize("call_id", ["c-9", "..%2f..", "a%00b", "x" * 65])
async def test_a_call_that_is_not_on_can_t_be_told_anything(face: Face, call_id: str) -> None:
    face.add("c-2", live=False)
    for each in (call_id, "c-2"):
        assert (await face.post(f"/v1/calls/{each}/hangup")).status_code in (404, 422)
    assert face.control.done == []


async def test_a_token_for_one_trunk_sees_and_moves_its_calls_alone(face: Face) -> None:
    face.add("c-1", trunk="pbx")
    face.add("c-2", trunk="carrier")
    face.add("c-3", trunk="carrier", live=False)
    listed = (await face.get("/v1/calls", "pbx-only")).json()["calls"]
    assert [call["call_id"] for call in listed] == ["c-1"]
    for call_id in ("c-2", "c-3"):
        assert (await face.get(f"/v1/calls/{call_id}", "pbx-only")).status_code == 404
    assert (await face.post("/v1/calls/c-2/hangup", token="pbx-only")).status_code == 404
    assert (await face.post("/v1/calls/c-1/hangup", token="pbx-only")).status_code == 202
    assert [call_id for call_id, _ in face.control.done] == ["c-1"]


async def test_one_idempotency_key_is_one_command(face: Face) -> None:
    face.add("c-1")
    path, again = "/v1/calls/c-1/say", {"idempotency-key": "k-1"}
    answers = [await face.post(path, {"text": "Hello"}, headers=again) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true"]
    assert len({answer.text for answer in answers}) == 1
    assert len(face.control.done) == 1
    await face.post(path, {"text": "Hello"}, headers={"idempotency-key": "k-2"})
    await face.post(path, {"text": "Hello"}, token="operator", headers=again)
    await face.post(path, {"text": "Hello"})
    assert len(face.control.done) == 4


async def test_an_idempotency_key_goes_with_one_request(face: Face) -> None:
    face.add("c-1")
    key = {"idempotency-key": "k-1"}
    await face.post("/v1/calls/c-1/say", {"text": "Hello"}, headers=key)
    answer = await face.post("/v1/calls/c-1/say", {"text": "Goodbye"}, headers=key)
    assert (answer.status_code, answer.json()["reason_code"]) == (422, "idempotency_key_reused")


async def test_what_failed_may_be_tried_again_under_its_key(face: Face) -> None:
    face.add("c-1")
    key = {"idempotency-key": "k-1"}
    face.control.refuses = CantBeDone("call_not_answered", "not yet")
    assert (await face.post("/v1/calls/c-1/hold", headers=key)).status_code == 409
    face.control.refuses = None
    assert (await face.post("/v1/calls/c-1/hold", headers=key)).status_code == 202


async def test_trunks_and_agents_are_listed(face: Face) -> None:
    assert [each["name"] for each in (await face.get("/v1/trunks")).json()["trunks"]] == ["pbx", "carrier"]
    assert (await face.get("/v1/agents")).json()["agents"][0]["name"] == "receptionist"


async def test_the_operator_reloads_and_drains(face: Face) -> None:
    face.add("c-1")
    reloaded = await face.post("/v1/reload", token="operator")
    assert reloaded.json() == {"changes": {"agents": {"added": ["new"]}}}
    face.control.reloaded = Reloaded(("sipagent.yaml:3: sip: is wrong",), {})
    refused = await face.post("/v1/reload", token="operator")
    assert (refused.status_code, refused.json()["reason_code"]) == (422, "configuration_invalid")
    assert "sipagent.yaml:3" in refused.json()["detail"]
    assert (await face.post("/v1/drain", token="operator")).json() == {"draining": True, "calls": 1}
    assert face.control.draining
    await face.post("/v1/drain", {"draining": False}, token="operator")
    assert not face.control.draining
