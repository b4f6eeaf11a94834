"""What concealment is worth: PESQ (ITU-T P.862, narrow band) of speech that lost packets, by three methods.

`ours` runs the packets through rtp.session as a call would; `repeat` is the usual repeat-with-fade, `zero`
leaves holes silent. Run it with `python -m benchmarks.plc`; docs/audio-quality.md keeps its table.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from random import Random
from typing import NamedTuple

import numpy as np
from pesq import pesq
from rich.console import Console
from rich.table import Table

from benchmarks.speech import FRAME, RATE, VOICES, Pcm, speech
from rtp import g711
from rtp.packet import RtpPacket, serialize
from rtp.session import RtpParams, RtpSession

RATES = (0.01, 0.03, 0.05, 0.10)
SEEDS = range(5)
PATTERNS = ("random", "bursts")
MEAN_BURST = 3
"""Packets; the bursts are those of a two-state Markov chain (Gilbert)."""
FULL_MS = 10
FADE_MS = 50
"""repeat-with-fade: the last frame again and again, 10 ms at full level, then down to silence in 50 ms."""
PEER = ("192.0.2.1", 4000)


class Case(NamedTuple):
    """One run: which packets of which voice are lost, and who conceals them."""

    method: str
    pattern: str
    rate: float
    seed: int
    voice: str


def losses(pattern: str, count: int, rate: float, seed: int) -> list[bool]:
    """Which of `count` packets are lost; never the first two."""
    rng = Random(seed)
    ends = 1 / MEAN_BURST
    begins = rate * ends / (1 - rate)
    lost = [False, False]
    while len(lost) < count:
        if pattern == "random":
            lost.append(rng.random() < rate)
        else:
            lost.append(rng.random() >= ends if lost[-1] else rng.random() < begins)
    return lost


def ours(words: bytes, lost: list[bool]) -> bytes:
    """A session's output, in which what is lost at the very end is silence."""
    rtp = RtpSession(RtpParams(PEER))
    heard = b""
    for index, missing in enumerate(lost):
        if not missing:
            payload = words[index * FRAME : (index + 1) * FRAME]
            packet = RtpPacket(0, index, index * FRAME, 1, payload)
            rtp.receive_datagram(serialize(packet), PEER, index * FRAME / RATE)
        heard += _popped(rtp, index * FRAME / RATE)
    heard += _popped(rtp, len(lost) * FRAME / RATE + 0.1)
    return heard.ljust(len(words), bytes([g711.ULAW_SILENCE]))


def repeat(words: bytes, lost: list[bool]) -> bytes:
    """The baseline."""
    heard, run = b"", 0
    last = np.zeros(FRAME)
    for index, missing in enumerate(lost):
        frame = words[index * FRAME : (index + 1) * FRAME]
        if missing:
            position_ms = (np.arange(FRAME) + run * FRAME) * 1000 / RATE
            fade = np.clip(1 - (position_ms - FULL_MS) / FADE_MS, 0, 1)
            heard += g711.pcm_to_ulaw((last * fade).astype("<i2").tobytes())
            run += 1
        else:
            last, run = np.frombuffer(g711.ulaw_to_pcm(frame), "<i2").astype(float), 0
            heard += frame
    return heard


def zero(words: bytes, lost: list[bool]) -> bytes:
    """Silence for every lost packet."""
    silence = bytes([g711.ULAW_SILENCE]) * FRAME
    frames = (words[at : at + FRAME] for at in range(0, len(words), FRAME))
    return b"".join(silence if missing else frame for frame, missing in zip(frames, lost, strict=True))


METHODS: dict[str, Callable[[bytes, list[bool]], bytes]] = {"zero": zero, "repeat": repeat, "ours": ours}


def score(case: Case) -> float:
    """PESQ against the speech before it was coded."""
    reference: Pcm = speech(case.voice)
    words = g711.pcm_to_ulaw(reference.tobytes())
    lost = losses(case.pattern, len(words) // FRAME, case.rate, case.seed)
    heard = np.frombuffer(g711.ulaw_to_pcm(METHODS[case.method](words, lost)), "<i2")
    return float(pesq(RATE, reference, heard, "nb"))


def means(
    methods: Iterable[str] = METHODS, voices: Sequence[str] = VOICES
) -> dict[tuple[str, str, float], float]:
    """The mean score over all seeds and voices, by method, pattern and rate of loss."""
    cells = list(product(methods, PATTERNS, RATES))
    cases = [Case(*cell, seed, voice) for cell in cells for seed, voice in product(SEEDS, voices)]
    with ProcessPoolExecutor() as workers:
        scores = np.array(list(workers.map(score, cases, chunksize=10))).reshape(len(cells), -1)
    return dict(zip(cells, scores.mean(axis=1).tolist(), strict=True))


def main() -> None:
    """Print the table."""
    scores = means()
    table = Table(title=f"PESQ-NB, mean of {len(SEEDS)} seeds x {len(VOICES)} voices")
    for heading in ("loss", "pattern", "zero-fill", "repeat-with-fade", "ours", "ours - repeat"):
        table.add_column(heading, justify="right")
    for pattern, rate in product(PATTERNS, RATES):
        zero_fill, baseline, our = (scores[method, pattern, rate] for method in METHODS)
        figures = (f"{zero_fill:.2f}", f"{baseline:.2f}", f"{our:.2f}", f"{our - baseline:+.2f}")
        table.add_row(f"{rate:.0%}", pattern, *figures)
    Console().print(table)


def _popped(rtp: RtpSession, now: float) -> bytes:
    pieces: Iterator[bytes] = (piece.payload for piece in iter(lambda: rtp.pop_frame(now), None))
    return b"".join(pieces)


if __name__ == "__main__":
    main()
