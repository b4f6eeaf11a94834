"""A media worker is killed or hangs in mid-call: its calls go on in another, and nobody has to call again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from itertools import pairwise

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Faults, Pattern, RealtimeOptions, Say, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e import test_outbound as outbound
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, processes
from tests.e2e.support.desk_phone import desk_call
from tests.e2e.support.originating_server import that_calls
from tests.e2e.support.phone import FRAME_MS, Phone, call, phone
from tests.e2e.support.referred_phone import referred_call
from tests.e2e.support.secure_phone import secure_phone
from tests.e2e.support.server import THREADS, Server, running
from tests.e2e.support.waiting import PATIENCE_S, eventually
from tests.e2e.test_fallback import LATER, LATER_MS, SPEAKS_FIRST, STORY, taken, tells, texts
from tests.e2e.test_transfer_to_human import Desk, say_goodbye, speaks, talk

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

#: What the log may say when a worker is lost.
ERRORS = ["worker_died", "worker_hung"]
MOST_GAP_S = 1.0
BEFORE, AFTER, BEFORE_MS, AFTER_MS = 11, 12, 1500, 600
#: Of audio before the loss that is on disk: the latest second may not be.
KEPT_MS = 400
#: A recording waits so long for late audio, less what a look at the clock takes (rtp.taps.HOLD_S).
WAITED_FOR_S = 0.4


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def worker_of(server: Server, caller: Phone) -> int:
    """The worker that holds the call's RTP socket."""
    port = caller.rtp_target[1]
    workers = processes.children(server.process.pid)
    return next(pid for pid in workers if port in processes.bound(pid, [port]))


def kill_carrier(server: Server) -> None:
    """The worker that carries the only call, before anybody knows its port."""
    for pid in processes.children(server.process.pid):
        if processes.bound(pid, server.setup.rtp_ports):
            kill(pid)


async def all_up(server: Server, workers: int = 3) -> None:
    """One worker more than carry calls: it stands by."""

    async def are_up() -> bool:
        return (await server.metrics())["sipagent_workers_up"] >= workers

    await eventually(are_up, f"{workers} workers", 3 * PATIENCE_S)


async def lose_worker(server: Server, caller: Phone, lose: Callable[[int], None] = kill) -> None:
    """The worker of this call is lost; returns when another carries it."""
    lose(worker_of(server, caller))
    await server.wait_log("leg_rehomed")


def gap_s(caller: Phone) -> float:
    """The longest time between two packets that the caller heard."""
    return max(after.at - before.at for before, after in pairwise(caller.heard))


def is_one_stream(caller: Phone) -> bool:
    """Do the packets that the caller heard look like one stream, of which some may be lost?"""
    packets = [heard.packet for heard in caller.heard]
    steps = [(after.sequence - before.sequence) & 0xFFFF for before, after in pairwise(packets)]
    ticks = [(after.timestamp - before.timestamp) & 0xFFFFFFFF for before, after in pairwise(packets)]
    lost = max(steps)
    return (
        len({packet.ssrc for packet in packets}) == 1
        and 0 < min(steps) <= lost < 200
        and 0 < min(ticks) <= max(ticks) < 200 * 160
    )


def may_miss(caller: Phone) -> float:
    """The share of `AFTER_MS` that its recording may lack: as much as a pause of the telephone, which sends
    what is due at once afterwards, was longer than late audio is waited for."""
    pause_s = max(after - before for before, after in pairwise(caller.sent_at))
    return max(pause_s - WAITED_FOR_S, 0.0) * 1000 / AFTER_MS


@pytest.mark.parametrize("lose", [kill, stop])
async def test_a_call_goes_on_in_another_worker(setup: SetupFactory, lose: Callable[[int], None]) -> None:
    """What is said after the loss is recorded frame by frame. It isn't looked for in one piece: there may be
    silence between frames, of the agent where it waits for its next packet, of the caller where the telephone
    is late for half a second. Frames can be missing only if the telephone, which shares the test's process,
    isn't let run for longer than late audio is waited for: its place has been written by then."""
    before, after = audio.signal(BEFORE, BEFORE_MS, ULAW), audio.signal(AFTER, AFTER_MS, ULAW)
    prepared = setup(None)
    async with running(prepared, errors=ERRORS, spare_threads=THREADS) as server:
        async with call(prepared) as caller:
            await caller.say(before)
            await caller.hear_speech(BEFORE_MS)
            await lose_worker(server, caller, lose)
            await server.wait_log("backend_replaced")
            await caller.say(after)
            await caller.hear(lambda: after in caller.speech_heard())
            sent = len(caller.sent_at)
            await caller.hang_up()
        record = await server.next_record()
        metrics = await server.metrics()
    assert before in caller.speech_heard()
    assert gap_s(caller) <= MOST_GAP_S
    assert is_one_stream(caller)
    assert record["end_reason"] == "caller_hung_up"
    (rehoming,) = record["rehomings"]
    assert rehoming["cause"] == ("died" if lose is kill else "hung")
    assert rehoming["gap_ms"] <= MOST_GAP_S * 1000
    uncounted = rehoming["uncounted_ms"] // FRAME_MS
    assert sent - uncounted - 15 <= record["rtp"]["inbound"]["packets"] <= sent
    assert record["rtp"]["inbound"]["foreign"] == 0
    assert metrics["sipagent_worker_restarts_total"] == 1

    left, right = audio.recorded(record["recording"])
    (hole,) = record["recording_holes"]
    assert hole["missing_ms"] <= 1100
    assert audio.holds(left, audio.samples(before[: 8 * KEPT_MS], "PCMU"))
    assert audio.share_of_frames(left, audio.samples(after, "PCMU")) >= 1 - may_miss(caller)
    assert audio.share_of_frames(right, audio.samples(after, "PCMU")) >= 1 - may_miss(caller)
    assert len(left) / 8000 == pytest.approx(sent * FRAME_MS / 1000, abs=0.25)


async def test_the_model_goes_on_knowing_what_was_heard(setup: SetupFactory) -> None:
    later = audio.signal(LATER, LATER_MS, ULAW)
    async with (
        RealtimeServer(tells(Say(say=STORY), speed=8)) as model,
        running(setup(model.url, agent=SPEAKS_FIRST), errors=ERRORS, spare_threads=THREADS) as server,
        call(server.setup) as caller,
    ):
        await server.wait_log("agent_speech_started")
        await caller.hear_speech(3000)
        model.options = tells(Pattern(pattern_ms=LATER_MS, number=LATER))
        await lose_worker(server, caller)
        await caller.hear(lambda: caller.speech_heard().endswith(later))
        await caller.hang_up()
        record = await server.next_record()
    assert gap_s(caller) <= MOST_GAP_S
    assert taken(record) == [("reconnect", "taken")]
    (cut, go_on) = texts(model.sessions[1])
    assert (cut[0], go_on[0]) == ("assistant", "system")
    heard = cut[1].removesuffix(" —")
    assert heard
    assert STORY.startswith(heard)
    first, second = [turn for turn in record["turns"] if turn["role"] == "agent"]
    assert first["interrupted"]
    assert first["played_ms"] == pytest.approx(1000 * (first["ended_s"] - first["started_s"]), abs=250)
    assert second["played_ms"] == LATER_MS


async def test_an_srtp_call_goes_on_over_the_end_of_a_sequence_cycle(setup: SetupFactory) -> None:
    """The peer's numbers wrap while nobody is there to count it (RFC 3711, 3.3.1)."""
    before, after = audio.signal(BEFORE, BEFORE_MS, ULAW), audio.signal(AFTER, AFTER_MS, ULAW)
    prepared = setup(None, trunk={"srtp": "required"})
    async with running(prepared, errors=ERRORS, spare_threads=THREADS) as server:
        async with secure_phone(prepared) as caller:
            caller.talker.sequence = 0x10000 - BEFORE_MS // FRAME_MS - 10
            assert (await caller.invite()).status == 200
            await caller.say(before)
            await caller.hear_speech(BEFORE_MS)
            await lose_worker(server, caller, stop)
            assert caller.talker.sequence > 0x10000
            await server.wait_log("backend_replaced")
            await caller.say(after)
            await caller.hear(lambda: after in caller.speech_heard())
            await caller.hang_up()
        record = await server.next_record()
    assert caller.unreadable == 0
    inbound = record["rtp"]["inbound"]
    assert (inbound["unauthenticated"], inbound["replayed"], inbound["ssrc_changes"]) == (0, 0, 0)
    assert len({heard.packet.ssrc for heard in caller.heard}) == 2


async def test_a_call_on_hold_stays_on_hold(setup: SetupFactory) -> None:
    after = audio.signal(AFTER, AFTER_MS, ULAW)
    prepared = setup(None)
    async with running(prepared, errors=ERRORS, spare_threads=THREADS) as server:
        async with desk_call(prepared) as caller:
            await caller.say(audio.signal(BEFORE, BEFORE_MS, ULAW))
            await caller.hold("inactive")
            await server.wait_log("call_held")
            await lose_worker(server, caller)
            await server.wait_log("backend_replaced")
            held = len(caller.speech_heard())
            await caller.say(audio.signal(3, AFTER_MS, ULAW))
            assert len(caller.speech_heard()) == held
            await caller.resume()
            await server.wait_log("call_resumed")
            await caller.say(after)
            await caller.hear(lambda: after in caller.speech_heard())
            await caller.hang_up()
        record = await server.next_record()
    (hold,) = record["holds"]
    assert hold["started_s"] < record["rehomings"][0]["at_s"] < hold["ended_s"]


@pytest.mark.paced
async def test_caller_and_human_go_on_talking_to_each_other(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model)
        async with desk.running(spare_threads=THREADS, errors=ERRORS) as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.rings()
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await lose_worker(server, caller)
                heard = len(called.heard), len(caller.heard)
                await talk(caller, called)
                await caller.hear(lambda: len(caller.heard) - heard[1] > 100)
                words = audio.signal(3, 1500, ULAW), audio.signal(4, 1500, ULAW)
                await called.hear(lambda: words[0] in called.audio_heard())
                await caller.hear(lambda: words[1] in caller.audio_heard())
                caller.press("7")
                await called.hear(lambda: [press.digit for press in called.digits_heard] == ["7"])
                await caller.hang_up()
            await called.hung_up()
            record = await server.next_record()
    assert gap_s(caller) <= MOST_GAP_S
    assert record["end_reason"] == "caller_hung_up"
    (transfer,) = record["transfers"]
    assert transfer["outcome"] == "transferred"


async def test_a_call_that_rings_is_answered_by_another_worker(setup: SetupFactory) -> None:
    after = audio.signal(AFTER, AFTER_MS, ULAW)
    script = (Turn(reply=[Pattern(pattern_ms=AFTER_MS, number=AFTER)]),)
    slow = RealtimeOptions(script=script, obedient=False, faults=Faults(updated_delay_s=1.5))
    async with (
        RealtimeServer(slow) as model,
        running(setup(model.url, agent=SPEAKS_FIRST), errors=ERRORS, spare_threads=THREADS) as server,
    ):
        async with phone(server.setup) as caller:
            calling = asyncio.create_task(caller.invite())
            await eventually(lambda: len(model.sessions) == 1, "the first session")
            kill_carrier(server)
            assert (await calling).status == 200
            await caller.hear(lambda: after in caller.speech_heard())
            await caller.hang_up()
        record = await server.next_record()
    assert (record["end_reason"], record["rehomings"]) == ("caller_hung_up", [])


async def test_a_callee_whom_we_let_ring_is_talked_to_by_another_worker(setup: SetupFactory) -> None:
    async with RealtimeServer(outbound.speaks()) as model:
        callee = outbound.Callee(setup, model.url)
        async with (
            running(callee.setup, wrapper=that_calls({}), errors=ERRORS, spare_threads=THREADS) as server,
            callee.phone() as called,
        ):
            outbound.dial(server)
            await called.rings()
            kill_carrier(server)
            await eventually(lambda: len(model.sessions) == 2, "a session in another worker")
            await called.pick_up()
            await called.hear_speech(outbound.LENGTH_MS)
            await server.wait_log("agent_speech_ended")
            await called.hang_up()
            record = await server.next_record()
    assert called.speech_heard() == audio.signal(outbound.GREETING, outbound.LENGTH_MS, ULAW)
    assert outbound.told(record) == ("answered", "completed", 200, "callee_hung_up")


async def test_a_crash_loop_shows(setup: SetupFactory) -> None:
    async with running(setup(None), errors=ERRORS, spare_threads=THREADS) as server:
        assert (await server.get("/readyz")).status_code == 200
        victims = processes.children(server.process.pid)
        for deaths in range(1, 4):
            for pid in victims:
                kill(pid)
            await server.wait_log("worker_died", count=3 * deaths)
            await all_up(server)
            victims = processes.children(server.process.pid)
        ready = await server.get("/readyz")
        metrics = await server.metrics()
        assert ready.status_code == 503
        assert not ready.json()["conditions"]["workers_stable"]
        assert metrics["sipagent_worker_crash_loops"] == 3
        assert [line["retry_s"] for line in server.lines("worker_died", worker=0)] == [0.1, 0.2, 0.4]
