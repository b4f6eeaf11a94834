"""A leg and its audio, from the first moment to the last."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sipagent.events.base import CallEvent


class LegReady(CallEvent, frozen=True, kw_only=True):
    """The backend is configured: the call may be answered.

    `expires_at` is when its session ends by itself, as Unix time; None if it doesn't say. `agent` is who
    answers: not the one that the call was meant for, where that one failed.
    """

    ready_ms: float
    expires_at: float | None = None
    agent: str = ""


class LegFailed(CallEvent, frozen=True, kw_only=True):
    """The leg never became ready. Its last event."""

    sip_status: int
    reason_code: str
    detail: str


class PathBuilt(CallEvent, frozen=True, kw_only=True):
    """The audio path, printed, as it is from now on: at the start, and after a change of codec."""

    path: str


class MediaStarted(CallEvent, frozen=True, kw_only=True):
    """The first valid RTP packet came in, and its source is locked."""

    source: str


class AnswererDetected(CallEvent, frozen=True, kw_only=True):
    """Who has answered a call of ours, as far as can be heard, and by which sign (see `rtp.answering`).

    Times are ms of the callee's audio: `after_ms` since the answer, `greeting_ms` how long it spoke, after
    `initial_silence_ms`; `words` are stretches of speech.
    """

    kind: Literal["human", "machine", "fax", "announcement", "unknown"]
    reason: str
    after_ms: int
    greeting_ms: int
    initial_silence_ms: int
    words: int


class BeepHeard(CallEvent, frozen=True, kw_only=True):
    """The machine takes a message from now on. `hz` 0: it had no beep, but has been silent for long."""

    hz: int
    duration_ms: int
    after_ms: int


class RecordingStarted(CallEvent, frozen=True, kw_only=True):
    """The recording, which had to wait for a consent announcement, begins here."""


class RecordingResumed(CallEvent, frozen=True, kw_only=True):
    """A worker that was lost had not written all; the recording goes on in the same file, by the same clock.

    In the `missing_ms` before `lost_at` it is silent. From then on it has what was heard and sent.
    """

    lost_at: float
    missing_ms: int


class RecordingTruncated(CallEvent, frozen=True, kw_only=True):
    """The recording lacks audio from now on, or has lost some. The call goes on."""

    detail: str


class LegRehomed(CallEvent, frozen=True, kw_only=True):
    """The call's media worker was lost, and another carries its audio. Nobody speaks for the agent yet.

    `at` is the first tick of the new one, `gap_ms` what it came after. What the RTP report counts goes on; of
    the last `uncounted_ms` before the loss it knows nothing. Workers go by their numbers.
    """

    cause: Literal["died", "hung"]
    gap_ms: int
    uncounted_ms: int
    from_worker: int
    to_worker: int


class LegEnded(CallEvent, frozen=True, kw_only=True):
    """The last event of a leg that became ready, sent once. `rtp` is `rtp.stats.RtpReport.as_dict()`.

    `recording_left`: its worker died over the recording, which is still to be completed.
    """

    reason: str
    detail: str = ""
    rtp: dict[str, Any] = msgspec.field(default_factory=dict)
    audio: dict[str, Any] = msgspec.field(default_factory=dict)
    recording: str | None = None
    recording_truncated: bool = False
    recording_left: bool = False


MediaEvent = (
    LegReady
    | LegFailed
    | PathBuilt
    | MediaStarted
    | AnswererDetected
    | BeepHeard
    | RecordingStarted
    | RecordingResumed
    | RecordingTruncated
    | LegRehomed
    | LegEnded
)
