"""The database of calls under a live server: fed, lost, found again, asked, and purged."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url

from sipagent.call_log.database import MIGRATIONS, Database, upgrade
from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import RealtimeOptions, Say, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.call_log.spools import add, record
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import call, phone
from tests.e2e.support.postgres import Postgres, postgres
from tests.e2e.support.server import SIPAGENT, Server, records, running
from tests.e2e.support.setup import Setup
from tests.e2e.support.waiting import eventually, eventually_equal

pytestmark = pytest.mark.e2e

SAID_MS = 1500
SAID = audio.signal(1, SAID_MS, ULAW)
#: The keeper tries again after 1, 2, 4 s, and so on.
BACK_WITHIN_S = 40
TODAY = datetime.now(UTC).strftime("%Y-%m-%d")
UP, LAG = "sipagent_call_log_database_up", "sipagent_call_log_lag_records"


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def empty(database: Postgres) -> Postgres:
    """PostgreSQL without a table, running whatever became of it before."""
    database.start()
    engine = create_engine(make_url(database.url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
    return database


async def sipagent(setup: Setup, *arguments: object) -> tuple[int, str, str]:
    """Run a command of `sipagent calls`: exit status, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *(SIPAGENT, "calls", *map(str, arguments), "-c", setup.config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def short_call(server: Server) -> None:
    async with call(server.setup) as caller:
        await caller.hang_up()
    await server.next_record()


def ids(setup: Setup) -> list[str]:
    return sorted(each["call_id"] for each in records(setup))


def stored(database: Postgres) -> list[str]:
    return [call_id for (call_id,) in database.rows("SELECT call_id FROM calls ORDER BY call_id")]


async def test_a_database_killed_under_calls_costs_no_call_and_loses_no_record(
    setup: SetupFactory, empty: Postgres
) -> None:
    prepared = setup(None, call_log={"url": empty.url})
    async with running(prepared) as server:
        await short_call(server)
        await eventually_equal(lambda: stored(empty), ids(prepared), "calls in the database")

        async with call(prepared, speech=SAID) as caller:
            empty.kill()
            await caller.hear_speech(SAID_MS)
            await caller.hang_up()
        assert caller.speech_heard() == SAID
        await server.next_record()
        for _ in range(2):
            await short_call(server)
        await server.wait_log("call_log_database_down")
        during = await server.metrics()
        assert during[UP] == 0
        assert during[LAG] >= 1
        code, _, errors = await sipagent(prepared, "list")
        assert code == 1
        assert "the database of calls can't be reached" in errors

        empty.start()
        await server.wait_log("call_log_database_up", within_s=BACK_WITHIN_S)
        await eventually_equal(lambda: stored(empty), ids(prepared), "all calls, each once")
        assert await server.wait_metric(UP) == 1
        assert (await server.metrics())[LAG] == 0
    (row,) = empty.rows("SELECT count(*), sum(duration_s) > 0, min(agent), min(record->>'codec') FROM calls")
    assert row == (4, True, "receptionist", "PCMU")


async def test_a_database_that_comes_after_the_server_gets_what_it_can_take(
    setup: SetupFactory, empty: Postgres, tmp_path: Path
) -> None:
    """One record of those that wait is more than a column can hold; and the URL is a secret in a file."""
    (tmp_path / "url").write_text(empty.url)
    (tmp_path / "url").chmod(0o600)
    prepared = setup(None, call_log={"url": {"file": str(tmp_path / "url")}})
    impossible = record("impossible", cost={"total": 1e30, "currency": "USD"})
    add(prepared.storage / "spool", record("before"), impossible, record("after"), day=TODAY)
    empty.kill()
    async with running(prepared, errors=["call_log_record_refused"]) as server:
        await short_call(server)
        await server.wait_log("call_log_database_down")
        empty.start()
        await server.wait_log("call_log_record_refused", call_id="impossible", within_s=BACK_WITHIN_S)
        others = [call_id for call_id in ids(prepared) if call_id != "impossible"]
        await eventually_equal(lambda: stored(empty), sorted(others), "all calls but one")
        code, listed, _ = await sipagent(prepared, "list", "--json", "--since", "1d")
        assert code == 0
        assert json.loads(listed)["call_id"] == server.calls()[-1]["call_id"]
        (kept,) = (prepared.storage / "spool/refused.jsonl").read_text().splitlines()
        assert json.loads(kept) == impossible
        server.skip_records()


def test_processes_that_start_together_migrate_postgresql_once(empty: Postgres) -> None:
    failures: list[Exception] = []

    def migrate() -> None:
        try:
            Database(make_url(empty.url)).migrate()
        except Exception as error:
            failures.append(error)

    together = [threading.Thread(target=migrate) for _ in range(4)]
    for each in together:
        each.start()
    for each in together:
        each.join()
    assert failures == []
    assert empty.rows("SELECT version_num FROM call_log_version") == [(newest(),)]


def newest() -> str:
    """The last revision that the package has."""
    settings = AlembicConfig()
    settings.set_main_option("script_location", MIGRATIONS)
    (head,) = ScriptDirectory.from_config(settings).get_heads()
    return head


def test_postgresql_migrates_from_the_revision_before(empty: Postgres) -> None:
    engine = create_engine(make_url(empty.url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        upgrade(connection, "0001")
        connection.exec_driver_sql(
            "INSERT INTO calls VALUES ('old', 'inbound', 'completed', 'pbx', 'echo', '1', '2', now(), now(),"
            " now(), 1.0, 200, NULL, 'caller_hung_up', 'PCMU', 's', '{}')"
        )
    engine.dispose()
    Database(make_url(empty.url)).migrate()
    assert empty.rows("SELECT call_id, cost FROM calls") == [("old", None)]


async def test_one_call_is_listed_shown_and_exported_with_all_it_left(
    setup: SetupFactory, tmp_path: Path
) -> None:
    options = RealtimeOptions(script=(Turn(reply=[Say(say="Good day.")]),), obedient=False)
    async with RealtimeServer(options) as model:
        prices = {
            "currency": "EUR",
            "models": {"gpt-realtime-2.1": {"audio_output_per_million": 64}},
            "trunks": {"carrier": {"inbound": {"setup": 0.5}}},
        }
        prepared = setup(model.url, agent={"greeting": "Hello"}, prices=prices)
        async with running(prepared) as server:
            async with call(prepared) as caller:
                await server.wait_log("agent_speech_ended")
                await caller.hang_up()
            told = await server.next_record()
            await server.wait_log("call_charged")
            database = prepared.storage / "calls.db"
            await eventually(lambda: count(database) == 1, "the call is in the database")
            cost = (await server.metrics())[
                'sipagent_cost_total{agent="receptionist",currency="EUR",trunk="carrier"}'
            ]

    spoken = told["usage"]["response"]["output_token_details"]["audio_tokens"]
    assert told["tokens"]["gpt-realtime-2.1"]["audio_output"] == spoken > 0
    assert told["cost"]["trunk"] == 0.5
    assert told["cost"]["model"] == pytest.approx(spoken * 64e-6)
    assert cost == pytest.approx(told["cost"]["total"])

    _, listed, _ = await sipagent(prepared, "list", "--trunk", "carrier")
    assert told["call_id"][:12] in listed
    _, shown, _ = await sipagent(prepared, "show", told["call_id"][:8])
    for part in ("INVITE", "answered   PCMU", "agent", "caller_hung_up (200)", "EUR", "RTP inbound"):
        assert part in shown
    code, said, errors = await sipagent(prepared, "export", told["call_id"], tmp_path / "call.zip")
    assert (code, "without" in said) == (0, False), said + errors
    with ZipFile(tmp_path / "call.zip") as bundle:
        assert bundle.read("recording.wav") == Path(told["recording"]).read_bytes()
        assert json.loads(bundle.read("transcript.jsonl").splitlines()[0])["role"] == "agent"
        ladder = bundle.read("ladder.txt").decode()
        for message in ("INVITE", "200 OK (INVITE)", "ACK", "BYE", "200 OK (BYE)"):
            assert f" {message} " in ladder.partition("\n\n")[0]


def count(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        return int(connection.execute("SELECT count(*) FROM calls").fetchone()[0])


async def test_what_policy_keeps_out_is_in_no_file(setup: SetupFactory) -> None:
    redact = {"caller_numbers": "mask", "transcripts": "drop", "digits": "mask"}
    async with RealtimeServer(RealtimeOptions(obedient=False)) as model:
        prepared = setup(model.url, agent={"greeting": "Hello"}, redact=redact)
        async with running(prepared) as server:
            async with call(prepared) as caller:
                await server.wait_log("agent_speech_ended")
                await caller.hang_up()
            told = await server.next_record()
            await eventually(lambda: count(prepared.storage / "calls.db") == 1, "the call is in the database")
    assert told["from"] == "+15***01"
    assert told["transcript"] is None
    for path in prepared.storage.rglob("*"):
        if path.is_file() and path.suffix != ".wav":
            assert b"15550001" not in path.read_bytes(), path
    assert not list(prepared.storage.glob("transcripts/**/*.jsonl"))


async def test_what_is_too_old_goes_when_the_server_starts(setup: SetupFactory) -> None:
    retention = {"recordings_days": 30, "transcripts_days": 30, "records_days": 30}
    prepared = setup(None, retention=retention)
    old = prepared.storage / "recordings/2020-01-01/a.wav"
    old.parent.mkdir(parents=True)
    old.touch()
    ancient = add(
        prepared.storage / "spool", record("ancient", received_at="2020-01-01T00:00:00Z"), day="2020-01-01"
    )
    async with running(prepared) as server:
        await server.wait_log("purged", recordings=1)
        await server.wait_log("purged", spool=1, records=1)
        assert not old.parent.exists()
        assert not ancient.exists()
        server.skip_records()


async def test_a_spent_budget_refuses_calls_and_a_new_start_remembers(setup: SetupFactory) -> None:
    prepared = setup(
        None,
        prices={"trunks": {"carrier": {"inbound": {"setup": 1}}}},
        agent={"budget": {"per_day": 1.5}},
    )
    async with running(prepared) as server:
        await short_call(server)
        await short_call(server)
        await refused(server)
    async with running(prepared) as again:
        await refused(again)
        assert again.lines("budget_exceeded")


async def refused(server: Server) -> None:
    async with phone(server.setup) as caller:
        answer = await caller.invite()
        assert answer.status == 503
        assert "budget_exceeded" in answer["reason"]
    told = await server.next_record()
    assert (told["reason_code"], told["sip_status"]) == ("budget_exceeded", 503)
    assert told["detail"] == "agent receptionist has spent 2.00 of 1.5 USD today"
