"""From arguments to a request, and from its answer to what the model is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sipagent.config.tools import HttpToolConfig
from sipagent.tools.arguments import BadArguments
from sipagent.tools.request import CallContext, Request, build, headers_of, passes, pause_s, understood

CALL = CallContext("c-1", "receptionist", "carrier", "inbound")


def schema(*required: str) -> dict[str, Any]:
    return {"type": "object", "properties": {}, "required": list(required)}


def request(arguments: dict[str, Any], *, headers: dict[str, str] | None = None, **config: Any) -> Request:
    tool = HttpToolConfig.model_validate({"url": "https://api.example/tables"} | config)
    return build(tool, "book", arguments, CALL, "call_7", headers or {})


def test_arguments_become_the_body_and_the_call_is_named_in_headers():
    built = request({"seats": 2}, headers={"Authorization": "Bearer x"})
    assert (built.method, built.url, built.params) == ("POST", "https://api.example/tables", {})
    assert json.loads(built.body) == {"seats": 2}
    assert built.headers["authorization"] == "Bearer x"
    assert built.headers["idempotency-key"] == "c-1.call_7"
    assert built.headers["sipagent-call-id"] == "c-1"
    assert "Bearer" not in repr(built)


def test_names_that_no_header_could_hold_are_quoted():
    call = CallContext("c-1", "Empfänger")
    tool = HttpToolConfig.model_validate({"url": "https://api.example/"})
    headers = build(tool, "book", {}, call, "ü\r\nx: y", {}).headers
    assert headers["sipagent-agent"] == "Empf%C3%A4nger"
    assert headers["idempotency-key"] == "c-1.%C3%BC%0D%0Ax%3A%20y"


def test_a_get_asks_in_its_query():
    built = request({"day": "1 May", "seats": 2, "open": True}, method="GET")
    assert (built.body, built.params) == (b"", {"day": "1 May", "seats": "2", "open": "true"})
    assert "content-type" not in built.headers


@pytest.mark.parametrize(
    ("value", "path"), [("a/b?c#d", "a%2Fb%3Fc%23d"), (7, "7"), ("ü", "%C3%BC"), ("..a", "..a")]
)
def test_a_value_in_the_url_is_one_segment(value, path):
    built = request({"id": value}, url="https://api.example/t/{id}/x", parameters=schema("id"))
    assert built.url == f"https://api.example/t/{path}/x"
    assert json.loads(built.body) == {}


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_would_change_the_path_is_refused(value):
    with pytest.raises(BadArguments):
        request({"id": value}, url="https://api.example/t/{id}", parameters=schema("id"))


def test_each_attempt_is_signed_for_its_second_under_one_id():
    built = request({"seats": 2})
    first, second = headers_of(built, "secret", 100), headers_of(built, "secret", 101)
    assert first["webhook-id"] == second["webhook-id"] == first["idempotency-key"]
    assert first["webhook-signature"] != second["webhook-signature"]
    assert "webhook-id" not in headers_of(built, None, 100)


@pytest.mark.parametrize(
    ("status", "again"), [(200, False), (404, False), (429, True), (500, True), (503, True)]
)
def test_what_may_pass(status, again):
    assert passes(status) is again


def test_pauses_double_and_are_shortened_by_chance():
    assert [pause_s(n, 0.0) for n in range(6)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert pause_s(0, 1.0) == 0.1
    assert pause_s(0, 0.0, "2") == 2.0
    assert pause_s(0, 0.0, "Wed, 21 Oct 2026 07:28:00 GMT") == 0.2


JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "kind", "body", "outcome", "words"),
    [
        (200, JSON, b'{"free": true}', "ok", '{"free": true}'),
        (204, "", b"", "ok", '{"status":"done"}'),
        (200, "text/plain; charset=latin-1", b"f\xfcr", "ok", "für"),
        (200, "text/plain; charset=nonsense", b"x", "ok", "x"),
        (200, "text/plain; charset=undefined", b"x", "ok", "x"),
        (200, "text/plain; charset=\0", b"x", "ok", "x"),
        (200, "image/png", b"\x89", "failed", "not text"),
        (404, JSON, b'{"why": "no such table"}', "rejected", "no such table"),
        (302, "", b"", "failed", "misconfigured"),
        (503, JSON, b"", "failed", "may work later"),
        (429, JSON, b"", "failed", "may work later"),
    ],
)
def test_what_an_answer_means(status, kind, body, outcome, words):
    understanding = understood(status, kind, body, is_cut=False)
    assert understanding.kind == outcome
    assert words in understanding.output


def test_an_answer_that_was_cut_says_so():
    assert understood(200, "text/plain", b"abc", is_cut=True).output == "abc [cut off after 3 bytes]"


def test_a_secret_is_that_of_the_standard_or_any_text():
    def signature(secret: str) -> str:
        return headers_of(request({"seats": 2}), secret, 100)["webhook-signature"]

    assert signature("whsec_c2VlZA==") == signature("seed") != signature("whsec_!")
