"""When a peer that sends no RTP is taken for gone."""

from __future__ import annotations

import pytest

from sipagent.worker.media_watch import MediaTimeouts, MediaWatch

BEGAN = 1000.0
TIMEOUTS = MediaTimeouts(first_packet_s=30, silent_s=20, on_hold_s=300)


@pytest.fixture
def watch() -> MediaWatch:
    return MediaWatch(TIMEOUTS, BEGAN)


@pytest.mark.parametrize(
    ("last_packet_at", "pausing", "gone_at", "words"),
    [
        (None, False, BEGAN + 30, "no RTP ever for 30 s"),
        (BEGAN + 100, False, BEGAN + 120, "no RTP any more for 20 s"),
        (BEGAN + 100, True, BEGAN + 400, "no RTP after comfort noise for 300 s"),
    ],
)
def test_patience_ends(
    watch: MediaWatch, last_packet_at: float | None, pausing: bool, gone_at: float, words: str
) -> None:
    assert watch.overdue(last_packet_at, pausing, gone_at - 0.02) is None
    assert watch.overdue(last_packet_at, pausing, gone_at) == words


def test_on_hold_it_lasts_longer_and_after_it_begins_anew(watch: MediaWatch) -> None:
    heard_at = BEGAN + 10
    watch.hold(True, BEGAN + 25)
    assert watch.overdue(heard_at, False, BEGAN + 324.9) is None
    assert watch.overdue(heard_at, False, BEGAN + 325) == "no RTP on hold for 300 s"
    watch.hold(False, BEGAN + 200)
    assert watch.overdue(heard_at, False, BEGAN + 219.9) is None
    assert watch.overdue(heard_at, False, BEGAN + 220) == "no RTP any more for 20 s"


def test_another_reinvite_on_hold_does_not_begin_it_anew(watch: MediaWatch) -> None:
    watch.hold(True, BEGAN)
    watch.hold(True, BEGAN + 299)
    assert watch.overdue(None, False, BEGAN + 300) is not None


def test_what_a_peer_plays_on_hold_is_a_sign_of_life(watch: MediaWatch) -> None:
    watch.hold(True, BEGAN)
    assert watch.overdue(BEGAN + 250, False, BEGAN + 500) is None


@pytest.mark.parametrize("on_hold", [True, False])
@pytest.mark.parametrize("last_packet_at", [None, BEGAN])
def test_nought_is_for_ever(on_hold: bool, last_packet_at: float | None) -> None:
    watch = MediaWatch(MediaTimeouts(0, 0, 0), BEGAN)
    watch.hold(on_hold, BEGAN)
    assert watch.overdue(last_packet_at, False, BEGAN + 1e6) is None
