"""One item of agent speech while it waits in playout."""

from collections import Counter, deque
from dataclasses import dataclass, field

from rtp.events import ItemPlayed, MarkReached, StarvationCause

ItemKey = tuple[str, int]
"""(item_id, content_index), as the backend names a piece of speech."""


@dataclass(slots=True)
class SpeechItem:
    """A piece of speech; `pushed`, `taken` and the places of marks count its bytes from the beginning."""

    key: ItemKey
    chunks: deque[bytes] = field(default_factory=deque)
    """What waits, as it came; of the first, `begun` bytes are taken."""
    begun: int = 0
    pushed: int = 0
    taken: int = 0
    waiting: int = 0
    """Bytes not yet taken."""
    ended: bool = False
    starvations: Counter[StarvationCause] = field(default_factory=Counter)
    marks: deque[tuple[int, str]] = field(default_factory=deque)

    def append(self, audio: bytes) -> None:
        """Put audio at the end."""
        if audio:
            self.chunks.append(audio)
        self.pushed += len(audio)
        self.waiting += len(audio)

    def take(self, size: int) -> bytes:
        """Take bytes from the beginning, of which at least `size` wait, and one at least."""
        self.taken += size
        self.waiting -= size
        start, end = self.begun, self.begun + size
        if end < len(self.chunks[0]):
            self.begun = end
            return self.chunks[0][start:end]
        return self._take_across(size)

    def _take_across(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = self.chunks[0][self.begun : self.begun + size]
            pieces.append(piece)
            size -= len(piece)
            self.begun += len(piece)
            if self.begun == len(self.chunks[0]):
                self.chunks.popleft()
                self.begun = 0
        return b"".join(pieces)

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
