"""Calls that we place and that are refused, ring for too long, are given up, or forked."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support.originated import Callee, dial, told
from tests.e2e.support.originating_server import that_calls
from tests.e2e.support.peer import peer, sdp
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e


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
