"""What goes out in each frame: a digit that is to be sent, else the agent, else on hold a tone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rtp.playout import Playout, StarvationCause
from rtp.session import RtpSession
from sipagent.formats import AudioFormat
from sipagent.media import tones
from sipagent.media.nodes import conversions
from sipagent.media.pipeline import PCM_8K
from sipagent.worker.orders import PAUSE_MS, PRESS_MS
from sipagent.worker.ticker import FRAME_MS, MAX_CATCH_UP_FRAMES

_FRAME_S = FRAME_MS / 1000


class Outgoing:
    """Chooses frames in `queued`, the format that waits in playout.

    While digits are sent, and between them, the agent waits in playout; so nothing of it is lost or heard in
    pieces. `hush()` is called before a frame of audible digits.
    """

    def __init__(
        self, playout: Playout, queued: AudioFormat, *, hold_tone: bool, hush: Callable[[], None]
    ) -> None:
        self._playout = playout
        self._steps = conversions(PCM_8K, queued)
        self._silence = queued.silence * (FRAME_MS * queued.bytes_per_ms // len(queued.silence))
        self._hold_tone = deque(self._frames(tones.hold())) if hold_tone else None
        self._hush = hush
        self._undialled: deque[tuple[str, bool]] = deque()
        self._dialling: deque[bytes] = deque()
        self._is_quiet = False
        self.on_hold = False
        self.awaits_press = False
        """Has a key been asked for that isn't pressed yet?"""

    def dial(self, digits: str, inband: bool) -> None:
        """Send these digits, after those that are still to be sent."""
        self._undialled.extend((digit, inband) for digit in digits)
        self.awaits_press = bool(self._undialled)

    def press(self, session: RtpSession, now: float) -> None:
        """Press the next key if the line is free for it: as a telephone event if the peer takes those."""
        if self._dialling or not self._undialled or not session.may_send:
            return
        digit, inband = self._undialled.popleft()
        self.awaits_press = bool(self._undialled)
        if inband or not session.sends_digits:
            self._dialling.extend(self._frames(tones.key(digit, PRESS_MS)))
        else:
            session.send_digit(digit, PRESS_MS, now)
        self._dialling.extend([self._silence] * (PAUSE_MS // FRAME_MS))

    def frame(self, now: float, late_s: float) -> bytes:
        """The audio of this tick, which comes `late_s` late."""
        if self._dialling:
            self._is_quiet = False
            self._hush()
            return self._dialling.popleft()
        audio = self._playout.pop_whole(len(self._silence), now)
        if audio is None:
            return self._partial_frame(now, late_s)
        self._is_quiet = False
        return audio

    def _partial_frame(self, now: float, late_s: float) -> bytes:
        """Playout has none that is whole, and mostly nothing."""
        cause = starvation_cause(late_s) if late_s > _FRAME_S else StarvationCause.BACKEND_LATE
        played = self._playout.pop(FRAME_MS, now, cause)
        self._is_quiet = not played.spans and played.starved is None and not self.on_hold
        if self.on_hold and self._hold_tone is not None and not played.spans:
            self._hold_tone.rotate(-1)
            return self._hold_tone[-1]
        return played.audio

    def first_frame(self, now: float) -> bytes | None:
        """The agent's first, if it begins to speak after a frame in which nobody had anything to send."""
        if not self._is_quiet or self.awaits_press or self._playout.queued_ms < FRAME_MS:
            return None
        return self.frame(now, late_s=0.0)

    @property
    def is_dialling(self) -> bool:
        """Is the next frame part of a digit, or of the pause after it?"""
        return bool(self._dialling)

    @property
    def silence(self) -> bytes:
        """A frame of it: what is recorded of a tick without audio."""
        return self._silence

    def _frames(self, pcm: bytes) -> list[bytes]:
        for _, step in self._steps:
            pcm = step(pcm)
        size = len(self._silence)
        return [pcm[at : at + size] for at in range(0, len(pcm), size)]


def starvation_cause(late_s: float) -> StarvationCause:
    """Whom to blame if there is nothing to send on a tick that comes `late_s` late."""
    frames_late = late_s * 1000 / FRAME_MS
    if frames_late > MAX_CATCH_UP_FRAMES:
        return StarvationCause.WORKER_OVERLOADED
    return StarvationCause.LOOP_LATE if frames_late > 1 else StarvationCause.BACKEND_LATE
