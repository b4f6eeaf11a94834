"""One call over a bad network: what was kept of it, and what can be measured of that."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.listening import BLOCK, Track, by_phone, delays_ms, found_blocks, least_delay_ms, quality
from benchmarks.speech import RATE, VOICES, Pcm, speech
from rtp import g711
from rtp.packet import RtpPacket
from rtp.wav import HEADER_BYTES
from sipagent.simulator.realtime_log import Logged, SessionLog
from sipagent.simulator.realtime_server import ServedSession
from tests.e2e.support.joiner import Impairment, Tally
from tests.e2e.support.phone import FRAME_MS, Phone
from tests.e2e.support.server import Record

SPEECH_S = 12


def words(voice: str, seconds: int = SPEECH_S) -> Pcm:
    """The end of what a voice reads, where G.711 alone costs it the least; for long, all again and again."""
    whole = speech(voice)
    return whole[-seconds * RATE :] if seconds * RATE <= len(whole) else np.resize(whole, seconds * RATE)


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The network both ways, and how much faster the caller's clock is."""

    to_us: Impairment = Impairment()
    to_them: Impairment = Impairment()
    clock_ppm: float = 0.0


class Figures(msgspec.Struct, kw_only=True):
    """What was measured of one call. `delay` is from packet to message, and from message to ear."""

    pesq_model: float
    stoi_model: float
    pesq_caller: float
    stoi_caller: float
    delay_model_ms: float
    delay_caller_ms: float
    delay_change_ms: float
    """Of the least delay to the model, from the first half of the call to the second."""
    altered_bytes: int
    """Of the caller's audio as the model got it."""
    lost: int
    late: int
    duplicate: int
    reordered: int
    packets: int
    late_percent: float
    concealed_ms: float
    depth_ms: float
    starvations: dict[str, int]
    """Frames of 20 ms in which the agent's speech had a hole, by cause."""
    starved: int
    """All of them."""
    recording_ms: float
    """How much longer it is than the call."""
    alignment_ms: float
    """By how much the caller's side is off against the agent's, where that is most."""
    network_lost: int


@dataclass(frozen=True)
class Conversation:
    """One call and all that was kept of it; measuring takes a while and may be done elsewhere."""

    said: Track
    got: Track
    """By the model."""
    spoken_from: float
    packets: list[tuple[float, RtpPacket]]
    """To the caller, who has `frame_s` between its own."""
    frame_s: float
    record: Record
    seconds: int
    tallies: tuple[Tally, Tally]

    @classmethod
    def of(
        cls,
        phone: Phone,
        session: ServedSession,
        record: Record,
        conditions: Conditions,
        seconds: int,
        tallies: tuple[Tally, Tally],
    ) -> "Conversation":
        frame_s = FRAME_MS / 1000 / (1 + conditions.clock_ppm / 1e6)
        got, position = [], 0
        for entry in entries(session.log, "input_audio_buffer.append"):
            size = entry.event["audio"]
            got.append((entry.at, bytes(session.log.caller_audio[position : position + size])))
            position += size
        return cls(
            said=Track.steady(words(VOICES[0], seconds), phone.talking_since, frame_s),
            got=Track.of_law(got),
            spoken_from=entries(session.log, "response.output_audio.delta")[0].at,
            packets=[(heard.at, heard.packet) for heard in phone.heard],
            frame_s=frame_s,
            record=record,
            seconds=seconds,
            tallies=tallies,
        )

    def figures(self) -> Figures:
        spoken = words(VOICES[1], self.seconds)
        heard = by_phone(self.packets, self.frame_s)
        to_model, to_caller = quality(self.said.pcm, self.got.pcm), quality(spoken, heard.pcm)
        up = delays_ms(self.said, self.got)
        down = delays_ms(Track.steady(spoken, self.spoken_from), heard)
        inbound = self.record["rtp"]["inbound"]
        left, right = recorded(Path(self.record["recording"]))
        starvations: dict[str, int] = {}
        for turn in self.record["turns"]:
            for cause, frames in turn["starvations"].items():
                starvations[cause] = starvations.get(cause, 0) + frames
        return Figures(
            pesq_model=to_model.pesq,
            stoi_model=to_model.stoi,
            pesq_caller=to_caller.pesq,
            stoi_caller=to_caller.stoi,
            delay_model_ms=float(np.median(up)),
            delay_caller_ms=float(np.median(down)),
            delay_change_ms=min(up[len(up) // 2 :]) - min(up[: len(up) // 2]),
            altered_bytes=altered(self.said.pcm, self.got.pcm),
            lost=inbound["lost"],
            late=inbound["late"],
            duplicate=inbound["duplicate"],
            reordered=inbound["reordered"],
            packets=inbound["packets"],
            late_percent=100 * inbound["late"] / max(inbound["packets"], 1),
            concealed_ms=inbound["concealed_ms"],
            depth_ms=inbound["buffer_depth_ms"],
            starvations=starvations,
            starved=sum(starvations.values()),
            recording_ms=1000 * (len(left) / RATE - self.record["duration_s"]),
            alignment_ms=self._alignment_ms(spoken, left, right),
            network_lost=self.tallies[0].lost,
        )

    def _alignment_ms(self, spoken: Pcm, left: Pcm, right: Pcm) -> float:
        """The agent's side tells when the file begins. The caller's audio may then stand anywhere from when
        it could have come at best to when it passed: its waiting in a buffer doesn't change its place."""
        turn = next(turn for turn in self.record["turns"] if turn["role"] == "agent")
        wire = Track.steady(spoken, self.record["received_monotonic_s"] + turn["started_s"])
        began = float(
            np.median([wire.time_of(end(b.said)) - end(b.heard) / RATE for b in found_blocks(spoken, right)])
        )
        at_best = least_delay_ms(self.said, self.got) / 1000
        passed = {b.said: self.got.time_of(end(b.heard)) for b in found_blocks(self.said.pcm, self.got.pcm)}
        off = [0.0]
        for block in found_blocks(self.said.pcm, left):
            stands = began + end(block.heard) / RATE
            earliest = self.said.time_of(end(block.said)) + at_best
            off.append(stands - min(max(stands, earliest), passed.get(block.said, earliest)))
        return 1000 * max(off, key=abs)


def entries(log: SessionLog, kind: str) -> list[Logged]:
    """All events of one type."""
    return [entry for entry in log.entries if entry.event.get("type") == kind]


def end(start: int) -> int:
    """The last sample of a block."""
    return start + BLOCK - 1


def altered(said: Pcm, got: Pcm) -> int:
    """How many samples are not what G.711 makes of those that were said, place by place."""
    coded = np.frombuffer(g711.ulaw_to_pcm(g711.pcm_to_ulaw(said.tobytes())), "<i2")
    common = min(len(coded), len(got))
    return int(np.count_nonzero(coded[:common] != got[:common])) + len(coded) - common


def recorded(path: Path) -> tuple[Pcm, Pcm]:
    """Both sides of a recording."""
    both = np.frombuffer(path.read_bytes()[HEADER_BYTES:], "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]
