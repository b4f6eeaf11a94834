"""Audio of any `AudioFormat` as PCM of its rate, and back."""

from __future__ import annotations

from rtp import g711
from sipagent.formats import AudioFormat

_TO_PCM = {"ulaw": g711.ulaw_to_pcm, "alaw": g711.alaw_to_pcm}
_FROM_PCM = {"ulaw": g711.pcm_to_ulaw, "alaw": g711.pcm_to_alaw}


def decoded(audio: bytes, audio_format: AudioFormat) -> bytes:
    convert = _TO_PCM.get(audio_format.encoding)
    return audio if convert is None else convert(audio)


def encoded(pcm: bytes, audio_format: AudioFormat) -> bytes:
    convert = _FROM_PCM.get(audio_format.encoding)
    return pcm if convert is None else convert(pcm)
