"""Playout: the only place where agent audio waits, and the truth about what the caller heard.

Policy: one owner, bounded in ms, never blocks. Audio over the bound is dropped and counted. Items play in the
order of their first push and never interleave: the first push of an item ends the one before it.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rtp.events import ItemStarted, MarkReached, PlayoutEvent, StarvationCause
from rtp.speech import ItemKey, SpeechItem

__all__ = ["BeingHeard", "Flushed", "HeardItem", "Playout", "PlayoutFrame", "Span", "StarvationCause"]

MAX_REMEMBERED = 64
"""Finished items whose heard_ms can still be asked for, and discarded items."""


class Span(NamedTuple):
    """Bytes `start` to `start + size` of a frame, which belong to one item."""

    item_id: str
    content_index: int
    start: int
    size: int


class PlayoutFrame(NamedTuple):
    """Exactly the bytes asked for. What no span covers is silence; `starved` names why, in mid-item."""

    audio: bytes
    spans: tuple[Span, ...] = ()
    starved: StarvationCause | None = None


@dataclass(frozen=True, slots=True)
class HeardItem:
    """What the caller had heard of an item when it was interrupted."""

    item_id: str
    content_index: int
    heard_ms: int


@dataclass(frozen=True, slots=True)
class BeingHeard:
    """An item that has begun. `waiting_ms` is what there is of the rest: all of it if the item `is_whole`."""

    item_id: str
    played_ms: int
    waiting_ms: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Flushed:
    """The outcome of a barge-in. `heard` is None if no item was being heard; `unheard` never began."""

    heard: HeardItem | None
    dropped_ms: int
    unheard: tuple[ItemKey, ...]


class Playout:
    """A queue of items in one audio format: `bytes_per_ms`, with `silence` the bytes of one silent sample."""

    def __init__(
        self,
        bytes_per_ms: int,
        silence: bytes,
        max_ms: int = 300_000,
        is_speech: Callable[[str], bool] = lambda item_id: True,
    ) -> None:
        """`is_speech(item_id)` says which items count as `speech_items`."""
        self.events: deque[PlayoutEvent] = deque()
        """Those that next_event() has not told yet."""
        self.speech_items = 0
        """Items of speech that wait or are being played."""
        self.overflowed_ms = 0.0
        """Audio that was over the bound."""
        self.discarded_ms = 0.0
        """Audio of items that had been discarded."""
        self.starvations: Counter[StarvationCause] = Counter()
        self._bytes_per_ms = bytes_per_ms
        self._silence = silence
        self._capacity = max_ms * bytes_per_ms
        self._queued = 0
        self._items: deque[SpeechItem] = deque()
        self._heard: dict[ItemKey, int] = {}
        self._discarded: dict[str, None] = {}
        self._is_speech = is_speech
        self._nothing = PlayoutFrame(b"")
        self._is_paused = False

    @property
    def keys(self) -> tuple[ItemKey, ...]:
        """The items that wait or are being played, in their order."""
        return tuple(item.key for item in self._items)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """The same without their content indexes."""
        return tuple(item.key[0] for item in self._items)

    @property
    def queued_ms(self) -> float:
        """Audio waiting."""
        return self._queued / self._bytes_per_ms

    def waiting_ms(self, item_id: str) -> float:
        """Audio of this item that waits."""
        return sum(item.waiting for item in self._items if item.key[0] == item_id) / self._bytes_per_ms

    @property
    def being_heard(self) -> BeingHeard | None:
        """The item at the head, if some of it has been taken."""
        if not self._items or not self._items[0].taken:
            return None
        head, per_ms = self._items[0], self._bytes_per_ms
        return BeingHeard(head.key[0], head.taken // per_ms, head.waiting // per_ms, head.ended)

    def pause(self) -> None:
        """Until `resume` nothing is taken: pop() gives silence, and nobody is to blame for it."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on where it was paused."""
        self._is_paused = False

    def push(self, audio: bytes, item_id: str, content_index: int) -> int:
        """Queue audio of an item. Returns the bytes accepted; the rest is over the bound, or all of it of an
        item that was discarded."""
        if item_id in self._discarded:
            self.discarded_ms += len(audio) / self._bytes_per_ms
            return 0
        item = self._item((item_id, content_index))
        room = self._capacity - self._queued
        accepted = min(len(audio), room - room % len(self._silence))
        item.append(audio[:accepted])
        self._queued += accepted
        self.overflowed_ms += (len(audio) - accepted) / self._bytes_per_ms
        return accepted

    def end_item(self, item_id: str, content_index: int) -> None:
        """No more audio will come for this item, so running dry after it is not a starvation."""
        for item in self._items:
            if item.key == (item_id, content_index):
                item.ended = True
        self._retire_played()

    def mark(self, name: str) -> None:
        """Report MarkReached once all audio pushed so far has been taken."""
        if self._items and self._items[-1].waiting:
            self._items[-1].marks.append((self._items[-1].pushed, name))
        else:
            self.events.append(MarkReached(name))

    def pop(self, ms: int, now: float, cause: StarvationCause = StarvationCause.BACKEND_LATE) -> PlayoutFrame:
        """Take the next `ms` of audio, padded with silence, and count it as heard. `cause` is to blame if an
        item that began and has not ended has less than that; its partial frame is kept for the next pop."""
        size = ms * self._bytes_per_ms
        if not self._items:
            return self._silent(size)
        head = self._items[0]
        audio = self.pop_whole(size, now)
        if audio is not None:
            return PlayoutFrame(audio, (Span(*head.key, 0, size),))
        return self._pop_pieces(size, now, cause)

    def pop_whole(self, size: int, now: float) -> bytes | None:
        """What pop() takes nearly always: `size` bytes of one item. None if it would not be that."""
        if not self._items or self._is_paused:
            return None
        head = self._items[0]
        return self._take(head, size, now) if head.waiting >= size else None

    def _silent(self, size: int) -> PlayoutFrame:
        """The same one for each frame of this size."""
        if len(self._nothing.audio) != size:
            self._nothing = PlayoutFrame(self._silence * (size // len(self._silence)))
        return self._nothing

    def _pop_pieces(self, size: int, now: float, cause: StarvationCause) -> PlayoutFrame:
        audio = bytearray()
        spans: list[Span] = []
        while self._items and len(audio) < size and not self._is_paused:
            item = self._items[0]
            wanted = size - len(audio)
            if item.waiting < wanted and not item.ended:
                break
            taken = min(item.waiting, wanted)
            spans.append(Span(*item.key, len(audio), taken))
            audio += self._take(item, taken, now)
        starved = self._count_starvation(cause) if len(audio) < size else None
        audio += self._silence * ((size - len(audio)) // len(self._silence))
        return PlayoutFrame(bytes(audio), tuple(spans), starved)

    def heard_ms(self, item_id: str, content_index: int) -> int:
        """Whole ms of this item that were taken to be sent: no silence, no concealment."""
        key = (item_id, content_index)
        for item in self._items:
            if item.key == key:
                return item.taken // self._bytes_per_ms
        return self._heard.get(key, 0) // self._bytes_per_ms

    def flush(self, chosen: Callable[[str], bool] | None = None) -> Flushed:
        """Drop everything that waits, or of it the items that are chosen by their ids. What the backend still
        sends of these is for discard()."""
        before, kept = self._queued, deque[SpeechItem]()
        heard: HeardItem | None = None
        unheard: list[ItemKey] = []
        while self._items:
            item = self._items.popleft()
            if chosen is not None and not chosen(item.key[0]):
                kept.append(item)
                continue
            self._queued -= item.waiting
            if item.taken:
                heard = HeardItem(*item.key, item.taken // self._bytes_per_ms)
                self._report_over(item)
            else:
                unheard.append(item.key)
            self.events += item.marks_until(item.pushed)
        self._items = kept
        self._count_speech()
        return Flushed(heard, (before - self._queued) // self._bytes_per_ms, tuple(unheard))

    def discard(self, item_id: str) -> None:
        """Drop audio of this item that is pushed from now on."""
        self._discarded[item_id] = None
        _forget_oldest(self._discarded)

    def next_event(self) -> PlayoutEvent | None:
        """The oldest event not yet reported."""
        return self.events.popleft() if self.events else None

    def _item(self, key: ItemKey) -> SpeechItem:
        """The item in its place, or at the end of the queue: new, or going on after it had been heard."""
        for item in self._items:
            if item.key == key:
                return item
        if self._items:
            self._items[-1].ended = True
            self._retire_played()
        heard = self._heard.get(key, 0)
        self._items.append(SpeechItem(key, pushed=heard, taken=heard))
        self._count_speech()
        return self._items[-1]

    def _take(self, item: SpeechItem, size: int, now: float) -> bytes:
        if not item.taken:
            self.events.append(ItemStarted(*item.key, now))
        self._queued -= size
        audio = item.take(size)
        if item.marks:
            self.events += item.marks_until(item.taken)
        if item.ended and not item.waiting:
            self._retire_played()
        return audio

    def _count_starvation(self, cause: StarvationCause) -> StarvationCause | None:
        if not self._items or not self._items[0].taken or self._is_paused:
            return None
        self._items[0].starvations[cause] += 1
        self.starvations[cause] += 1
        return cause

    def _retire_played(self) -> None:
        while self._items and self._items[0].ended and not self._items[0].waiting:
            self._report_over(self._items.popleft())
        self._count_speech()

    def _count_speech(self) -> None:
        self.speech_items = sum(self._is_speech(item.key[0]) for item in self._items)

    def _report_over(self, item: SpeechItem) -> None:
        self._heard[item.key] = item.taken
        _forget_oldest(self._heard)
        self.events.append(item.played(self._bytes_per_ms))


def _forget_oldest(remembered: dict[Any, Any]) -> None:
    while len(remembered) > MAX_REMEMBERED:
        del remembered[next(iter(remembered))]
