"""THE place to see the audio path: one expression per direction, built here and nowhere else.

    caller:  PCMU/8000 -> tee(rec.caller) -> decode(ulaw) -> resample(8000>24000) -> backend
    agent:   backend -> resample(24000>8000) -> playout;  playout -> tee(rec.agent) -> encode(ulaw) -> rtp

When phone and backend speak the same law there is no conversion at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from sipagent.formats import AudioFormat
from sipagent.media.nodes import Node, Sink, Tee, Write, convert_into
from sipagent.media.recorder import Recorder

PCM_8K = AudioFormat("pcm", 8000)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The three ways that audio is written: from RTP, from the backend, and from playout."""

    from_rtp: Node
    from_backend: Node
    from_playout: Node

    def __str__(self) -> str:
        return (
            f"caller: rtp -> {self.from_rtp} | agent: backend -> {self.from_backend} -> {self.from_playout}"
        )


def playout_format(backend_output: AudioFormat) -> AudioFormat:
    """What waits in playout: the backend's own law bytes, or PCM at the phone's rate."""
    return backend_output if backend_output.encoding != "pcm" else PCM_8K


def build(
    *,
    phone: AudioFormat,
    backend_input: AudioFormat,
    backend_output: AudioFormat,
    to_backend: Write,
    to_playout: Write,
    to_rtp: Write,
    recorder: Recorder | None,
) -> Pipeline:
    """Build the path for one codec. Built anew when a re-INVITE changes the phone's law."""
    queued = playout_format(backend_output)

    from_rtp = convert_into(phone, backend_input, Sink("backend", to_backend))
    from_backend = convert_into(backend_output, queued, Sink("playout", to_playout))
    from_playout = convert_into(queued, phone, Sink("rtp", to_rtp))
    if recorder is not None:
        from_rtp = Tee("rec.caller", recorder.lane("caller", phone), from_rtp)
        from_playout = Tee("rec.agent", recorder.lane("agent", queued), from_playout)
    return Pipeline(from_rtp, from_backend, from_playout)
