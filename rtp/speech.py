"""One item of agent speech while it waits in playout."""

from collections import Counter, deque
from dataclasses import dataclass, field

from rtp.events import ItemPlayed, MarkReached, StarvationCause

ItemKey = tuple[str, int]
"""(item_id, content_index), as the backend names a piece of speech."""

_TRIM_BYTES = 65536


@dataclass(slots=True)
class SpeechItem:
    """A piece of speech; `pushed`, `taken` and the places of marks count its bytes from the beginning."""

    key: ItemKey
    audio: bytearray = field(default_factory=bytearray)
    pushed: int = 0
    taken: int = 0
    waiting: int = 0
    """Bytes not yet taken."""
    ended: bool = False
    starvations: Counter[StarvationCause] = field(default_factory=Counter)
    marks: deque[tuple[int, str]] = field(default_factory=deque)

    def append(self, audio: bytes) -> None:
        """Put audio at the end."""
        self.audio += audio
        self.pushed += len(audio)
        self.waiting += len(audio)

    def take(self, size: int) -> bytes:
        """Take bytes from the beginning, of which at least `size` wait."""
        start = len(self.audio) - self.waiting
        taken = bytes(self.audio[start : start + size])
        self.taken += size
        self.waiting -= size
        if start > _TRIM_BYTES:
            del self.audio[: start + size]
        return taken

    def marks_until(self, place: int) -> list[MarkReached]:
        """Take the marks up to a place, oldest first."""
        reached = []
        while self.marks and self.marks[0][0] <= place:
            reached.append(MarkReached(self.marks.popleft()[1]))
        return reached

    def played(self, bytes_per_ms: int) -> ItemPlayed:
        """What to report when the item is over: played to its end, or interrupted."""
        return ItemPlayed(
            *self.key,
            played_ms=self.taken // bytes_per_ms,
            flushed_ms=self.waiting // bytes_per_ms,
            interrupted=self.waiting > 0 or not self.ended,
            starvations=dict(self.starvations),
        )
