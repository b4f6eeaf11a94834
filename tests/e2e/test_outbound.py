"""Calls that we place: the agent talks once somebody answers, and each ends with what became of it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support import audio
from tests.e2e.support.human import human, on_the_hook
from tests.e2e.support.name_server import address, name_server, srv
from tests.e2e.support.originating_server import that_calls
from tests.e2e.support.peer import peer, sdp
from tests.e2e.support.ports import free_port, free_ports, is_bound
from tests.e2e.support.provider import DOMAIN, provider, trunk
from tests.e2e.support.secure_human import SecureHuman
from tests.e2e.support.server import WORKERS, Record, Server, Setup, records, running
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

NUMBER, GREETING, WORDS, RINGBACK, LENGTH_MS = "+15550100", 1, 2, 3, 800
SPEAKS = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}


def speaks() -> RealtimeOptions:
    return RealtimeOptions(
        script=(Turn(reply=[Pattern(pattern_ms=LENGTH_MS, number=GREETING)]),), obedient=False
    )


class Callee:
    """Where the numbers of our trunk lead: a port of this machine."""

    def __init__(self, setup: SetupFactory, model_url: str | None, **trunk: Any) -> None:
        self.port = free_port("127.0.0.1")
        transfer = {"uri_template": f"sip:{{number}}@127.0.0.1:{self.port}"}
        self.setup: Setup = setup(model_url, agent=SPEAKS, trunk={"transfer": transfer} | trunk)

    def running(self, **origination: Any) -> Any:
        return running(self.setup, wrapper=that_calls(origination))

    async def answers(self, sipp: Sipp, scenario: str, **options: Any) -> asyncio.Task[None]:
        """SIPp as the callee, which listens by now. It is done when the scenario is."""
        done = asyncio.create_task(sipp(scenario, self.setup, "-p", str(self.port), **options))
        await eventually(lambda: done.done() or is_bound(self.port), "SIPp is there")
        return done

    def phone(self, **options: Any) -> Any:
        return human(self.setup, self.port, **options)


def dial(server: Server) -> None:
    server.process.send_signal(signal.SIGUSR1)


def told(record: Record) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("outcome", "call_status", "sip_status", "end_reason"))


async def test_callee_and_agent_hear_each_other_bit_for_bit(setup: SetupFactory) -> None:
    words = audio.signal(WORDS, LENGTH_MS, ULAW)
    async with RealtimeServer(speaks()) as model:
        callee = Callee(setup, model.url)
        origination = {"from_uri": "+15550199", "dial_id": "d-1", "attempt": 2, "tenant": "shop"}
        async with callee.running(**origination) as server, callee.phone(speech=words) as phone:
            dial(server)
            invite = await phone.rings()
            await phone.pick_up()
            await phone.hear_speech(LENGTH_MS)
            await server.wait_log("agent_speech_ended")
            await phone.hang_up()
            record = await server.next_record()
            metrics = await server.metrics()
        (session,) = model.sessions
    assert invite["from"].startswith("<sip:+15550199@127.0.0.1>")
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert words in bytes(session.log.caller_audio)
    assert told(record) == ("answered", "completed", 200, "callee_hung_up")
    assert record["direction"] == "outbound"
    assert (record["from"], record["to"]) == ("+15550199", NUMBER)
    assert record["sip_call_id"] == invite["call-id"]
    asked = {"dial_id": "d-1", "attempt": 2, "tenant": "shop", "early_media": False}
    assert asked.items() <= record["dial"].items()
    assert 0 <= record["dial"]["dialled_s"] <= record["dial"]["progressed_s"]
    assert metrics['sipagent_calls_dialled_total{outcome="answered",trunk="carrier"}'] == 1


async def test_over_srtp_both_are_heard_and_the_caller_is_hidden(setup: SetupFactory) -> None:
    words = audio.signal(WORDS, LENGTH_MS, ULAW)
    asserts = {"caller_id": {"send_in": "p_asserted_identity"}}
    async with RealtimeServer(speaks()) as model:
        callee = Callee(setup, model.url, srtp="required", **asserts)
        phone = SecureHuman(callee.setup, port=callee.port, speech=words)
        async with callee.running(from_uri="+15550199", hide_caller=True) as server, on_the_hook(phone):
            dial(server)
            invite = await phone.rings()
            await phone.pick_up()
            await phone.hear_speech(LENGTH_MS)
            await server.wait_log("agent_speech_ended")
            await phone.hang_up()
            record = await server.next_record()
        (session,) = model.sessions
    assert invite["from"].startswith('"Anonymous" <sip:anonymous@anonymous.invalid>')
    assert invite["privacy"] == "id"
    assert invite["p-asserted-identity"].startswith("<sip:+15550199@")
    assert "15550199" not in invite["contact"]
    assert "m=audio" in invite.body
    assert "RTP/SAVP" in invite.body
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert phone.unreadable == 0
    assert words in bytes(session.log.caller_audio)
    assert not any(words[:160] in datagram for datagram in phone.sent)
    assert told(record) == ("answered", "completed", 200, "callee_hung_up")
    assert record["srtp"] in phone.suites


@pytest.mark.parametrize(
    ("scenario", "outcome", "status", "sip_status", "q850"),
    [
        ("uas-busy-486", "busy", "busy", 486, None),
        ("uas-declined-603", "rejected", "rejected", 603, None),
        ("uas-number-unknown-404", "invalid_number", "failed", 404, None),
        ("uas-subscriber-absent-480", "unreachable", "failed", 480, 20),
        ("uas-full-503", "failed", "failed", 503, None),
        ("uas-redirecting-302", "failed", "failed", 302, None),
    ],
)
async def test_who_refuses_is_told_apart(
    setup: SetupFactory,
    sipp: Sipp,
    scenario: str,
    outcome: str,
    status: str,
    sip_status: int,
    q850: int | None,
) -> None:
    callee = Callee(setup, None)
    async with callee.running() as server:
        answers = await callee.answers(sipp, scenario)
        dial(server)
        record = await server.next_record()
        await answers
    assert told(record) == (outcome, status, sip_status, "not_answered")
    assert (record["q850"], record["answered_at"], record["duration_s"]) == (q850, None, 0)
    assert record["cost"] is None


async def test_a_call_that_rings_for_too_long_is_cancelled(setup: SetupFactory, sipp: Sipp) -> None:
    callee = Callee(setup, None)
    async with callee.running(ring_timeout_s=0.5) as server:
        answers = await callee.answers(sipp, "uas-unanswered-487")
        dial(server)
        record = await server.next_record()
        await answers
    assert told(record) == ("no_answer", "no-answer", 487, "not_answered")
    assert record["detail"] == "nobody answered within 0.5 s"
    assert 0.2 < record["dial"]["ring_s"] < 5


async def test_where_no_server_says_a_word_the_call_is_over_when_its_ringing_time_is(
    setup: SetupFactory,
) -> None:
    """There is no CANCEL before a provisional answer (RFC 3261, 9.1). One that comes late is heeded yet."""
    async with peer() as silent, peer() as late:
        template = {"uri_template": f"sip:{{number}}@127.0.0.1:{silent.address[1]}"}
        other = {"uri_template": f"sip:{{number}}@127.0.0.1:{late.address[1]}"}
        trunks = {"other": {"transfer": other, "numbers": {}, "allowed_addresses": ["127.0.0.9"]}}
        configured = setup(None, trunk={"transfer": template}, trunks=trunks, limits={"max_calls": 2})
        calls = that_calls({"ring_timeout_s": 0.5}, {"ring_timeout_s": 0.5, "trunk": "other"})
        async with running(configured, wrapper=calls) as server:
            for _ in range(2):  # the second finds the permits of the first
                dial(server)
                for record in await server.next_records(2):
                    assert told(record) == ("unreachable", "failed", 487, "not_answered")
                    assert record["dial"]["progressed_s"] is None
                    assert record["dial"]["ring_s"] is None
            assert not server.lines("originate_refused")
            first, invite = [await late.next("INVITE") for _ in range(2)]
            late.respond(first, 180)
            cancel = await late.next("CANCEL")
            assert cancel["call-id"] == first["call-id"]
            late.respond(cancel, 200)
            late.respond(first, 487)
            await late.next("ACK")
            late.respond(invite, 200, body=sdp())
            await late.next("ACK")
            late.take(invite)
            late.respond(await late.next("BYE"), 200)


async def test_a_call_that_is_hung_up_while_it_rings_is_cancelled(setup: SetupFactory, sipp: Sipp) -> None:
    callee = Callee(setup, None)
    async with callee.running() as server:
        answers = await callee.answers(sipp, "uas-unanswered-487")
        dial(server)
        await server.wait_log("call_progressed")
        server.process.send_signal(signal.SIGUSR2)
        record = await server.next_record()
        await answers
    assert told(record) == ("cancelled", "canceled", 487, "api_hung_up")


async def test_a_server_that_is_to_stop_cancels_what_rings(setup: SetupFactory, sipp: Sipp) -> None:
    callee = Callee(setup, None)
    async with callee.running() as server:
        answers = await callee.answers(sipp, "uas-unanswered-487")
        dial(server)
        await server.wait_log("call_progressed")
        await server.stop()
        await answers
        (record,) = server.calls()
    assert told(record) == ("cancelled", "canceled", 487, "draining")


async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended(
    setup: SetupFactory, sipp: Sipp
) -> None:
    callee = Callee(setup, None)
    async with callee.running(ring_timeout_s=2) as server:
        answers = await callee.answers(sipp, "uas-answered-when-cancelled-bye")
        dial(server)
        record = await server.next_record()
        await answers
    assert told(record) == ("no_answer", "no-answer", 487, "not_answered")


async def test_of_forks_the_one_that_answers_counts(setup: SetupFactory, sipp: Sipp) -> None:
    callee = Callee(setup, None)
    async with callee.running() as server:
        answers = await callee.answers(sipp, "uas-forked-answered-by-second")
        dial(server)
        await server.wait_log("call_answered")
        server.process.send_signal(signal.SIGUSR2)
        record = await server.next_record()
        await answers
    assert told(record) == ("answered", "completed", 200, "api_hung_up")
    assert record["dial"]["early_media"]


async def test_what_is_played_before_the_answer_is_not_heard(setup: SetupFactory) -> None:
    ringback, words = audio.signal(RINGBACK, 2 * LENGTH_MS, ULAW), audio.signal(WORDS, LENGTH_MS, ULAW)
    async with RealtimeServer(speaks()) as model:
        callee = Callee(setup, model.url)
        async with callee.running() as server, callee.phone() as phone:
            dial(server)
            await phone.play_early(ringback)
            assert not phone.heard
            await phone.pick_up()
            await server.wait_log("media_started")
            await phone.say(words)
            await phone.hear_speech(LENGTH_MS)
            await phone.hang_up()
            record = await server.next_record()
        (session,) = model.sessions
    heard = bytes(session.log.caller_audio)
    assert words in heard
    assert ringback[:160] not in heard
    assert ringback[-160:] not in heard
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert record["dial"]["early_media"]
    assert record["audio"]["early_packets"] >= 2 * LENGTH_MS // 20 - 2
    left, _ = audio.recorded(record["recording"])
    assert not audio.holds(left, audio.samples(ringback[:160], "PCMU"))


async def test_a_call_asks_the_next_server_and_proves_who_it_is(
    setup: SetupFactory, sipp: Sipp, tmp_path: Path
) -> None:
    """The first of the provider's servers is full; the second wants digest, and hands on to the callee."""
    (full, free), port = free_ports(2), free_port("127.0.0.1")
    service = f"_sip._udp.{DOMAIN}"
    zone = [
        srv(service, f"one.{DOMAIN}", full, priority=10),
        srv(service, f"two.{DOMAIN}", free, priority=20),
        *(address(f"{name}.{DOMAIN}") for name in ("one", "two")),
    ]
    async with (
        name_server(zone) as names,
        provider(full, tmp_path, "FULL_CALLS"),
        provider(free, tmp_path, callee=port) as backup,
    ):
        configured = setup(None, trunk=trunk(f"sip:{DOMAIN}", tmp_path), sip={"nameservers": [names]})
        async with running(configured, wrapper=that_calls({"from_uri": "+15550199"})) as server:
            await server.wait_log("trunk_state", registered=True)
            answers = asyncio.create_task(sipp("uas-pcma-hung-up-by-agent", configured, "-p", str(port)))
            dial(server)
            await server.wait_log("call_answered")
            server.process.send_signal(signal.SIGUSR2)
            record = await server.next_record()
            await answers
            assert f"from=sip:+15550199@{DOMAIN}" in await backup.logged("INVITE:")
    assert told(record) == ("answered", "completed", 200, "api_hung_up")
    assert record["codec"] == "PCMA"


async def test_a_server_that_is_killed_while_it_rings_leaves_one_record(setup: SetupFactory) -> None:
    callee = Callee(setup, None)
    async with callee.running(dial_id="d-1") as server, callee.phone() as phone:
        dial(server)
        await phone.rings()
        await server.wait_log("call_progressed")
        await server.kill()
    async with running(callee.setup) as again:
        (record,) = records(callee.setup)
        assert again.lines("call_cut_off_by_crash")
    assert (record["direction"], record["end_reason"]) == ("outbound", "server_crashed")
    assert (record["outcome"], record["call_status"], record["answered_at"]) == ("failed", "failed", None)
    assert record["dial"]["dial_id"] == "d-1"
    assert record["dial"]["dialled_s"] is not None


async def test_what_a_limit_refuses_is_not_placed(setup: SetupFactory, sipp: Sipp) -> None:
    """Both are asked for in one breath: the first counts before anybody was called."""
    callee = Callee(setup, None, max_calls=1)
    async with running(callee.setup, wrapper=that_calls({}, {"to": "+15550101"})) as server:
        answers = await callee.answers(sipp, "uas-busy-486")
        dial(server)
        refused = await server.wait_log("originate_refused")
        record = await server.next_record()
        await answers
        assert len(server.lines("call_originated")) == 1
    assert refused["reason_code"] == "trunk_call_limit"
    assert told(record) == ("busy", "busy", 486, "not_answered")


async def test_without_a_model_nobody_is_called(setup: SetupFactory) -> None:
    callee = Callee(setup, "ws://127.0.0.1:9/")
    async with callee.running() as server, callee.phone() as phone:
        dial(server)
        record = await server.next_record()
        assert phone.invited is None
    assert told(record) == ("failed", "failed", 503, "refused")
    assert record["reason_code"] == "backend_unreachable"


async def test_a_call_goes_on_ringing_when_all_media_workers_die(setup: SetupFactory) -> None:
    """The first to be back gets the leg ready anew, with a session of its own."""
    async with RealtimeServer(speaks()) as model:
        callee = Callee(setup, model.url)
        async with (
            running(
                callee.setup,
                wrapper=that_calls({}),
                errors=["worker_died", "worker_hung"],
                spare_threads=WORKERS + 1,  # each waits for one that died
            ) as server,
            callee.phone() as phone,
        ):
            dial(server)
            await phone.rings()
            await server.wait_log("call_progressed")
            for deadly in (signal.SIGSTOP, signal.SIGKILL):  # at once: none gets the leg from another
                for worker in server.workers:
                    os.kill(worker, deadly)
            await eventually(lambda: len(model.sessions) == 2, "a second session")
            await phone.pick_up()
            await phone.hear_speech(LENGTH_MS)
            await phone.hang_up()
            record = await server.next_record()
    assert phone.speech_heard() == audio.signal(GREETING, LENGTH_MS, ULAW)
    assert told(record) == ("answered", "completed", 200, "callee_hung_up")
