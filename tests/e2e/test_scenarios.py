"""What SIPp peers meet: each scenario of `sipp_scenarios/` against one running server.

The server has several trunks, told apart by source address, and several numbers, told apart by the state of
the model behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sipagent.simulator.realtime_options import Faults, Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.support import sipp
from tests.e2e.support.phone import call, phone
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import NUMBER, write_setup

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

STRANGER, LIKES_PCMA, TAKES_ONE_CALL = "127.0.0.9", "127.0.0.3", "127.0.0.4"
SLOW, SILENT, CLOSED, GONE, BRIEF, NOWHERE = "1001", "1002", "1003", "1004", "1005", "1999"
READY_DEADLINE_MS = 300

Play = Callable[..., Coroutine[Any, Any, None]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    spoken = (Turn(reply=[Pattern(pattern_ms=400)]),)
    async with (
        RealtimeServer(RealtimeOptions(script=spoken, obedient=False)) as model,
        RealtimeServer(RealtimeOptions(faults=Faults(updated_delay_s=2.0))) as slow,
        RealtimeServer(RealtimeOptions(faults=Faults(never_ready=True))) as silent,
        RealtimeServer(RealtimeOptions(faults=Faults(refuse_status=401))) as closed,
    ):
        urls = {SILENT: silent.url, CLOSED: closed.url, GONE: f"ws://127.0.0.1:{free_port()}"}
        agents = {
            f"at-{number}": {"backend": backend(url, ready_deadline_ms=READY_DEADLINE_MS)}
            for number, url in urls.items()
        }
        agents[f"at-{SLOW}"] = {"backend": backend(slow.url)}
        agents[f"at-{BRIEF}"] = {"max_call_duration_s": 1}
        numbers = {NUMBER: "receptionist"} | {name.removeprefix("at-"): name for name in agents}
        trunks = {
            "likes-pcma": {"allowed_addresses": [LIKES_PCMA], "codecs": ["PCMA", "PCMU"]},
            "takes-one-call": {"allowed_addresses": [TAKES_ONE_CALL], "max_calls": 1},
        }
        setup = write_setup(
            tmp_path_factory.mktemp("house"),
            model.url,
            agent={"greeting": "Hello"},
            trunk={"numbers": numbers},
            agents=agents,
            trunks=trunks,
            rtp={"first_packet_timeout_s": 0},  # SIPp sends no RTP
        )
        async with running(setup) as server:
            yield server


def backend(url: str, **settings: Any) -> dict[str, Any]:
    return {"kind": "openai_realtime", "url": url} | settings


@pytest_asyncio.fixture(loop_scope="module")
async def server(house: Server) -> AsyncIterator[Server]:
    """The shared server; after each test nothing is left of its calls."""
    house.skip_records()
    yield house
    await house.assert_clean()


@pytest.fixture
def play(server: Server, tmp_path: Path) -> Play:
    """Play a scenario against the server: see `sipp.play`."""

    async def run(scenario: str, *arguments: str, **options: Any) -> None:
        await sipp.play(scenario, tmp_path, (server.setup.host, server.setup.sip_port), *arguments, **options)

    return run


# --- calls that are answered ------------------------------------------------------------------------


@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1")])
async def test_a_call_over(server: Server, play: Play, transport: str, option: str) -> None:
    await play("uac-pcmu-answered", "-t", option)
    record = await server.next_record()
    assert (record["end_reason"], record["call_status"]) == ("caller_hung_up", "completed")
    assert (record["codec"], record["trunk"], record["agent"]) == ("PCMU", "carrier", "receptionist")
    assert record["source"].endswith(f"/{transport}")
    assert record["sip_status"] == 200
    assert (record["from"], record["to"]) == ("+15550001", NUMBER)


async def test_the_trunk_prefers_pcma(server: Server, play: Play) -> None:
    await play("uac-pcma-preferred-answered", host=LIKES_PCMA)
    record = await server.next_record()
    assert (record["trunk"], record["codec"]) == ("likes-pcma", "PCMA")


async def test_a_late_offer(server: Server, play: Play) -> None:
    await play("uac-late-offer-answered")
    record = await server.next_record()
    assert (record["end_reason"], record["codec"]) == ("caller_hung_up", "PCMA")


async def test_a_late_offer_that_is_never_answered(server: Server, play: Play) -> None:
    await play("uac-late-offer-unanswered-bye")
    assert (await server.next_record())["end_reason"] == "signalling_failed"


async def test_the_longest_duration_is_kept(server: Server, play: Play) -> None:
    await play("uac-over-duration-limit-bye", number=BRIEF)
    record = await server.next_record()
    assert record["end_reason"] == "max_duration"
    assert record["duration_s"] == pytest.approx(1.0, abs=0.2)


async def test_options(play: Play) -> None:
    await play("uac-options-200")


@pytest.mark.parametrize(
    "scenario",
    [
        "uac-hold-by-zero-address-answered",
        "uac-reinvite-without-common-codec-488",
        "uac-reinvite-to-our-own-port-488",
    ],
)
async def test_a_reinvite_does_no_harm(server: Server, play: Play, scenario: str) -> None:
    await play(scenario)
    record = await server.next_record()
    assert (record["end_reason"], record["codec"]) == ("caller_hung_up", "PCMU")


async def test_hold_resume_a_new_port_and_a_new_codec(server: Server, play: Play) -> None:
    await play("uac-hold-resume-reinvited")
    record = await server.next_record()
    assert record["end_reason"] == "caller_hung_up"
    paths = [line["path"] for line in server.lines("path_built", call_id=record["call_id"])]
    assert [("ulaw>alaw" in path) for path in paths] == [False, True, False]


# --- calls that are not -----------------------------------------------------------------------------


async def test_the_caller_gives_up_while_it_rings(server: Server, play: Play) -> None:
    await play("uac-cancel-while-ringing-487", number=SLOW)
    record = await server.next_record()
    assert (record["end_reason"], record["call_status"]) == ("caller_cancelled", "canceled")
    assert record["sip_status"] == 487
    assert "answered_at" not in record or record["answered_at"] is None


@pytest.mark.parametrize(
    ("scenario", "number", "status", "reason_code"),
    [
        ("uac-number-unknown-404", NOWHERE, 404, "number_unknown"),
        ("uac-g729-only-488", NUMBER, 488, "no_common_codec"),
        ("uac-srtp-only-488", NUMBER, 488, "srtp_off"),
        ("uac-multicast-media-488", NUMBER, 488, "bad_media_address"),
        ("uac-backend-not-ready-503", SILENT, 503, "backend_not_ready"),
        ("uac-backend-not-ready-503", CLOSED, 503, "backend_refused"),
        ("uac-backend-not-ready-503", GONE, 503, "backend_unreachable"),
    ],
)
async def test_a_refusal_names_its_rule(
    server: Server, play: Play, scenario: str, number: str, status: int, reason_code: str
) -> None:
    before = (await server.metrics()).get(refused("carrier", reason_code), 0)
    await play(scenario, number=number)
    record = await server.next_record()
    assert (record["end_reason"], record["call_status"]) == ("refused", "rejected")
    assert (record["sip_status"], record["reason_code"]) == (status, reason_code)
    assert record["trunk"] == "carrier"
    assert server.lines("call_refused", call_id=record["call_id"], reason_code=reason_code)
    assert (await server.metrics())[refused("carrier", reason_code)] == before + 1


async def test_over_the_limit_of_the_trunk(server: Server, play: Play) -> None:
    async with call(server.setup, host=TAKES_ONE_CALL) as first:
        await play("uac-over-limit-503", host=TAKES_ONE_CALL)
        assert (await server.next_record())["reason_code"] == "trunk_call_limit"
        await first.hang_up()
    assert (await server.next_record())["end_reason"] == "caller_hung_up"
    await play("uac-pcmu-answered", host=TAKES_ONE_CALL)
    assert (await server.next_record())["end_reason"] == "caller_hung_up"


async def test_an_unlisted_source_gets_no_answer(server: Server, play: Play) -> None:
    dropped = "sipagent_sip_requests_dropped_total"
    before = (await server.metrics())[dropped]
    await play("uac-unlisted-source-no-answer", host=STRANGER)
    assert not server.lines("call_received", trunk=None)
    assert (await server.metrics())[dropped] > before


# --- digits and frames ------------------------------------------------------------------------------


async def test_a_digit_by_info_reaches_model_and_record(server: Server, play: Play) -> None:
    await play("uac-info-digit-200")
    record = await server.next_record()
    assert [(d["digit"], d["method"], d["duration_ms"]) for d in record["digits"]] == [("5", "info", 160)]


async def test_digits_by_rfc_4733_reach_the_record_once_and_in_order(server: Server) -> None:
    async with call(server.setup) as caller:
        for digit in "1#9*":
            caller.press(digit)
        await server.wait_log("digit_received", digit="*")
        await caller.hang_up()
    record = await server.next_record()
    assert [digit["digit"] for digit in record["digits"]] == ["1", "#", "9", "*"]
    assert {digit["method"] for digit in record["digits"]} == {"rfc4733"}
    assert all(digit["duration_ms"] == 100 for digit in record["digits"])


@pytest.mark.parametrize("ptime_ms", [10, 30])
async def test_the_peers_ptime_is_honoured(server: Server, ptime_ms: int) -> None:
    async with call(server.setup, ptime_ms=ptime_ms) as caller:
        await caller.hear_speech(400)
        await caller.hang_up()
    assert {len(each.packet.payload) for each in caller.heard} == {8 * ptime_ms}
    record = await server.next_record()
    assert record["rtp"]["inbound"]["lost"] == 0


# --- peers that die ---------------------------------------------------------------------------------


@pytest.mark.timeout(90)
async def test_a_call_that_is_never_acknowledged_is_given_up(server: Server, play: Play) -> None:
    await play("uac-no-ack-bye", timeout_s=50)
    record = await server.next_record()
    assert record["end_reason"] == "signalling_failed"


async def test_many_callers_give_up_at_every_moment(server: Server) -> None:
    """CANCEL against 200: each call ends once, one way or the other."""
    callers = 12
    await asyncio.gather(*(give_up_after(server, 0.008 * n) for n in range(callers)))
    records = await server.next_records(callers)
    assert {record["end_reason"] for record in records} <= {"caller_cancelled", "caller_hung_up"}


async def give_up_after(server: Server, delay_s: float) -> None:
    async with phone(server.setup) as caller:
        await caller.ring()
        await asyncio.sleep(delay_s)
        if (await caller.cancel()).status == 200:
            await caller.hang_up()


def refused(trunk: str, reason_code: str) -> str:
    return f'sipagent_calls_refused_total{{reason="{reason_code}",trunk="{trunk}"}}'
