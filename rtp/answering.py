"""Who has answered a call of ours: a human, a machine, a fax, or an announcement of the network's.

Judged by what is heard from the answer on, as answering-machine detectors of telephone systems do: a human
says a few words and waits, a machine goes on. Tones say more than speech: see `rtp.answer_tones`. s16le at
8000 Hz.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rtp.answer_tones import are_special, is_beep, is_calling_fax, is_fax, lasts
from rtp.single_tone import FRAME_MS, LEAST_DB, SILENCE, Frame, Tone, ToneTracker, measure
from rtp.utterances import NONE, Utterances, utterances

Kind = Literal["human", "machine", "fax", "announcement", "unknown"]
Reason = Literal[
    "short_greeting",  # and then silence
    "long_greeting",
    "many_words",
    "beep",
    "fax_tone",
    "special_information_tones",
    "steady_sound",  # music, or a noise that is no speech, goes on
    "initial_silence",
    "time_over",
]

_BYTES = 2 * 8 * FRAME_MS
LOOK_EVERY = 5
"""Frames: the pattern of speech is looked at every 100 ms."""
SURPLUS_MS = 200
"""What may come this much late is waited for; then it counts as silence."""
SILENCE_MS = 3000
"""A machine that is silent for so long has no beep, and takes a message all the same."""
STEADY_DB = -40.0
"""A steady sound that is louder isn't just noise of the line."""


@dataclass(frozen=True, slots=True)
class AnsweringParams:
    """The parameters that such detectors have, by their usual names. Levels relative to a sine of full scale.

    `initial_silence_ms` without a word is nobody we know. A greeting, from its first word to its last, of
    `greeting_ms` and more is a machine's, and so is one of more than `maximum_number_of_words`: stretches of
    speech of `min_word_length_ms` and more, with `between_words_silence_ms` between them. It is a human's if
    `after_greeting_silence_ms` follow, or `after_short_greeting_silence_ms` where it took no longer than
    `short_greeting_ms`. What isn't clear after `total_analysis_time_ms` stays so.
    """

    initial_silence_ms: int = 3500
    greeting_ms: int = 3800
    after_greeting_silence_ms: int = 1400
    short_greeting_ms: int = 1200
    after_short_greeting_silence_ms: int = 800
    total_analysis_time_ms: int = 8000
    min_word_length_ms: int = 100
    between_words_silence_ms: int = 60
    maximum_number_of_words: int = 12
    silence_threshold_dbfs: float = -48.0


@dataclass(frozen=True, slots=True)
class Answerer:
    """The verdict. Times are ms of audio since the answer, and by it; `words` are stretches of speech."""

    kind: Kind
    reason: Reason
    after_ms: int
    greeting_ms: int
    initial_silence_ms: int
    words: int


@dataclass(frozen=True, slots=True)
class Beep:
    """A machine takes a message from now on. `hz` 0: it had no beep, but is silent."""

    hz: int
    duration_ms: int
    after_ms: int


class AnsweringDetector:
    """Takes the callee's audio from the answer on. Tells who it is, once, and of a machine the beep, once.

    Nothing is done for audio that comes after that. `tick` stands in for audio that doesn't come: a phone may
    send nothing while nobody speaks.
    """

    def __init__(self, params: AnsweringParams, now: float) -> None:
        self._params = params
        self._began = now
        self._pending = b""
        self._levels: list[float] = []
        self._tracker = ToneTracker()
        self._tones: list[Tone] = []
        self._assumed_ms = 0
        self._pattern: Utterances = NONE
        self._quiet = 0
        self.verdict: Answerer | None = None
        self.is_over = False

    def hear(self, pcm: bytes, now: float) -> Iterator[Answerer | Beep]:
        """Take audio of any length."""
        if self._assumed_ms:
            pcm = self._without_assumed(pcm, now)
        self._pending += pcm
        while len(self._pending) >= _BYTES and not self.is_over:
            frame, self._pending = self._pending[:_BYTES], self._pending[_BYTES:]
            yield from self._take(measure(np.frombuffer(frame, "<i2").astype(np.float32)))

    def tick(self, now: float) -> Iterator[Answerer | Beep]:
        """Time has passed."""
        while not self.is_over and (now - self._began) * 1000 - self._heard_ms > SURPLUS_MS + FRAME_MS:
            self._assumed_ms += FRAME_MS
            yield from self._take(SILENCE)

    @property
    def _heard_ms(self) -> int:
        return len(self._levels) * FRAME_MS

    def _without_assumed(self, pcm: bytes, now: float) -> bytes:
        """Without what fills, afterwards, a time that has been taken for silence already."""
        ahead_ms = self._heard_ms + len(pcm) // 16 - (now - self._began) * 1000
        surplus = max(0, min(self._assumed_ms, int(ahead_ms)))
        self._assumed_ms -= surplus
        return pcm[16 * surplus :]

    def _take(self, frame: Frame) -> Iterator[Answerer | Beep]:
        tone = self._tracker.feed(frame)
        if tone is not None and lasts(tone):
            self._tones.append(tone)
        self._levels.append(frame.level_db)
        if self.verdict is None:
            self.verdict = self._by_tones() or self._by_speech()
            if self.verdict is None:
                return
            self.is_over = self.verdict.kind != "machine"
            yield self.verdict
        if self.verdict.kind == "machine" and (beep := self._beep(frame)) is not None:
            self.is_over = True
            yield beep

    # --- tones --------------------------------------------------------------------------------------

    def _by_tones(self) -> Answerer | None:
        current, tones = self._tracker.current, self._tones
        if current is not None and is_fax(current):
            return self._say("fax", "fax_tone")
        if not tones:
            return None
        if are_special(tones[-3:]):
            return self._say("announcement", "special_information_tones")
        alone = len(tones) == 1 and not self._pattern.words
        if alone and is_calling_fax(tones[0], self._since(tones[0])):
            return self._say("fax", "fax_tone")
        return self._say("machine", "beep") if self._last_beep() is not None else None

    def _last_beep(self) -> Tone | None:
        """The last tone, if it is a machine's beep."""
        if not self._tones or self._tracker.current is not None:
            return None
        *before, tone = self._tones
        has_words = self._pattern.words > 0
        return tone if is_beep(tone, before, self._since(tone), after_words=has_words) else None

    def _beep(self, frame: Frame) -> Beep | None:
        """After a machine's greeting: its beep, or the silence that stands for it."""
        tone = self._last_beep()
        if tone is not None:
            return Beep(round(tone.hz), tone.duration_ms, self._heard_ms)
        is_loud = frame.level_db >= max(self._pattern.threshold_db, self._params.silence_threshold_dbfs)
        self._quiet = 0 if is_loud else self._quiet + 1
        is_quiet = self._quiet * FRAME_MS >= SILENCE_MS and self._tracker.current is None
        return Beep(0, 0, self._heard_ms) if is_quiet else None

    def _since(self, tone: Tone) -> int:
        return (len(self._levels) - tone.end) * FRAME_MS

    # --- speech -------------------------------------------------------------------------------------

    def _by_speech(self) -> Answerer | None:
        if len(self._levels) % LOOK_EVERY:
            return None
        params, now_ms = self._params, self._heard_ms
        self._pattern = pattern = utterances(
            self._without_tones(),
            least_db=params.silence_threshold_dbfs,
            min_word=params.min_word_length_ms // FRAME_MS,
            between_words=params.between_words_silence_ms // FRAME_MS,
        )
        if not pattern.words:
            return self._without_words(now_ms)
        silence_ms, greeting_ms = now_ms - pattern.last * FRAME_MS, pattern.span * FRAME_MS
        enough_ms = params.after_greeting_silence_ms
        if greeting_ms <= params.short_greeting_ms:
            enough_ms = params.after_short_greeting_silence_ms
        if greeting_ms >= params.greeting_ms:
            return self._say("machine", "long_greeting")
        if pattern.words > params.maximum_number_of_words:
            return self._say("machine", "many_words")
        if silence_ms >= enough_ms:
            return self._say("human", "short_greeting")
        return self._say("unknown", "time_over") if now_ms >= params.total_analysis_time_ms else None

    def _without_words(self, now_ms: int) -> Answerer | None:
        if now_ms < self._params.initial_silence_ms or self._tracker.current is not None:
            return None
        if float(np.median(self._levels)) >= STEADY_DB:
            return self._say("machine", "steady_sound")
        return self._say("unknown", "initial_silence")

    def _without_tones(self) -> list[float]:
        """The levels, where a tone is taken for silence."""
        levels, current = self._levels, self._tracker.current
        tones = [*self._tones]
        if current is not None and lasts(current):
            tones.append(current)
        if tones:
            levels = levels.copy()
        for tone in tones:
            levels[tone.start : tone.end] = [LEAST_DB] * (tone.end - tone.start)
        return levels

    def _say(self, kind: Kind, reason: Reason) -> Answerer:
        pattern = self._pattern
        first = pattern.first if pattern.words else len(self._levels)
        return Answerer(
            kind, reason, self._heard_ms, pattern.span * FRAME_MS, first * FRAME_MS, pattern.words
        )
