"""THE place to see the audio path: one expression a direction, built here and nowhere else.

    caller   rtp -> tee(rec.caller) -> tee(digits) -> decode(ulaw) -> resample(8000>24000) -> backend
    agent    backend -> resample(24000>8000) -> encode(ulaw) -> playout
    wire     playout -> tee(rec.agent) -> rtp

When phone and backend speak the same law there is no conversion at all. Playout, where agent audio waits for
its time, parts the agent's way in two: what the recording gets is what went out. It waits in the law that
the phone is expected to speak, which takes the least room and leaves nothing to be done at its time; a phone
that comes to speak another has it converted on the way out. Digits are listened for only
where they may be in the audio, or must not be in the recording; ears judge speech that may interrupt; who has
answered a call of ours is listened for until it is known.
"""

from __future__ import annotations

from sipagent.formats import AudioFormat
from sipagent.media.answering import AnswerWatch
from sipagent.media.digits import DigitDetector
from sipagent.media.ears import Ears
from sipagent.media.nodes import Node, Sink, Tee, Write, convert_into
from sipagent.media.recorder import Recorder

PCM_8K: AudioFormat = AudioFormat("pcm", 8000)


def caller(
    phone: AudioFormat,
    backend_input: AudioFormat,
    to_backend: Write,
    recorder: Recorder | None,
    detector: DigitDetector | None = None,
    ears: Ears | None = None,
    tap: Write | None = None,
    answering: AnswerWatch | None = None,
) -> Node:
    """From RTP to the backend."""
    path = convert_into(phone, backend_input, Sink("backend", to_backend))
    if ears is not None:
        path = Tee("ears", ears.caller_lane(phone), path)
    if detector is not None:
        path = Tee("digits", detector.lane(phone), path)
    if answering is not None:
        path = Tee("answering", answering.lane(phone), path)
    if tap is not None:
        path = Tee("tap", tap, path)
    return path if recorder is None else Tee("rec.caller", recorder.lane("caller", phone), path)


def agent(backend_output: AudioFormat, queued: AudioFormat, to_playout: Write) -> Node:
    """From a backend to playout."""
    return convert_into(backend_output, queued, Sink("playout", to_playout))


def wire(
    queued: AudioFormat,
    phone: AudioFormat,
    to_rtp: Write,
    recorder: Recorder | None,
    ears: Ears | None = None,
    tap: Write | None = None,
) -> Node:
    """From playout to RTP."""
    path: Node = Sink("rtp", to_rtp)
    if tap is not None:
        path = Tee("tap", tap, path)
    path = convert_into(queued, phone, path)
    if ears is not None:
        path = Tee("ears", ears.agent_lane(queued), path)
    return path if recorder is None else Tee("rec.agent", recorder.lane("agent", queued), path)
