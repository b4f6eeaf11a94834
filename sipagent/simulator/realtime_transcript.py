"""What the simulated transcription service makes of a caller's item, some time after it was committed."""

from __future__ import annotations

from sipagent.simulator.realtime_conversation import Entry
from sipagent.simulator.realtime_emitter import Emitter
from sipagent.simulator.realtime_usage import transcription_usage

_KIND = "conversation.item.input_audio_transcription"


def emit_transcript(emitter: Emitter, entry: Entry, text: str | None) -> None:
    """`text` word by word and whole; None means that nobody understood it."""
    place = {"item_id": entry.id, "content_index": 0}
    if text is None:
        error = {"type": "transcription_error", "code": "audio_unintelligible", "param": None}
        message = "The audio could not be transcribed."
        emitter.emit(f"{_KIND}.failed", **place, error={**error, "message": message})
        return
    for word in text.split(" "):
        emitter.emit_delta(f"{_KIND}.delta", **place, delta=f"{word} ")
    usage = transcription_usage(entry.audio_ms, text)
    emitter.emit(f"{_KIND}.completed", **place, transcript=text, usage=usage)
