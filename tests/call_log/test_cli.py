"""`sipagent calls` on a database in the storage directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import Result

from sipagent.call_log.database import Database, database_url
from sipagent.call_log.search import moment
from sipagent.call_log.tail import Batch
from sipagent.config import load
from tests import command_line
from tests.call_log.spools import record, refuse_none

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
Sipagent = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    files = {
        "sipagent.yaml": "storage: {directory: state}\nretention: {records_days: 1000, recordings_days: 1}\n",
        "trunks/pbx.yaml": "allowed_addresses: [192.0.2.1]\nnumbers: {'*': echo}\n",
        "agents/echo.yaml": "backend: {kind: echo}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "state").mkdir()
    return tmp_path / "sipagent.yaml"


@pytest.fixture
def sipagent(config: Path) -> Sipagent:
    def run(*arguments: object) -> Result:
        return command_line.sipagent("calls", *arguments, "-c", config)

    return run


@pytest.fixture
def storage(config: Path) -> Path:
    """The storage of a server that has had four calls."""
    state = config.parent / "state"
    recording, ladder = state / "abc2.wav", state / "abc2.jsonl"
    recording.write_bytes(b"RIFF")
    ladder.write_text('{"at_s":0.0,"direction":"in","text":"INVITE sip:1@b SIP/2.0\\r\\n"}\ntorn')
    database = Database(database_url(load(config)))
    database.migrate()
    records = [
        record("abc1", received_at="2026-03-01T10:00:00.000Z"),
        record(
            "abc2",
            received_at="2026-03-01T11:00:00.000Z",
            agent="desk",
            recording=str(recording),
            ladder=str(ladder),
        ),
        record("def1", received_at="2026-03-02T10:00:00.000Z", trunk="other", call_status="rejected"),
        record(
            "xyz1",
            received_at="2026-03-02T11:00:00.000Z",
            to="+442079460999",
            cost={"total": 0.05, "currency": "USD"},
            direction="outbound",
            outcome="busy",
        ),
    ]
    database.store("s", Batch("calls-2026-03-01.jsonl", 1, records), refuse_none)
    return state


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line)["call_id"] for line in result.stdout.splitlines()]


def test_calls_are_listed_newest_first(sipagent: Sipagent, storage: Path) -> None:
    head, *rows = sipagent("list").stdout.splitlines()
    assert head.split() == ["received", "call", "trunk", "agent", "from", "to", "status", "end", "s", "cost"]
    assert [row.split()[2] for row in rows] == ["xyz1", "def1", "abc2", "abc1"]
    assert rows[0].split()[8] == "busy"
    assert rows[1].split()[8] == "caller_hung_up"
    assert rows[0].endswith("0.05 USD")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["xyz1", "def1", "abc2", "abc1"]),
        (["--limit", 2], ["xyz1", "def1"]),
        (["--since", "2026-03-02"], ["xyz1", "def1"]),
        (["--since", "2026-03-01T10:30", "--until", "2026-03-02T10:30:00+00:00"], ["def1", "abc2"]),
        (["--trunk", "other"], ["def1"]),
        (["--agent", "desk"], ["abc2"]),
        (["--status", "rejected"], ["def1"]),
        (["--to", "+4420*"], ["xyz1"]),
        (["--to", "+4420%"], []),
        (["--outcome", "busy"], ["xyz1"]),
        (["--direction", "outbound"], ["xyz1"]),
        (
            ["--from", "+15559999", "--direction", "inbound", "--end", "caller_hung_up", "--agent", "desk"],
            ["abc2"],
        ),
    ],
)
def test_calls_are_found_by_what_is_asked(
    sipagent: Sipagent, storage: Path, options: list[object], found: list[str]
) -> None:
    assert ids(sipagent("list", "--json", *options)) == found


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_times_are_told_as_dates_or_as_how_long_ago(text: str, at: datetime) -> None:
    assert moment(text, NOW) == at


def test_a_time_that_is_none_is_refused(sipagent: Sipagent, storage: Path) -> None:
    result = sipagent("list", "--since", "yesterday")
    assert result.exit_code == 2
    assert "yesterday is no date" in result.stderr


def test_the_beginning_of_an_id_is_enough(sipagent: Sipagent, storage: Path) -> None:
    assert "call xyz1: completed" in sipagent("show", "x").stdout
    assert json.loads(sipagent("show", "x", "--json").stdout)["call_id"] == "xyz1"


@pytest.mark.parametrize(
    ("prefix", "why"),
    [("abc", "'abc' may be any of these calls: abc1, abc2"), ("q", "no call's id begins with 'q'")],
)
def test_an_id_that_is_not_one_calls(sipagent: Sipagent, storage: Path, prefix: str, why: str) -> None:
    result = sipagent("show", prefix)
    assert (result.exit_code, result.stderr.strip()) == (1, why)


def test_a_bundle_holds_what_there_is_and_says_what_is_missing(
    sipagent: Sipagent, storage: Path, tmp_path: Path
) -> None:
    result = sipagent("export", "abc2", tmp_path / "call.zip")
    assert "without transcript: the call has none" in result.stdout
    with ZipFile(tmp_path / "call.zip") as bundle:
        assert set(bundle.namelist()) == {
            *("record.json", "timeline.txt", "rtp.json", "turns.json"),
            *("recording.wav", "ladder.jsonl", "ladder.txt", "missing.txt"),
        }
        assert json.loads(bundle.read("record.json"))["call_id"] == "abc2"
        assert b"INVITE" in bundle.read("ladder.txt")


def test_a_recording_that_is_gone_is_said_to_be(sipagent: Sipagent, storage: Path, tmp_path: Path) -> None:
    (storage / "abc2.wav").unlink()
    assert "is not on this machine" in sipagent("export", "abc2", tmp_path / "call.zip").stdout


def test_purging_says_what_it_does_and_with_dry_run_what_it_would(sipagent: Sipagent, storage: Path) -> None:
    old = storage / "recordings/2026-01-01/abc1.wav"
    old.parent.mkdir(parents=True)
    old.touch()
    assert "recordings: 1 would be deleted" in sipagent("purge", "--dry-run").stdout
    assert old.exists()
    assert "recordings: 1 deleted" in sipagent("purge").stdout
    assert not old.exists()


def test_a_database_that_no_server_has_used_says_so(sipagent: Sipagent) -> None:
    result = sipagent("list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no server has run with it yet" in result.stderr


def test_a_database_that_cannot_be_reached_says_so(sipagent: Sipagent, config: Path) -> None:
    config.write_text("call_log: {url: 'postgresql://nobody@127.0.0.1:1/calls'}\n")
    for command in (["list"], ["show", "x"], ["export", "x", "x.zip"], ["purge"]):
        result = sipagent(*command)
        assert result.exit_code == 1
        assert "the database of calls can't be reached: " in result.stderr


def test_a_configuration_that_is_wrong_says_so(sipagent: Sipagent, config: Path) -> None:
    config.write_text("call_log: {url: {env: NOT_SET_ANYWHERE}}\n")
    result = sipagent("list")
    assert result.exit_code == 78
    assert "NOT_SET_ANYWHERE is not set" in result.stderr
