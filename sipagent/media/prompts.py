"""The sounds of prompts in the format that a call needs, read off the loop and kept."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from pathlib import Path

from sipagent.formats import AudioFormat
from sipagent.media import tones
from sipagent.media.nodes import conversions
from sipagent.media.pipeline import PCM_8K
from sipagent.sounds import files

KEPT = 64


async def load(name: str, audio: AudioFormat) -> bytes:
    """A WAV file, or one of `tones.BUILT_IN`, whole, as `audio`. Raises OSError or `SoundError`."""
    if name in tones.BUILT_IN:
        return converted(tones.BUILT_IN[name](), audio)
    return converted(await asyncio.to_thread(files.read, Path(name)), audio)


@lru_cache(maxsize=KEPT)
def converted(pcm: bytes, audio: AudioFormat) -> bytes:
    """s16le at 8000 Hz as `audio`."""
    for _, step in conversions(PCM_8K, audio):
        pcm = step(pcm)
    return pcm
