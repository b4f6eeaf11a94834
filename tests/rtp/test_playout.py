import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.events import ItemPlayed, ItemStarted, MarkReached, PlayoutEvent, StarvationCause
from rtp.playout import HeardItem, Playout, PlayoutFrame, Span

FRAME_MS = 20
SILENCE = b"\xff"


def ms(length_ms: int, word: bytes = b"a") -> bytes:
    return word * (8 * length_ms)


def playout(max_ms: int = 60_000) -> Playout:
    return Playout(bytes_per_ms=8, silence=SILENCE, max_ms=max_ms)


def pop(queue: Playout, times: int = 1) -> list[PlayoutFrame]:
    return [queue.pop(FRAME_MS, now=1.0) for _ in range(times)]


def events(queue: Playout) -> list[PlayoutEvent]:
    return list(iter(queue.next_event, None))


def test_nothing_queued_is_silence_and_no_starvation() -> None:
    queue = playout()
    assert pop(queue) == [PlayoutFrame(ms(20, SILENCE))]
    assert not queue.starvations


def test_audio_comes_out_whole_and_in_order() -> None:
    queue = playout()
    speech = bytes(range(200)) * 8
    queue.push(speech[:500], "a", 0)
    queue.push(speech[500:], "a", 0)
    queue.end_item("a", 0)
    assert b"".join(frame.audio for frame in pop(queue, 10)) == speech


def test_spans_say_what_belongs_to_which_item() -> None:
    queue = playout()
    queue.push(ms(30, b"a"), "a", 0)
    queue.push(ms(20, b"b"), "b", 0)
    queue.end_item("b", 0)
    frames = pop(queue, 3)
    assert [frame.spans for frame in frames] == [
        (Span("a", 0, 0, 160),),
        (Span("a", 0, 0, 80), Span("b", 0, 80, 80)),
        (Span("b", 0, 0, 80),),
    ]
    assert frames[1].audio == ms(10, b"a") + ms(10, b"b")
    assert frames[2].audio == ms(10, b"b") + ms(10, SILENCE)


def test_a_trailing_partial_frame_waits_for_the_rest_of_its_item() -> None:
    queue = playout()
    queue.push(ms(30), "a", 0)
    first, second = pop(queue, 2)
    assert second.audio == ms(20, SILENCE)
    assert second.starved is StarvationCause.BACKEND_LATE
    queue.push(ms(10), "a", 0)
    assert pop(queue)[0].audio == first.audio == ms(20)


def test_a_starvation_has_the_cause_that_the_caller_names() -> None:
    queue = playout()
    queue.push(ms(20), "a", 0)
    pop(queue)
    for cause in (StarvationCause.LOOP_LATE, StarvationCause.LOOP_LATE, StarvationCause.BACKEND_LATE):
        assert queue.pop(FRAME_MS, 1.0, cause).starved is cause
    queue.end_item("a", 0)
    assert queue.starvations == {StarvationCause.LOOP_LATE: 2, StarvationCause.BACKEND_LATE: 1}
    played = events(queue)[-1]
    assert isinstance(played, ItemPlayed)
    assert played.starvations == queue.starvations


def test_an_item_that_has_not_begun_cannot_starve() -> None:
    queue = playout()
    queue.push(ms(10), "a", 0)
    assert pop(queue)[0].starved is None


def test_running_dry_after_the_end_is_no_starvation() -> None:
    queue = playout()
    queue.push(ms(20), "a", 0)
    queue.end_item("a", 0)
    pop(queue, 5)
    assert not queue.starvations


def test_events_tell_the_life_of_an_item() -> None:
    queue = playout()
    queue.push(ms(40), "a", 1)
    queue.end_item("a", 1)
    pop(queue)
    assert events(queue) == [ItemStarted("a", 1, at=1.0)]
    pop(queue)
    assert events(queue) == [
        ItemPlayed("a", 1, played_ms=40, flushed_ms=0, interrupted=False, starvations={})
    ]


def test_an_end_that_comes_after_the_last_sample_finishes_the_item() -> None:
    queue = playout()
    queue.push(ms(20), "a", 0)
    pop(queue)
    queue.end_item("a", 0)
    assert isinstance(events(queue)[-1], ItemPlayed)
    assert queue.flush().heard is None


def test_a_new_item_ends_the_one_before_it() -> None:
    queue = playout()
    queue.push(ms(20), "a", 0)
    pop(queue)
    queue.push(ms(20), "a", 1)
    assert pop(queue)[0].starved is None
    assert [type(event) for event in events(queue)] == [ItemStarted, ItemPlayed, ItemStarted]


def test_barge_in_reports_what_was_heard_and_drops_the_rest() -> None:
    queue = playout()
    queue.push(ms(200), "a", 0)
    queue.push(ms(100), "b", 0)
    queue.push(ms(100), "c", 2)
    pop(queue, 3)
    flushed = queue.flush()
    assert flushed.heard == HeardItem("a", 0, 60)
    assert flushed.dropped_ms == 340
    assert flushed.unheard == (("b", 0), ("c", 2))
    assert pop(queue) == [PlayoutFrame(ms(20, SILENCE))]
    assert queue.queued_ms == 0
    assert events(queue)[-1] == ItemPlayed("a", 0, 60, 140, True, {})


def test_barge_in_while_the_item_starves_still_knows_it() -> None:
    queue = playout()
    queue.push(ms(20), "a", 0)
    pop(queue, 2)
    assert queue.flush().heard == HeardItem("a", 0, 20)


@pytest.mark.parametrize("taken", [0, 2])
def test_barge_in_into_silence_interrupts_nothing(taken: int) -> None:
    queue = playout()
    queue.push(ms(40), "a", 0)
    queue.end_item("a", 0)
    pop(queue, taken)
    assert queue.flush().heard is None


def test_discarded_items_are_dropped_and_counted() -> None:
    queue = playout()
    queue.push(ms(40), "a", 0)
    queue.flush()
    queue.discard("a")
    assert queue.push(ms(40), "a", 0) == 0
    assert queue.push(ms(40), "a", 1) == 0
    assert queue.discarded_ms == 80
    assert queue.push(ms(40), "b", 0) == 320


def test_an_item_that_was_not_discarded_goes_on_after_a_flush() -> None:
    queue = playout()
    queue.push(ms(40), "stream", 0)
    pop(queue)
    queue.flush()
    queue.push(ms(40), "stream", 0)
    pop(queue)
    assert queue.heard_ms("stream", 0) == 40


def test_heard_ms_counts_no_silence() -> None:
    queue = playout()
    queue.push(ms(30), "a", 0)
    queue.end_item("a", 0)
    pop(queue, 10)
    assert queue.heard_ms("a", 0) == 30
    assert queue.heard_ms("never", 0) == 0


def test_audio_over_the_bound_is_dropped_and_counted() -> None:
    queue = playout(max_ms=100)
    assert queue.push(ms(80), "a", 0) == 640
    assert queue.push(ms(80), "a", 0) == 160
    assert queue.queued_ms == 100
    assert queue.overflowed_ms == 60


def test_only_whole_samples_are_accepted_at_the_bound() -> None:
    queue = Playout(bytes_per_ms=16, silence=b"\0\0", max_ms=1)
    assert queue.push(b"x" * 13, "a", 0) == 13
    assert queue.push(b"x" * 13, "a", 0) == 2


def test_a_mark_is_reached_with_the_audio_before_it() -> None:
    queue = playout()
    queue.mark("at once")
    assert events(queue) == [MarkReached("at once")]
    queue.push(ms(20), "a", 0)
    queue.mark("first")
    queue.push(ms(20), "a", 0)
    queue.mark("second")
    pop(queue)
    assert MarkReached("first") in events(queue)
    queue.flush()
    assert MarkReached("second") in events(queue)


def test_what_was_played_is_not_kept() -> None:
    queue = playout()
    for _ in range(100):
        queue.push(ms(50), "stream", 0)
    for _ in range(249):
        pop(queue)
    assert sum(map(len, queue._items[0].chunks)) == len(ms(50))


pushes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 700)), max_size=30)


@settings(max_examples=100, deadline=None)
@given(pushes, st.lists(st.integers(1, 60), max_size=60), st.randoms(use_true_random=False))
def test_the_spans_add_up_to_what_was_heard(pushed, pops, rng) -> None:  # type: ignore[no-untyped-def]
    queue = playout(max_ms=400)
    spanned: dict[str, int] = {}
    accepted = 0
    steps = [("push", step) for step in pushed] + [("pop", step) for step in pops]
    rng.shuffle(steps)
    for kind, step in steps:
        if kind == "push":
            accepted += queue.push(b"s" * step[1], str(step[0]), 0)
            continue
        frame = queue.pop(step, 0.0)
        assert len(frame.audio) == step * 8
        assert frame.audio.count(b"s") == sum(span.size for span in frame.spans)
        for span in frame.spans:
            spanned[span.item_id] = spanned.get(span.item_id, 0) + span.size
    assert all(queue.heard_ms(item, 0) == size // 8 for item, size in spanned.items())
    assert sum(spanned.values()) + queue.queued_ms * 8 == accepted


def test_items_may_be_flushed_by_choice() -> None:
    queue = playout()
    for item_id in ("a", "b", "c"):
        queue.push(ms(100), item_id, 0)
        queue.end_item(item_id, 0)
    pop(queue, 2)
    flushed = queue.flush(lambda item_id: item_id != "b")
    assert flushed.heard == HeardItem("a", 0, 40)
    assert (flushed.dropped_ms, flushed.unheard) == (160, (("c", 0),))
    assert queue.item_ids == ("b",)
    assert (queue.queued_ms, queue.waiting_ms("b"), queue.waiting_ms("c")) == (100, 100, 0)
    assert [frame.audio for frame in pop(queue, 2)] == [ms(20), ms(20)]


def test_while_it_is_paused_nothing_is_taken_and_nobody_is_to_blame() -> None:
    queue = playout()
    queue.push(ms(40, b"b"), "a", 0)
    assert pop(queue)[0].audio == ms(20, b"b")
    queue.pause()
    assert pop(queue, 2) == [PlayoutFrame(ms(20, SILENCE))] * 2
    queue.resume()
    assert pop(queue)[0].audio == ms(20, b"b")
    assert not queue.starvations
