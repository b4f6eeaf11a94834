"""What audio that went through something has become: how good it is, how late, and where it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pesq import NoUtterancesError, pesq

from benchmarks.speech import FRAME, RATE, Pcm
from rtp import g711
from rtp.packet import RtpPacket, serialize
from rtp.session import RtpParams, RtpSession

BLOCK = RATE // 2
SEARCH = RATE // 2
"""Each half second of speech is looked for within half a second of where the whole was found."""
WORST = 1.0
"""PESQ of silence."""
CERTAIN = 0.8
"""The correlation from which on a block counts as found."""
QUIET_RMS = 300.0
_PEER = ("192.0.2.1", 4000)


class Quality(NamedTuple):
    """PESQ (ITU-T P.862, narrow band) and STOI against the speech before it was coded."""

    pesq: float
    stoi: float


@dataclass(frozen=True)
class Track:
    """Audio that came in pieces: `ends[n]` is how many samples there were after piece n, `at[n]` when."""

    pcm: Pcm
    ends: npt.NDArray[np.int64]
    at: npt.NDArray[np.float64]

    @classmethod
    def of_law(cls, pieces: Sequence[tuple[float, bytes]]) -> "Track":
        """From mu-law with the time of each piece."""
        pcm = np.frombuffer(g711.ulaw_to_pcm(b"".join(audio for _, audio in pieces)), "<i2")
        ends = np.cumsum([len(audio) for _, audio in pieces])
        return cls(pcm, ends, np.array([at for at, _ in pieces]))

    @classmethod
    def steady(cls, pcm: Pcm, start: float, frame_s: float = FRAME / RATE) -> "Track":
        """Audio in frames on a schedule."""
        ends = np.arange(FRAME, len(pcm) + 1, FRAME)
        return cls(pcm, ends, start + frame_s * np.arange(len(ends)))

    def time_of(self, sample: int) -> float:
        """When the piece with this sample came."""
        piece = int(np.searchsorted(self.ends, sample, side="right"))
        return float(self.at[min(piece, len(self.at) - 1)])


class Found(NamedTuple):
    """A block of speech: its first sample in what was said and in what was heard."""

    said: int
    heard: int


def found_blocks(said: Pcm, heard: Pcm) -> list[Found]:
    """Where the blocks of `said` that are speech, and arrived recognisably, are in `heard`."""
    whole = lag(said, heard)
    blocks = []
    for start in range(0, len(said) - BLOCK + 1, BLOCK):
        block = said[start : start + BLOCK].astype(np.float64)
        if np.sqrt(np.mean(block * block)) < QUIET_RMS:
            continue
        first = max(start + whole - SEARCH, 0)
        around = heard[first : start + whole + BLOCK + SEARCH].astype(np.float64)
        if len(around) < BLOCK:
            continue
        likeness = _products(around, block)
        sums = np.concatenate([[0.0], np.cumsum(around * around)])
        energy = sums[BLOCK:] - sums[:-BLOCK]
        likeness /= np.sqrt(np.maximum(energy * (block @ block), 1))
        best = int(np.argmax(likeness))
        if likeness[best] >= CERTAIN:
            blocks.append(Found(start, first + best))
    return blocks


def _products(around: npt.NDArray[np.float64], block: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The scalar product of `block` with every part of `around` that is as long."""
    size = 1 << len(around).bit_length()
    spectrum = np.fft.rfft(around, size) * np.conj(np.fft.rfft(block, size))
    return np.asarray(np.fft.irfft(spectrum, size)[: len(around) - len(block) + 1])


def lag(said: Pcm, heard: Pcm) -> int:
    """By how many samples `heard` as a whole is behind `said`."""
    size = 1 << (len(said) + len(heard)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    best = int(np.argmax(np.fft.irfft(spectrum, size)))
    return best if best < size // 2 else best - size


def delays_ms(said: Track, heard: Track) -> list[float]:
    """For each block, from its packet's sending to its packet's coming, taken at the block's end."""
    return [
        1000 * (heard.time_of(block.heard + BLOCK - 1) - said.time_of(block.said + BLOCK - 1))
        for block in found_blocks(said.pcm, heard.pcm)
    ]


def least_delay_ms(said: Track, heard: Track) -> float:
    """Of all frames in blocks that were found, and of those before the first."""
    blocks = found_blocks(said.pcm, heard.pcm)
    ends = range(FRAME - 1, BLOCK, FRAME)
    frames = [(block.said + end, block.heard + end) for block in blocks for end in ends]
    ahead = blocks[0].said - blocks[0].heard
    frames += [(end + ahead, end) for end in range(FRAME - 1, blocks[0].heard, FRAME) if end + ahead >= 0]
    return 1000 * min(heard.time_of(to) - said.time_of(of) for of, to in frames)


def quality(said: Pcm, heard: Pcm) -> Quality:
    """Of as much of `heard` as `said` is long. STOI, unlike PESQ, minds shifts in time: it gets none."""
    from pystoi import stoi  # with it comes scipy, which takes seconds to be read

    try:
        score = float(pesq(RATE, said, _from(heard, lag(said, heard), len(said)), "nb"))
    except (NoUtterancesError, ValueError):  # there is nothing to be heard
        score = WORST
    return Quality(score, float(stoi(said, retimed(said, heard), RATE)))


def retimed(said: Pcm, heard: Pcm) -> Pcm:
    """`heard` with every block that was found moved to where it was said."""
    moved = _from(heard, lag(said, heard), len(said)).copy()
    for block in found_blocks(said, heard):
        moved[block.said : block.said + BLOCK] = heard[block.heard : block.heard + BLOCK]
    return moved


def _from(heard: Pcm, start: int, size: int) -> Pcm:
    """A part, with silence for what there is none of."""
    part = np.concatenate([np.zeros(max(-start, 0), np.int16), heard[max(start, 0) :]])[:size]
    return np.pad(part, (0, size - len(part)))


def by_phone(packets: Sequence[tuple[float, RtpPacket]], frame_s: float = FRAME / RATE) -> Track:
    """What a phone makes of packets and their arrivals: our jitter buffer, read by the phone's clock."""
    rtp = RtpSession(RtpParams(_PEER), now=packets[0][0])
    begins, frames, waiting = packets[0][0], [], list(reversed(packets))
    for tick in range(int((packets[-1][0] - begins) / frame_s) + 20):
        now = begins + tick * frame_s
        while waiting and waiting[-1][0] <= now:
            at, packet = waiting.pop()
            rtp.receive_datagram(serialize(packet), _PEER, at)
        frame = rtp.play_frame(FRAME, now)
        frames.append((now, frame.payload if frame else bytes([g711.ULAW_SILENCE]) * FRAME))
    return Track.of_law(frames)
