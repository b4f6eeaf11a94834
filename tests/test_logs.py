"""Logs carry the call they belong to, and neither secrets nor whole phone numbers."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sipagent import logs
from sipagent.config import LoggingConfig
from sipagent.errors import EndReason
from tests.logging_kept import logging_kept

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _logging_kept() -> Iterator[None]:
    with logging_kept():
        yield


@pytest.fixture
def lines() -> Lines:
    """JSON logging into memory; gives the lines logged so far."""
    return configured(LoggingConfig())


def configured(config: LoggingConfig) -> Lines:
    stream = io.StringIO()
    logs.configure(config, stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_module_and_values(lines: Lines) -> None:
    logs.get_logger("sipagent.server").info("listening", port=5060)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "listening", "level": "info", "logger": "sipagent.server", "port": 5060}


def test_lines_inside_a_call_carry_its_id(lines: Lines) -> None:
    log = logs.get_logger("test")
    with logs.call("c-1"):
        log.info("inside")
    log.info("outside")
    assert [line.get("call_id") for line in lines()] == ["c-1", None]


async def test_tasks_of_two_calls_keep_them_apart(lines: Lines) -> None:
    both_began = asyncio.Barrier(2)

    async def converse(call_id: str) -> None:
        with logs.call(call_id):
            await both_began.wait()
            logs.get_logger("test").info("turn")

    await asyncio.gather(converse("c-1"), converse("c-2"))
    assert {line["call_id"] for line in lines()} == {"c-1", "c-2"}


def test_libraries_that_use_logging_come_out_in_the_same_form(lines: Lines) -> None:
    with logs.call("c-1"):
        logging.getLogger("uvicorn.error").warning("lost %s, key sk-%s", "peer", "a" * 20)
    (line,) = lines()
    assert line["event"] == "lost peer, key sk-[redacted]"
    assert (line["level"], line["logger"], line["call_id"]) == ("warning", "uvicorn.error", "c-1")


def test_the_level_holds_for_our_lines_and_those_of_libraries() -> None:
    lines = configured(LoggingConfig(level="warning"))
    logs.get_logger("test").info("quiet")
    logging.getLogger("lib").info("quiet")
    logs.get_logger("test").warning("loud")
    assert [line["event"] for line in lines()] == ["loud"]


def test_the_console_form_is_for_reading() -> None:
    stream = io.StringIO()
    logs.configure(LoggingConfig(format="console"), stream)
    logs.get_logger("test").info("listening", port=5060)
    assert "listening" in stream.getvalue()
    assert "port=5060" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


# --- secrets ----------------------------------------------------------------------------------------

DIGEST = 'Digest username="bob", realm="x", nonce="n", uri="sip:x", response="0a1b2c3d4e5f"'


@pytest.mark.parametrize(
    "text",
    [
        f"REGISTER sip:x SIP/2.0\r\nAuthorization: {DIGEST}\r\nCSeq: 2 REGISTER",
        f"INVITE sip:x SIP/2.0\nProxy-Authorization: {DIGEST}\nCSeq: 2 INVITE",
        "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:0a1b2c3d4e5f\r\na=sendrecv",
        "headers {'Authorization': 'Bearer 0a1b2c3d4e5f'} sent",
        "connecting with bearer 0a1b2c3d4e5f",
        "GET /v1/realtime?model=x&api_key=0a1b2c3d4e5f&y=1",
        "header api-key: 0a1b2c3d4e5f",
        "key sk-proj-0a1b2c3d4e5f is wrong",
        "client secret ek_0a1b2c3d4e5f",
    ],
)
def test_secrets_are_taken_out_of_texts(lines: Lines, text: str) -> None:
    logs.get_logger("test").info("message", text=text)
    (line,) = lines()
    assert "0a1b2c3d4e5f" not in json.dumps(line)
    assert logs.REDACTED in line["text"]


def test_the_rest_of_a_sip_message_stays(lines: Lines) -> None:
    text = f"REGISTER sip:x SIP/2.0\r\nAuthorization: {DIGEST}\r\nCSeq: 2 REGISTER"
    logs.get_logger("test").info("message", text=text)
    expected = f"REGISTER sip:x SIP/2.0\r\nAuthorization: {logs.REDACTED}\r\nCSeq: 2 REGISTER"
    assert lines()[0]["text"] == expected


@pytest.mark.parametrize("key", ["authorization", "api_key", "X-Api-Key", "auth_password", "token", "secret"])
def test_secrets_are_taken_out_by_their_key_however_deep(lines: Lines, key: str) -> None:
    logs.get_logger("test").info("x", **{key: "hunter2"})
    logs.get_logger("test").info("x", headers={key: "hunter2", "nested": [{"to": "Bearer hunter2"}]})
    assert "hunter2" not in json.dumps(lines())


def test_counts_of_tokens_are_no_secret(lines: Lines) -> None:
    logs.get_logger("test").info("usage", input_tokens=120, token=7)
    assert lines()[0]["token"] == 7


def test_secrets_are_taken_out_of_what_python_shows_of_an_object(lines: Lines) -> None:
    logs.get_logger("test").info("x", path=Path("/a"), error=ValueError("bearer hunter2"))
    (line,) = lines()
    assert line["path"] == repr(Path("/a"))
    assert line["error"] == f"ValueError('bearer {logs.REDACTED}')"


def test_texts_and_numbers_of_classes_of_their_own_are_what_they_are(lines: Lines) -> None:
    logs.get_logger("test").info("x", reason=EndReason.REFUSED, share=np.float64(0.5), text="a\udc80")
    (line,) = lines()
    assert (line["reason"], line["share"], line["text"]) == ("refused", 0.5, "a\udc80")


def test_secrets_are_taken_out_of_tracebacks(lines: Lines) -> None:
    try:
        raise ValueError("server said: Authorization: Bearer hunter2")
    except ValueError:
        logs.get_logger("test").exception("backend failed")
    assert "ValueError" in lines()[0]["exception"]
    assert "hunter2" not in json.dumps(lines())


# --- phone numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+442071234567", "+44***67"),
        ("442071234567", "44***67"),
        ("sip:+442071234567@192.0.2.1:5060", "sip:+44***67@192.0.2.1:5060"),
        ("pbx/+15550100 -> echo", "pbx/+15***00 -> echo"),
        ("tel:+15550100;ext=12", "tel:+15***00;ext=12"),
    ],
)
def test_phone_numbers_are_masked_wherever_they_stand(lines: Lines, text: str, masked: str) -> None:
    logs.get_logger("test").info(text, to_number=text, nested={"list": [text]})
    (line,) = lines()
    assert (line["event"], line["to_number"], line["nested"]["list"]) == (masked, masked, [masked])


@pytest.mark.parametrize(
    "text",
    [
        "101",
        "192.168.100.200:5060",
        "2026-11-20T10:00:00.1234567Z",
        "c0ffee12345678",
        "12345678-aaaa",
        "5060",
    ],
)
def test_what_is_no_phone_number_stays(lines: Lines, text: str) -> None:
    logs.get_logger("test").info("x", value=text, call_id="1234567890", ssrc=1234567890)
    (line,) = lines()
    assert (line["value"], line["call_id"], line["ssrc"]) == (text, "1234567890", 1234567890)


def test_full_numbers_are_logged_when_asked_for() -> None:
    lines = configured(LoggingConfig(full_numbers=True))
    logs.get_logger("test").info("x", to_number="+442071234567", password="hunter2")
    assert lines()[0]["to_number"] == "+442071234567"
    assert lines()[0]["password"] == logs.REDACTED


def test_a_file_that_was_renamed_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "sipagent.log"
    logs.configure(LoggingConfig(file=file))
    log = logs.get_logger("test")
    log.info("before")
    file.rename(tmp_path / "sipagent.log.1")
    log.info("after")
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["after"]


def test_a_file_that_cant_be_opened_again_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    logs.configure(LoggingConfig(file=directory / "sipagent.log"))
    log = logs.get_logger("test")
    directory.rename(tmp_path / "elsewhere")
    log.info("lost")
    assert "FileNotFoundError" in capsys.readouterr().err
    (tmp_path / "elsewhere").rename(directory)
    log.info("back")
    assert "back" in (directory / "sipagent.log").read_text()
