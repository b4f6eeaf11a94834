"""Voice activity by energy, on the caller's audio as it is appended. Does no I/O; its clock is the audio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from sipagent.formats import AudioFormat
from sipagent.simulator.laws import decoded

WINDOW_MS = 20
#: Speech must last this long to count: a click isn't a barge-in.
ONSET_MS = 60
#: A semantic VAD knows when a sentence is over. This one waits longer, the less eager it is told to be.
_EAGERNESS_SILENCE_MS = {"high": 300, "auto": 500, "medium": 500, "low": 1000}

Turn = tuple[Literal["started", "stopped"], int]


class EnergyVad:
    """Feed audio, get the starts and ends of speech in ms of audio since the first byte."""

    def __init__(self) -> None:
        self.speaking = False
        self.position_ms = 0
        self._rest = b""
        self._loud_ms = 0
        self._quiet_ms = 0

    def feed(self, audio: bytes, audio_format: AudioFormat, settings: Mapping[str, Any]) -> list[Turn]:
        """`settings` is the session's `turn_detection`. The start includes its prefix padding."""
        turns: list[Turn] = []
        self._rest += audio
        size = WINDOW_MS * audio_format.bytes_per_ms
        while len(self._rest) >= size:
            window, self._rest = self._rest[:size], self._rest[size:]
            self.position_ms += WINDOW_MS
            turn = self._step(_level_db(decoded(window, audio_format)), settings)
            if turn is not None:
                turns.append(turn)
        return turns

    def _step(self, level_db: float, settings: Mapping[str, Any]) -> Turn | None:
        if level_db >= _threshold_db(settings):
            self._loud_ms += WINDOW_MS
            self._quiet_ms = 0
        else:
            self._quiet_ms += WINDOW_MS
            self._loud_ms = 0
        if not self.speaking and self._loud_ms >= ONSET_MS:
            self.speaking = True
            padding_ms = settings.get("prefix_padding_ms", 0)
            return "started", max(0, self.position_ms - self._loud_ms - padding_ms)
        if self.speaking and self._quiet_ms >= _silence_ms(settings):
            self.speaking = False
            return "stopped", self.position_ms
        return None


def _level_db(pcm: bytes) -> float:
    """RMS level relative to full scale."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    power = float(np.dot(samples, samples)) / max(1, samples.size)
    return 10 * float(np.log10(power / 32768**2 + 1e-12))


def _threshold_db(settings: Mapping[str, Any]) -> float:
    """The model's 0..1 is a probability; here it spans -60 to -20 dB below full scale."""
    return -60 + 40 * float(settings.get("threshold", 0.5))


def _silence_ms(settings: Mapping[str, Any]) -> int:
    if settings["type"] == "semantic_vad":
        return _EAGERNESS_SILENCE_MS[settings["eagerness"]]
    return int(settings["silence_duration_ms"])
