"""Made-up calls, each with the truth about who answers. The same seed makes the same calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.answering import sounds
from benchmarks.answering.sounds import Wave, silence, spoken, tones
from benchmarks.answering.wordings import ANNOUNCEMENTS, HELD_OUT, TRAINING, Wordings

PARTS: Mapping[str, tuple[Mapping[str, Wordings], int]] = {
    "training": (TRAINING, 1),
    "held out": (HELD_OUT, 2),
}
#: How many calls of each kind a part has.
COUNTS = {"human": 90, "desk": 30, "machine": 120, "silence": 10, "fax": 10, "announcement": 10}
CALL_MS = 16_000
TRUTH = {"desk": "human", "silence": "unknown"}


@dataclass(frozen=True, slots=True)
class Call:
    """`pcm` is s16le at 8000 Hz from the answer on. `beep_ms` is where a machine's beep ends, None without.

    `traits` say what makes it hard, for those who look into the errors.
    """

    truth: str
    kind: str
    pcm: bytes
    beep_ms: float | None
    traits: str


def calls(part: str, share: float = 1.0) -> Iterator[Call]:
    """The calls of one of `PARTS`, or the first share of each kind."""
    wordings, seed = PARTS[part]
    for kind, count in COUNTS.items():
        random = np.random.default_rng([seed, len(kind), count])
        for _ in range(round(count * share)):
            yield _call(kind, wordings, random)


def _call(kind: str, wordings: Mapping[str, Wordings], random: np.random.Generator) -> Call:
    language = str(random.choice(list(wordings)))
    words, beep_ms, traits = wordings[language], None, [kind, language]
    match kind:
        case "human" | "desk":
            wave = _human(words.humans if kind == "human" else words.desks, words, random)
        case "machine":
            wave, beep_ms = _machine(words, random, traits)
        case "fax":
            wave = np.concatenate((silence(random.uniform(200, 1500)), _fax(random)))
        case "announcement":
            wave = np.concatenate((silence(random.uniform(100, 800)), _special(), silence(150)))
            wave = np.concatenate((wave, _say(ANNOUNCEMENTS[language], words, random)))
        case _:
            wave = silence(CALL_MS)
    pcm = _over_the_line(wave, words, random, traits)
    return Call(TRUTH.get(kind, kind), kind, pcm, beep_ms, " ".join(traits))


def _say(text: str, words: Wordings, random: np.random.Generator) -> Wave:
    voice, speed, pitch = random.choice(words.voices), random.integers(130, 200), random.integers(30, 75)
    return spoken(text, str(voice), int(speed), int(pitch))


def _human(texts: tuple[str, ...], words: Wordings, random: np.random.Generator) -> Wave:
    """Says something, waits, and asks whether anybody is there."""
    first = _say(str(random.choice(texts)), words, random)
    again = _say(str(random.choice(words.humans)), words, random)
    before, between = silence(random.uniform(100, 1800)), silence(random.uniform(1200, 3000))
    return np.concatenate((before, first, between, again))


def _machine(words: Wordings, random: np.random.Generator, traits: list[str]) -> tuple[Wave, float | None]:
    """A greeting, four times in ten over music or with a pause in it; then a beep, nine times in ten."""
    greeting = _say(str(random.choice(words.machines)), words, random)
    style = random.choice(["plain", "music", "pause"], p=[0.6, 0.15, 0.25])
    traits.append(str(style))
    if style == "pause":
        greeting = _paused(greeting, random)
    elif style == "music":
        lead = silence(random.uniform(0, 2000))
        greeting = np.concatenate((lead, greeting, silence(500)))
        level = 10 ** (random.uniform(-15, -6) / 20)
        greeting = (
            greeting + level * sounds.music(1000 * len(greeting) / sounds.RATE + 1, random)[: len(greeting)]
        )
    wave = np.concatenate((silence(random.uniform(50, 1500)), greeting, silence(random.uniform(100, 1200))))
    if random.random() >= 0.9:
        return wave, None
    hz, ms = float(random.uniform(420, 1950)), float(random.uniform(150, 1500))
    traits.append(f"{hz:.0f}Hz/{ms:.0f}ms")
    beep = tones((hz,), ms) * random.uniform(0.3, 0.9)
    wave = np.concatenate((wave, beep))
    return wave, 1000 * len(wave) / sounds.RATE


def _paused(greeting: Wave, random: np.random.Generator) -> Wave:
    """With a breath at its quietest place between a quarter and three quarters."""
    size = len(greeting) // sounds.FRAME
    power = (greeting[: size * sounds.FRAME].reshape(size, -1) ** 2).sum(axis=1)
    low, high = size // 4, size * 3 // 4
    at = (low + int(np.argmin(power[low:high]))) * sounds.FRAME
    return np.concatenate((greeting[:at], silence(random.uniform(250, 900)), greeting[at:]))


def _fax(random: np.random.Generator) -> Wave:
    """The answering tone, or a machine that calls by itself (ITU-T T.30, 4.1)."""
    if random.random() < 0.7:
        return 0.5 * tones((2100 + random.uniform(-15, 15),), 3000)
    once = np.concatenate((0.5 * tones((1100 + random.uniform(-30, 30),), 500), silence(3000)))
    return np.tile(once, 3)


def _special() -> Wave:
    return np.concatenate([0.5 * tones((hz,), ms) for hz, ms in ((914, 380), (1371, 276), (1777, 380))])


def _over_the_line(wave: Wave, words: Wordings, random: np.random.Generator, traits: list[str]) -> bytes:
    """With noise, at some level, coded, and with some packets lost."""
    padded = np.concatenate((wave, silence(max(0, CALL_MS - 1000 * len(wave) / sounds.RATE))))
    peak = 10 ** (random.uniform(-30, -3) / 20)
    kind = str(random.choice(["none", "white", "hum", "babble"], p=[0.25, 0.3, 0.2, 0.25]))
    if kind != "none":
        snr = random.uniform(15, 35)
        made = sounds.noise(kind, len(padded), random, tuple(words.machines[:3]) + words.desks)
        padded = padded + 0.2 * 10 ** (-snr / 20) * made
        traits.append(f"{kind} {snr:.0f} dB")
    loss = float(random.choice([0.0, 0.01, 0.05], p=[0.6, 0.25, 0.15]))
    law = str(random.choice(["ulaw", "alaw"]))
    traits.append(f"{20 * np.log10(peak):.0f} dBFS loss {loss:g}")
    return sounds.through_line(peak * padded, law, loss, random)
