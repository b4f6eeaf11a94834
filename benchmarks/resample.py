"""The live resampler against soxr's settings: delay, quality in the telephone band, and time per frame.

Run it with `python -m benchmarks.resample`; docs/audio-quality.md keeps its table.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from timeit import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soxr
from rich.console import Console
from rich.table import Table

from rtp.resample import PolyphaseResampler

PAIRS = ((8000, 24000), (24000, 8000), (8000, 16000), (16000, 8000))
SETTINGS = ("ours", "QQ", "LQ", "MQ", "HQ")
FRAME_MS = 20
SECONDS = 0.6
SETTLED_MS = 200
LEVEL = 10_000
PASS_BAND = tuple(range(300, 3401, 100))
REJECTED_FROM = 4600
"""What lies above folds into the pass band: 8000 - 3400 Hz."""

Floats = npt.NDArray[np.float64]
Process = Callable[[bytes], bytes]


class Figures(NamedTuple):
    """One resampler in one direction. Worst cases over the pass band, or over what folds into it."""

    delay_ms: float
    snr_db: float
    rejection_db: float
    ripple_db: float
    us_per_frame: float


def make(setting: str, src: int, dst: int) -> Process:
    """A streaming resampler of s16 bytes: ours, or soxr at one of its qualities."""
    if setting == "ours":
        return PolyphaseResampler(src, dst).process
    stream = soxr.ResampleStream(src, dst, 1, dtype="int16", quality=setting)
    return lambda pcm: bytes(stream.resample_chunk(np.frombuffer(pcm, "<i2")).tobytes())


def measure(setting: str, src: int, dst: int) -> Figures:
    """All figures of one resampler in one direction."""
    fresh = partial(make, setting, src, dst)
    fits = [_fit(_convert(fresh(), _tone(hz, src)), hz, dst) for hz in PASS_BAND]
    gains = [20 * np.log10(gain / LEVEL) for gain, _ in fits]
    return Figures(
        delay_ms(fresh(), src, dst),
        min(20 * np.log10(gain / np.sqrt(2) / residue) for gain, residue in fits),
        rejection_db(fresh, src, dst),
        max(gains) - min(gains),
        _us_per_frame(fresh(), src),
    )


def delay_ms(process: Process, src: int, dst: int) -> float:
    """How long a sample takes at most: what is held back after a frame, and the shift of what came out."""
    noise = _speech_band_noise(src)
    fed = produced = 0
    held_ms: list[float] = []
    heard = b""
    for frame in _frames(noise, src):
        heard += process(frame)
        fed, produced = fed + len(frame) // 2, len(heard) // 2
        held_ms.append(1000 * (fed / src - produced / dst))
    return max(held_ms[SETTLED_MS // FRAME_MS :]) + _shift_ms(noise, np.frombuffer(heard, "<i2"), src, dst)


def rejection_db(fresh: Callable[[], Process], src: int, dst: int) -> float:
    """Down: how much weaker a tone above the pass band comes out. Up: the images of tones inside it."""
    if src > dst:
        outside = range(REJECTED_FROM, src // 2 - 300, 100)
        levels = [np.std(_convert(fresh(), _tone(hz, src))) * np.sqrt(2) for hz in outside]
        return float(-20 * np.log10(max(levels) / LEVEL))
    return min(_image_rejection_db(_convert(fresh(), _tone(hz, src)), dst) for hz in PASS_BAND)


def main() -> None:
    """Print the table."""
    table = Table(title="Resampling of s16 PCM in frames of 20 ms")
    for heading in ("kHz", "", "delay ms", "SNR dB", "reject dB", "ripple dB", "us/frame"):
        table.add_column(heading, justify="right")
    for (src, dst), setting in product(PAIRS, SETTINGS):
        delay, snr, rejection, ripple, us = measure(setting, src, dst)
        figures = (f"{delay:.1f}", f"{snr:.0f}", f"{rejection:.0f}", f"{ripple:.2f}", f"{us:.1f}")
        table.add_row(
            f"{src // 1000} > {dst // 1000}", setting, *figures, end_section=setting == SETTINGS[-1]
        )
    Console().print(table)


def _tone(hz: float, rate: int) -> Floats:
    return np.asarray(LEVEL * np.sin(2 * np.pi * hz * np.arange(round(SECONDS * rate)) / rate))


def _speech_band_noise(rate: int) -> Floats:
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(0, 3000, rate))
    hz = np.fft.rfftfreq(rate, 1 / rate)
    spectrum[(hz < PASS_BAND[0]) | (hz > PASS_BAND[-1])] = 0
    return np.fft.irfft(spectrum)


def _frames(samples: Floats, rate: int) -> list[bytes]:
    size = rate * FRAME_MS // 1000
    pcm = np.rint(samples).astype("<i2")
    return [pcm[at : at + size].tobytes() for at in range(0, len(pcm), size)]


def _convert(process: Process, samples: Floats) -> Floats:
    """What comes out of a tone after the resampler has settled."""
    rate = round(len(samples) / SECONDS)
    heard = np.frombuffer(b"".join(process(frame) for frame in _frames(samples, rate)), "<i2")
    return heard[len(heard) // 3 :].astype(float)


def _fit(heard: Floats, hz: float, rate: int) -> tuple[float, float]:
    """The amplitude of a tone, and the RMS of everything else."""
    angle = 2 * np.pi * hz * np.arange(len(heard)) / rate
    basis = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    parts, *_ = np.linalg.lstsq(basis, heard, rcond=None)
    return float(np.hypot(*parts)), float(np.std(heard - basis @ parts))


def _image_rejection_db(heard: Floats, rate: int) -> float:
    power = np.abs(np.fft.rfft(heard * np.blackman(len(heard)))) ** 2
    above = np.fft.rfftfreq(len(heard), 1 / rate) >= REJECTED_FROM
    return float(10 * np.log10(power[~above].sum() / power[above].sum()))


def _shift_ms(sent: Floats, heard: npt.NDArray[np.int16], src: int, dst: int) -> float:
    """By how much the output lies behind the input on its own time scale: the peak of their correlation."""
    rate = 8 * max(src, dst)
    fine_sent = soxr.resample(sent, src, rate, quality="VHQ")
    fine_heard = soxr.resample(heard.astype(float), dst, rate, quality="VHQ")
    size = 2 * max(len(fine_sent), len(fine_heard))
    correlation = np.fft.irfft(np.fft.rfft(fine_heard, size) * np.conj(np.fft.rfft(fine_sent, size)), size)
    lag = int(np.argmax(correlation))
    return 1000 * (lag - size if lag > size // 2 else lag) / rate


def _us_per_frame(process: Process, src: int) -> float:
    frames = _frames(_tone(1000, src), src)
    return 1e6 * min(repeat(lambda: [process(frame) for frame in frames], number=1, repeat=20)) / len(frames)


if __name__ == "__main__":
    main()
