"""The one thread of a worker that writes its recordings, so that a slow disk never delays audio.

The loop wakes nobody for a chunk: the thread looks every GATHER_S for what has come from all calls. At each
wake-up and each write, thread and loop contend for the interpreter, and audio waits for whoever loses.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

QUEUE_CHUNKS = 4096
GATHER_S = 0.05

Job = Callable[[], object]


class RecordingWriter:
    """Does what it is given, in order.

    Its queue is bounded: chunks over the bound are refused. The one end of a recording is always taken, so
    that no file stays open.
    """

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._is_urgent = threading.Event()
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="recording-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> bool:
        """Queue the writing of a chunk; False if the disk is so slow that the queue is full."""
        if len(self._jobs) >= QUEUE_CHUNKS:
            return False
        self._jobs.append(job)
        return True

    def submit_end(self, job: Job) -> None:
        """Queue the end of a recording, which somebody waits for."""
        self._jobs.append(job)
        self._is_urgent.set()

    def close(self) -> None:
        """Write what is queued, then end the thread."""
        self.submit_end(self._end)
        self._thread.join()

    def _run(self) -> None:
        while self._is_open:
            self._is_urgent.wait(GATHER_S)
            self._is_urgent.clear()
            while self._jobs:
                self._jobs.popleft()()

    def _end(self) -> None:
        self._is_open = False
