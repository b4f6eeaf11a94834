"""Recordings and transcripts: who gets them, by token or by link."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sipagent.api.links import is_good, sign
from tests.api.house import Face

KEY = b"k" * 32
PATH = "/v1/recordings/c-1"


@pytest.fixture
def recorded(face: Face, tmp_path: Path) -> Face:
    for kind, name, content in (("recordings", "c-1.wav", b"RIFF"), ("transcripts", "c-1.jsonl", b"{}\n")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / name).write_bytes(content)
    face.add(
        "c-1",
        live=False,
        recording=str(tmp_path / "recordings/c-1.wav"),
        transcript=str(tmp_path / "transcripts/c-1.jsonl"),
    )
    return face


async def test_a_token_with_the_scope_gets_files(recorded: Face) -> None:
    recording = await recorded.get(PATH, "archivist")
    assert (recording.content, recording.headers["content-type"]) == (b"RIFF", "audio/wav")
    assert (await recorded.get("/v1/transcripts/c-1", "archivist")).content == b"{}\n"
    assert (await recorded.get(PATH, "reader")).status_code == 403
    assert (await recorded.get(PATH, None)).status_code == 401


async def test_a_link_needs_no_token(recorded: Face) -> None:
    made = await recorded.post(f"{PATH}/link", {"expires_in_s": 60}, token="archivist")
    assert made.json()["expires_at"] == pytest.approx(time.time() + 60, abs=5)
    assert (await recorded.get(made.json()["url"], None)).content == b"RIFF"


async def test_only_who_may_read_may_make_links(recorded: Face) -> None:
    assert (await recorded.post(f"{PATH}/link", token="reader")).status_code == 403
    assert (await recorded.post("/v1/recordings/c-9/link", token="archivist")).status_code == 404
    assert (await recorded.post("/v1/secrets/c-1/link", token="archivist")).status_code == 422


async def test_a_link_is_for_one_file(recorded: Face) -> None:
    recorded.add("c-2", live=False, recording=recorded.control.past["c-1"]["recording"])
    query = (await recorded.post(f"{PATH}/link", token="archivist")).json()["url"].partition("?")[2]
    for path in ("/v1/recordings/c-2", "/v1/transcripts/c-1"):
        answer = await recorded.get(f"{path}?{query}", None)
        assert (answer.status_code, answer.json()["reason_code"]) == (403, "link_invalid")


@pytest.mark.parametrize(
    "query", ["expires=9999999999", "signature=00", "expires=x&signature=00", "expires=&signature="]
)
async def test_half_a_link_is_none(recorded: Face, query: str) -> None:
    assert (await recorded.get(f"{PATH}?{query}", None)).status_code == 403


def test_links_expire_and_can_t_be_forged() -> None:
    now = 1_000_000.0
    fields = dict(part.split("=") for part in sign(KEY, PATH, 1_000_060).split("&"))
    expires, signature = fields["expires"], fields["signature"]
    assert is_good(KEY, PATH, expires, signature, now)
    assert not is_good(KEY, PATH, expires, signature, now + 60)
    assert not is_good(KEY, PATH, "1000061", signature, now)
    assert not is_good(KEY, PATH + "2", expires, signature, now)
    assert not is_good(b"other", PATH, expires, signature, now)
    assert not is_good(KEY, PATH, expires, signature[:-1] + "é", now)
    assert not is_good(KEY, PATH, "9" * 13, signature, now)


async def test_a_record_that_points_elsewhere_opens_nothing(recorded: Face, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "recordings" / "link.wav").symlink_to(tmp_path / "secret")
    for number, path in enumerate(
        ("secret", "recordings/../secret", "recordings/link.wav", "recordings", "recordings/none.wav")
    ):
        recorded.add(f"x-{number}", live=False, recording=str(tmp_path / path))
        answer = await recorded.get(f"/v1/recordings/x-{number}", "archivist")
        assert (answer.status_code, answer.json()["reason_code"]) == (404, "file_unknown")
    recorded.add("x-9", live=False, recording=None)
    assert (await recorded.get("/v1/recordings/x-9", "archivist")).status_code == 404


async def test_a_token_for_one_trunk_gets_its_recordings_alone(recorded: Face) -> None:
    assert (await recorded.get(PATH, "pbx-only")).status_code == 200
    recorded.control.past["c-1"]["trunk"] = "carrier"
    assert (await recorded.get(PATH, "pbx-only")).status_code == 404
