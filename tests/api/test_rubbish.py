"""Whatever is sent, the answer is one of those that the document names, and never a defect of ours."""

from __future__ import annotations

import itertools

import pytest

from tests.api.house import Face, secret

BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"1e999",
    b"NaN",
    b"\xff\xfe",
    b'{"text": null}',
    b'{"text": {"a": [1]}}',
    b'{"text": "\\ud800"}',
    b'{"text": "\\u0000"}',
    b'{"digits": "1\\n"}',
    b'{"digits": 5}',
    b'{"status_code": 99999999999999999999}',
    b'{"status_code": "486"}',
    b'{"target": "sip:x@y", "target_uri": "sip:z@y"}',
    b'{"expires_in_s": -1}',
    b'{"draining": "perhaps"}',
    b"[" * 10_000,
]
PATHS = [
    *(
        f"/v1/calls/c-1/{command}"
        for command in ("accept", "reject", "refer", "hangup", "dtmf", "hold", "say", "inject")
    ),
    *("/v1/recordings/c-1/link", "/v1/drain", "/v1/calls/%00/hangup", "/v1/calls/" + "%F0%9F%93%9E/hold"),
]


@pytest.mark.parametrize("path", PATHS)
async def test_rubbish_is_answered_and_told_what_it_is(face: Face, path: str) -> None:
    face.add("c-1")
    headers = {"authorization": f"Bearer {secret('operator')}"}
    for body, kind in itertools.product(BODIES, ("application/json", "text/plain", "")):
        answer = await face.http.post(path, content=body, headers=headers | {"content-type": kind})
        assert answer.status_code < 500, (body, kind, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code


@pytest.mark.parametrize("query", ["?trunk=%00", "?from=%FF", "?direction=", "?to=" + "9" * 5000, "?x[]=1"])
async def test_so_are_rubbish_queries(face: Face, query: str) -> None:
    assert (await face.get(f"/v1/calls{query}")).status_code in (200, 422)
