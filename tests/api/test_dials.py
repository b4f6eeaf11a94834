"""Calls to be placed over HTTP: what is taken, what is refused, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.house import Face

ONE = {"to": "+49 30 123456", "agent": "seller", "trunk": "carrier"}
LATER = "2100-01-01T00:00:00Z"
MUCH_LATER = "2100-01-02T00:00:00Z"
WAITS = {**ONE, "not_before": LATER, "expires_at": MUCH_LATER}


@pytest.fixture(autouse=True)
async def _desk(face: Face) -> None:
    await face.board.desk.open()


async def dial(face: Face, token: str = "dialler", **fields: Any) -> httpx.Response:
    return await face.post("/v1/calls", ONE | fields, token=token)


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["reason_code"]


async def test_a_call_is_taken_placed_and_told_of(face: Face) -> None:
    answer = await dial(face, campaign="autumn")
    assert answer.status_code == 202
    dial_id = answer.json()["dial_id"]
    assert answer.json() == {"dial_id": dial_id, "state": "queued", "call_id": None}
    call_id, origination = await face.board.next_call()
    assert (origination.to, origination.dial_id) == ("+4930123456", dial_id)
    face.board.end(call_id, "busy", 486)
    await face.board.next_end()
    shown = (await face.get(f"/v1/dials/{dial_id}")).json()
    assert {
        key: shown[key] for key in ("state", "outcome", "call_id", "to", "campaign", "attempts_left")
    } == {
        "state": "failed",
        "outcome": "busy",
        "call_id": call_id,
        "to": "+4930123456",
        "campaign": "autumn",
        "attempts_left": 0,
    }
    (attempt,) = shown["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["sip_status"]) == (1, "busy", 486)
    assert attempt["ended_at"] >= attempt["began_at"] >= shown["created_at"]


async def test_the_same_request_under_one_key_calls_once(face: Face) -> None:
    key = {"idempotency-key": "k-1"}
    first, second = [await face.post("/v1/calls", ONE, token="dialler", headers=key) for _ in range(2)]
    assert first.json() == second.json()
    await face.board.next_call()
    assert len((await face.get("/v1/dials")).json()["dials"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"to": "+44123456"}, 403, "destination_not_allowed"),
        ({"to": "sip:a@elsewhere.example"}, 403, "host_not_allowed"),
        ({"from": "+4930111"}, 403, "caller_not_ours"),
        ({"to": "anna"}, 422, "destination_invalid"),
        ({"agent": "nobody"}, 422, "agent_unknown"),
        ({"trunk": "nowhere"}, 422, "trunk_unknown"),
        ({"pool": "none"}, 422, "pool_unknown"),
        ({"retry": "none"}, 422, "policy_unknown"),
        ({"headers": {"Route": "<sip:evil>"}}, 422, "invalid_request"),
        ({"colour": "red"}, 422, "invalid_request"),
        ({"retry": {"attempts": 1000}}, 422, "invalid_request"),
    ],
)
async def test_what_is_refused_names_its_rule(
    face: Face, fields: dict[str, Any], status: int, code: str
) -> None:
    assert refused(await dial(face, **fields)) == (status, code)
    assert face.board.calls.placed.empty()


async def test_only_who_may_originate_does(face: Face) -> None:
    assert refused(await dial(face, "writer")) == (403, "scope_missing")
    assert refused(await face.delete("/v1/dials/x", "writer")) == (403, "scope_missing")
    assert refused(await face.post("/v1/dials", {}, token="reader")) == (403, "scope_missing")
    assert (await dial(face, "operator")).status_code == 202


async def test_a_token_of_some_trunks_knows_no_others(face: Face) -> None:
    theirs = (await dial(face, "carrier-dialler", trunk=None)).json()["dial_id"]
    assert refused(await dial(face, "carrier-dialler", trunk="other")) == (422, "trunk_unknown")
    ours = (await dial(face, trunk="other")).json()["dial_id"]
    listed = (await face.get("/v1/dials", "carrier-dialler")).json()["dials"]
    assert [one["dial_id"] for one in listed] == [theirs]
    assert refused(await face.get(f"/v1/dials/{ours}", "carrier-dialler")) == (404, "dial_unknown")
    assert refused(await face.delete(f"/v1/dials/{ours}", "carrier-dialler")) == (404, "dial_unknown")


async def test_caps_answer_429_and_say_when_to_come_back(face: Face) -> None:
    for _ in range(3):
        assert (await dial(face)).status_code == 202
    answer = await dial(face)
    assert refused(answer) == (429, "key_concurrent_cap")
    assert int(answer.headers["retry-after"]) > 0
    batch = {**ONE, "dials": [{"to": "+49301"}] * 8}
    del batch["to"]
    assert refused(await face.post("/v1/dials", batch, token="dialler")) == (429, "key_daily_cap")


async def test_many_are_taken_but_for_those_who_may_not_be_called(face: Face) -> None:
    people = [
        {"to": "+49301", "variables": {"name": "Anna"}},
        {"to": "+44202"},
        {"to": "+49303"},
    ]
    terms = {"agent": "seller", "trunk": "carrier", "campaign": "autumn", "variables": {"shop": "A"}}
    answer = await face.post("/v1/dials", {**terms, "dials": people}, token="dialler")
    assert answer.status_code == 202
    assert len(answer.json()["dials"]) == 2
    (out,) = answer.json()["refused"]
    assert (out["index"], out["reason_code"]) == (1, "destination_not_allowed")
    calls = [(await face.board.next_call())[1] for _ in range(2)]
    assert [call.to for call in calls] == ["+49301", "+49303"]
    assert [call.variables for call in calls] == [{"shop": "A", "name": "Anna"}, {"shop": "A"}]


async def test_a_batch_of_which_nobody_may_be_called_is_refused(face: Face) -> None:
    batch = {"agent": "seller", "trunk": "carrier", "dials": [{"to": "+44202"}]}
    answer = await face.post("/v1/dials", batch, token="dialler")
    assert refused(answer) == (403, "destination_not_allowed")


async def test_a_batch_may_be_longer_than_other_bodies(face: Face) -> None:
    people = [{"to": f"+4930{number:06}", "variables": {"name": "x" * 80}} for number in range(1000)]
    batch = {"agent": "seller", "trunk": "carrier", "not_before": LATER, "expires_at": MUCH_LATER}
    answer = await face.post("/v1/dials", {**batch, "dials": people}, token="operator")
    assert (answer.status_code, len(answer.json()["dials"])) == (202, 1000)
    too_many = await face.post("/v1/dials", {**batch, "dials": [*people, *people[:1]]}, token="operator")
    assert refused(too_many) == (422, "invalid_request")


async def test_dials_are_listed_in_pages_and_filtered(face: Face) -> None:
    for number in range(3):
        await dial(face, "operator", **WAITS | {"to": f"+4930{number}", "tenant": f"t{number % 2}"})
    first = (await face.get("/v1/dials?limit=2")).json()
    assert [one["to"] for one in first["dials"]] == ["+49302", "+49301"]
    second = (await face.get(f"/v1/dials?limit=2&before={first['next']}")).json()
    assert ([one["to"] for one in second["dials"]], second["next"]) == (["+49300"], None)
    filtered = (await face.get("/v1/dials?tenant=t1&state=queued")).json()["dials"]
    assert [one["to"] for one in filtered] == ["+49301"]
    assert refused(await face.get("/v1/dials?state=lost")) == (422, "invalid_request")


async def test_a_dial_can_be_given_up_until_it_is_answered(face: Face) -> None:
    waiting = (await dial(face, **WAITS)).json()["dial_id"]
    answer = await face.delete(f"/v1/dials/{waiting}")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert refused(await face.delete(f"/v1/dials/{waiting}")) == (409, "dial_over")
    answered = (await dial(face)).json()["dial_id"]
    call_id, _ = await face.board.next_call()
    face.board.answer(call_id)
    assert refused(await face.delete(f"/v1/dials/{answered}")) == (409, "dial_answered")
    assert refused(await face.delete("/v1/dials/unknown")) == (404, "dial_unknown")


async def test_a_campaign_is_summed_up_paused_and_resumed(face: Face) -> None:
    assert refused(await face.get("/v1/campaigns/autumn")) == (404, "campaign_unknown")
    assert refused(await face.post("/v1/campaigns/x/pause", token="dialler")) == (404, "campaign_unknown")
    await dial(face, campaign="autumn")
    call_id, _ = await face.board.next_call()
    paused = (await face.post("/v1/campaigns/autumn/pause", token="dialler")).json()
    assert (paused["paused"], paused["dials"]) == (True, 1)
    await dial(face, campaign="autumn")
    face.board.end(call_id, "busy", 486)
    await face.board.next_end()
    shown = (await face.get("/v1/campaigns/autumn")).json()
    assert (shown["states"]["queued"], shown["states"]["failed"]) == (1, 1)
    assert shown["outcomes"] == {"busy": 1}
    resumed = (await face.post("/v1/campaigns/autumn/resume", token="dialler")).json()
    assert resumed["paused"] is False
    await face.board.next_call()


async def test_without_a_disk_there_are_no_dials(tmp_path: Path) -> None:
    (tmp_path / "none" / "dials.db").mkdir(parents=True)
    face = Face(tmp_path / "none")
    await face.board.desk.open()
    answers = [
        await dial(face),
        await face.get("/v1/dials"),
        await face.get("/v1/dials/x"),
        await face.get("/v1/campaigns/autumn"),
    ]
    assert [refused(answer) for answer in answers] == [(503, "dial_store_failed")] * len(answers)
    await face.close()
