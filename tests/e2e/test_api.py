"""The control API of a running server, with calls that are on."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
import yaml
from websockets.exceptions import InvalidStatus

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import RealtimeOptions
from sipagent.simulator.realtime_server import RealtimeServer, ServedSession
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.api import Api, api_section, call_id_of, set_tokens
from tests.e2e.support.phone import Phone, call, phone
from tests.e2e.support.referred_phone import referred_call
from tests.e2e.support.server import SIPAGENT, running
from tests.e2e.support.setup import HOST
from tests.e2e.support.talker import TELEPHONE_EVENT
from tests.e2e.support.waiting import eventually
from tests.e2e.test_tls import certificate

pytestmark = pytest.mark.e2e

#: Of the server's executors: looking for past calls, reading files, reading configuration.
THREADS = 6


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    set_tokens(monkeypatch)


def asked(session: ServedSession, kind: str, words: str) -> bool:
    """Has the model been sent this?"""
    return any(words in str(event) for event in session.log.events("in", kind))


def pressed(caller: Phone) -> bool:
    return any(heard.packet.payload_type == TELEPHONE_EVENT for heard in caller.heard)


def sounding(lane: bytes) -> bytes:
    """Without the frames that silence fills up where audio is late."""
    frames = (lane[at : at + 160] for at in range(0, len(lane), 160))
    return b"".join(frame for frame in frames if frame.strip(ULAW.silence))


async def test_a_live_call_is_shown_heard_and_directed(setup: SetupFactory) -> None:
    async with (
        RealtimeServer(RealtimeOptions(speed=8.0)) as model,
        running(setup(model.url, api=api_section()), spare_threads=THREADS) as server,
        call(server.setup) as caller,
    ):
        api = Api(server.setup)
        shown = await api.only_call()
        call_id = shown["call_id"]
        assert (shown["agent"], shown["trunk"], shown["sip_call_id"]) == (
            "receptionist",
            "carrier",
            caller.sip_call_id,
        )
        async with api.listening(f"/v1/calls/{call_id}/events") as ear:
            await ear.until("snapshot")
            (session,) = model.sessions
            await api.do(call_id, "inject", text="The caller is a VIP.")
            await eventually(lambda: asked(session, "conversation.item.create", "a VIP."), "the model knows")
            await api.do(call_id, "say", text="One moment please.")
            await eventually(lambda: asked(session, "response.create", "One moment please."), "it says so")
            await ear.until("agent.speech_started")
            await caller.hear_speech(100)
            await api.do(call_id, "dtmf", digits="5")
            assert (await ear.until("digits.sent"))["data"]["digits"] == "5"
            await caller.hear(lambda: pressed(caller))
            await api.do(call_id, "hangup", detail="lunch")
            bye = await caller.hung_up()
            assert "api_hung_up" in bye["reason"]
            ended = await ear.until("call.ended")
            assert ended["data"]["detail"] == "lunch"
            assert await ear.closed() == 1000
        record = await server.next_record()
        assert (record["end_reason"], record["detail"]) == ("api_hung_up", "lunch")
        assert (await api.get(f"/v1/calls/{call_id}")).json() == record
        assert (await api.get("/v1/calls")).json() == {"calls": []}
        late = await api.post(f"/v1/calls/{call_id}/say", {"text": "Hello?"})
        assert (late.status_code, late.json()["reason_code"]) == (404, "call_unknown")


async def test_a_caller_is_put_on_hold_taken_up_and_handed_on(setup: SetupFactory) -> None:
    # An echo of the hold's silence may be under way when it is to say goodbye, and an echo has no end.
    target = {"transfers": {"sales": {"to": "+1555 0100", "how": "refer", "goodbye_max_s": 1}}}
    trunk = {"transfer": {"uri_template": "sip:{number}@127.0.0.1:9"}}
    prepared = setup(None, api=api_section(), agent=target, trunk=trunk)
    async with running(prepared, spare_threads=THREADS) as server, referred_call(prepared) as caller:
        api = Api(prepared)
        call_id = await call_id_of(server, caller.sip_call_id)
        await api.do(call_id, "hold")
        await eventually(lambda: caller.holds[-1:] == ["sendonly"], "the peer is on hold")
        await api.do(call_id, "resume")
        await eventually(lambda: caller.holds[-1:] == ["sendrecv"], "the peer is taken up")
        await api.do(call_id, "refer", target="sales", summary="wants a bicycle")
        assert "+15550100" in (await caller.referred())["refer-to"]
        caller.notify("200 OK")
        await caller.hung_up()
        record = await server.next_record()
        assert record["end_reason"] == "transferred"
        assert record["transfers"][0]["summary"] == "wants a bicycle"


async def test_all_events_of_all_calls_can_be_heard(setup: SetupFactory) -> None:
    async with running(setup(None, api=api_section()), spare_threads=THREADS) as server:
        async with Api(server.setup).listening("/v1/events") as ear:
            for _ in range(2):
                async with call(server.setup) as caller:
                    await ear.until("call.answered")
                    await caller.hang_up()
                await ear.until("call.ended")
            calls = [message["call_id"] for message in ear.heard]
            assert len(set(calls)) == 2
            assert ear.heard[0]["type"] == "call.received"
        await server.next_records(2)


async def test_the_api_is_had_over_tls(setup: SetupFactory, tmp_path: Path) -> None:
    certificate_file, key_file = certificate(tmp_path, HOST)
    prepared = setup(None, api=api_section())
    document = yaml.safe_load(prepared.config.read_text())
    document["http"]["tls"] = {"certificate_file": str(certificate_file), "key_file": str(key_file)}
    prepared.config.write_text(yaml.safe_dump(document))
    process = await asyncio.create_subprocess_exec(
        *(SIPAGENT, "run", "-c", prepared.config), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        api = Api(prepared, scheme="https")
        answer = await eventually(partial(api.try_get, "/v1/calls"), "an answer over TLS", 60)
        assert answer.json() == {"calls": []}
        assert await Api(prepared).try_get("/v1/calls") is None
    finally:
        process.terminate()
        await process.wait()


async def test_a_call_can_be_listened_to(setup: SetupFactory) -> None:
    said = audio.signal(1, 800, ULAW)
    async with (
        running(setup(None, api=api_section()), spare_threads=THREADS) as server,
        call(server.setup) as caller,
    ):
        api = Api(server.setup)
        path = f"/v1/calls/{await call_id_of(server, caller.sip_call_id)}/events"
        async with api.listening(f"{path}?audio=true") as ear, api.listening(path) as deaf:
            assert (await ear.until("audio"))["data"] == {"codec": "PCMU", "frame_ms": 20}
            await caller.say(said)
            await ear.hear(lambda: said in sounding(ear.caller) and said in sounding(ear.agent))
            await caller.hang_up()
            await ear.until("call.ended")
            await deaf.until("call.ended")
            assert deaf.caller == b""
        await server.next_record()


async def test_nobody_comes_in_without_a_token_that_may(setup: SetupFactory) -> None:
    async with (
        running(setup(None, api=api_section()), spare_threads=THREADS) as server,
        call(server.setup) as caller,
    ):
        stranger, reader = Api(server.setup, None), Api(server.setup, "reader")
        call_id = await call_id_of(server, caller.sip_call_id)
        for path in ("/v1/calls", f"/v1/calls/{call_id}", "/v1/trunks", "/openapi.json"):
            assert (await stranger.get(path)).status_code == 401
        assert (await stranger.post(f"/v1/calls/{call_id}/hangup")).status_code == 401
        refused = await reader.post(f"/v1/calls/{call_id}/hangup")
        assert (refused.status_code, refused.json()["reason_code"]) == (403, "scope_missing")
        for client, status in ((stranger, 401), (reader, 403)):
            with pytest.raises(InvalidStatus) as turned_away:
                async with client.listening("/v1/events"):
                    pass
            assert turned_away.value.response.status_code == status
        assert (await stranger.get("/healthz")).status_code == 200
        assert not caller.ended.is_set()
        assert (await reader.get(f"/v1/calls/{call_id}")).status_code == 200
        await caller.hang_up()


async def test_a_recording_is_had_by_a_link_that_expires(setup: SetupFactory) -> None:
    said = audio.signal(1, 600, ULAW)
    async with running(setup(None, api=api_section()), spare_threads=THREADS) as server:
        async with call(server.setup, speech=said) as caller:
            await caller.hear_speech(600)
            await caller.hang_up()
        record = await server.next_record()
        path = f"/v1/recordings/{record['call_id']}"
        archivist, stranger = Api(server.setup, "archivist"), Api(server.setup, None)
        made = await archivist.post(f"{path}/link", {"expires_in_s": 2})
        url = made.json()["url"]
        with open(record["recording"], "rb") as file:
            assert (await stranger.get(url)).content == file.read()
        later = url.replace("expires=", "expires=1")
        assert (await stranger.get(later)).json()["reason_code"] == "link_invalid"
        assert (await stranger.get(path)).status_code == 401

        async def has_expired() -> bool:
            return (await stranger.get(url)).status_code == 403

        await eventually(has_expired, "the link has expired")


async def test_a_call_rings_until_it_is_accepted_or_rejected(setup: SetupFactory) -> None:
    manual = {"accept": "manual", "manual_timeout_s": 60}
    async with running(setup(None, api=api_section(), agent=manual), spare_threads=THREADS) as server:
        api = Api(server.setup)
        async with phone(server.setup) as caller:
            inviting = asyncio.create_task(caller.invite())
            await server.wait_log("call_offered")
            call_id = await call_id_of(server, caller.sip_call_id)
            too_soon = await api.post(f"/v1/calls/{call_id}/say", {"text": "Hello"})
            assert (too_soon.status_code, too_soon.json()["reason_code"]) == (409, "call_not_answered")
            await api.do(call_id, "accept")
            assert (await inviting).status == 200
            await caller.hang_up()
        accepted = await server.next_record()
        async with phone(server.setup) as caller:
            inviting = asyncio.create_task(caller.invite())
            await server.wait_log("call_offered", count=2)
            await api.do(await call_id_of(server, caller.sip_call_id), "reject", status_code=486)
            answer = await inviting
            assert answer.status == 486
            assert "api_rejected" in answer["reason"]
        rejected = await server.next_record()
        assert (accepted["call_status"], accepted["end_reason"]) == ("completed", "caller_hung_up")
        assert (rejected["call_status"], rejected["reason_code"]) == ("rejected", "api_rejected")


async def test_the_server_is_drained_and_reloaded(setup: SetupFactory) -> None:
    prepared = setup(None, api=api_section())
    async with (
        running(prepared, errors=["config_reload_refused"], spare_threads=THREADS) as server,
        call(prepared) as caller,
    ):
        api = Api(prepared)
        assert (await api.post("/v1/drain")).json() == {"draining": True, "calls": 1}
        assert (await api.get("/readyz")).status_code == 503
        async with phone(prepared) as refused:
            answer = await refused.invite()
            assert answer.status == 503
            assert "draining" in answer["reason"]
        assert (await api.post("/v1/drain", {"draining": False})).json()["draining"] is False
        async with call(prepared) as taken:
            await taken.hang_up()
        await caller.hang_up()
        await server.next_records(3)

        agents = prepared.config.parent / "agents"
        (agents / "sales.yaml").write_text("backend: {kind: echo}\n")
        assert (await api.post("/v1/reload")).json()["changes"]["agents"]["added"] == ["sales"]
        assert {each["name"] for each in (await api.get("/v1/agents")).json()["agents"]} == {
            "receptionist",
            "sales",
        }
        (agents / "sales.yaml").write_text("backend: {kind: unheard_of}\n")
        refused_reload = await api.post("/v1/reload")
        assert refused_reload.status_code == 422
        assert "sales.yaml" in refused_reload.json()["detail"]
        (trunk,) = (await api.get("/v1/trunks")).json()["trunks"]
        assert (trunk["name"], trunk["registers"], trunk["calls"]) == ("carrier", False, 0)
