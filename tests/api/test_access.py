"""Who is let in, and who is told to go away."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipagent.api import failures
from sipagent.api.access import Access
from sipagent.api.failures import MOST_FAILURES, MOST_SOURCES, WINDOW_S, Failures
from sipagent.config import Config
from sipagent.errors import ConfigError
from tests.api.house import Face, secret

PATHS = (
    "/v1/calls",
    "/v1/calls/c-1",
    "/v1/trunks",
    "/v1/agents",
    "/v1/recordings/c-1",
    "/openapi.json",
    "/docs",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {secret('operator')}", secret("operator")],
)
async def test_nobody_gets_in_without_a_good_bearer_token(
    face: Face, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = await face.http.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["reason_code"] == "unauthorized"


async def test_a_token_that_only_begins_well_is_none(face: Face) -> None:
    for token in (secret("operator")[:-1], secret("operator") + "x", secret("operator").upper()):
        answer = await face.http.get("/v1/calls", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("reader", "/v1/calls", 200),
        ("reader", "/v1/trunks", 200),
        ("archivist", "/v1/calls", 403),
        ("writer", "/v1/trunks", 403),
        ("operator", "/v1/trunks", 200),
        ("listener", "/openapi.json", 200),
    ],
)
async def test_a_token_may_do_what_its_scopes_say(face: Face, token: str, path: str, status: int) -> None:
    assert (await face.get(path, token)).status_code == status


@pytest.mark.parametrize("path", ["/v1/calls/c-1/hangup", "/v1/calls/c-1/hold", "/v1/reload", "/v1/drain"])
async def test_reading_is_not_writing(face: Face, path: str) -> None:
    face.add("c-1")
    answer = await face.post(path, token="reader")
    assert (answer.status_code, answer.json()["reason_code"]) == (403, "scope_missing")
    assert face.control.done == []
    assert not face.control.draining


async def test_who_fails_too_often_has_to_wait_and_a_good_token_does_not(face: Face) -> None:
    asked = [await face.get("/v1/calls", None) for _ in range(MOST_FAILURES + 1)]
    assert [answer.status_code for answer in asked] == [401] * MOST_FAILURES + [429]
    assert 0 < int(asked[-1].headers["retry-after"]) <= WINDOW_S
    assert asked[-1].json()["reason_code"] == "too_many_failures"
    assert (await face.get("/v1/calls")).status_code == 200


def test_failures_are_forgotten_after_their_window() -> None:
    counted = Failures()
    for second in range(MOST_FAILURES):
        assert counted.wait_s("192.0.2.1", second) == 0
        counted.note("192.0.2.1", second)
    assert counted.wait_s("192.0.2.1", MOST_FAILURES) == WINDOW_S - MOST_FAILURES
    assert counted.wait_s("192.0.2.2", MOST_FAILURES) == 0
    assert counted.wait_s("192.0.2.1", WINDOW_S) == 0


def test_many_sources_are_not_remembered_for_ever() -> None:
    counted = Failures()
    for number in range(2 * MOST_SOURCES):
        counted.note(f"source {number}", number)
    assert len(counted._failures) == failures.MOST_SOURCES


def test_a_token_that_is_not_there_keeps_the_server_from_starting(tmp_path: Path) -> None:
    token = {"name": "x", "token": {"env": "NOT_SET_ANYWHERE"}, "scopes": ["admin"]}
    config = Config.model_validate({"api": {"tokens": [token]}})
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE"):
        Access(config.api.tokens)
