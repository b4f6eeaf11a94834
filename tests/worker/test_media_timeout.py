"""A peer from whom no audio comes."""

from __future__ import annotations

import pytest

from rtp.session import Direction
from sipagent import events
from tests.worker.fake_udp import PHONE
from tests.worker.rig import Bench, noise


@pytest.mark.parametrize(
    ("spoken_s", "direction", "gone_after_s", "detail"),
    [
        (0, "sendrecv", 30, "no RTP ever for 30 s"),
        (1, "sendrecv", 20, "no RTP any more for 20 s"),
        (1, "recvonly", 300, "no RTP on hold for 300 s"),
        (0, "inactive", 300, "no RTP on hold for 300 s"),
    ],
)
async def test_a_peer_that_sends_no_rtp_is_given_up(
    bench: Bench, spoken_s: int, direction: Direction, gone_after_s: int, detail: str
) -> None:
    await bench.talk()
    bench.say(noise(50 * spoken_s))
    if direction != "sendrecv":
        bench.start(direction=direction)
    bench.beat(50 * gone_after_s - 2)
    assert not bench.is_ending
    bench.beat(3)
    await bench.running
    (ended,) = bench.all(events.LegEnded)
    assert (ended.reason, ended.detail) == ("media_timeout", detail)


async def test_rtcp_alone_keeps_no_call_alive(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(10))
    for _ in range(21):
        bench.beat(50)
        bench.phone.handle_timer(bench.now)
        assert bench.udp is not None
        for data, _ in bench.phone.rtcp_to_send():
            bench.udp.on_rtcp(data, (PHONE[0], PHONE[1] + 1), bench.now)
    await bench.running
    (ended,) = bench.all(events.LegEnded)
    assert ended.reason == "media_timeout"
    assert ended.rtp["rtt_ms"] is None or ended.rtp["rtt_ms"] >= 0


async def test_who_announces_silence_may_be_silent(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(10))
    bench.fall_silent()
    bench.beat(50 * 60)
    assert not bench.is_ending
