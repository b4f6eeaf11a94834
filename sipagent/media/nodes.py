"""The links of an audio path: each takes audio in one format and writes it on in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rtp import g711
from rtp.resample import make_resampler
from sipagent.formats import AudioFormat

Write = Callable[[bytes, float], None]


class Node(Protocol):
    """A link that can print itself. `write(audio, now)` never blocks."""

    @property
    def write(self) -> Write: ...

    def __str__(self) -> str: ...


class Sink:
    """The end of a path."""

    def __init__(self, name: str, write: Write) -> None:
        self.write = write
        self._name = name

    def __str__(self) -> str:
        return self._name


class Tee:
    """Gives a tap the same bytes that go on."""

    def __init__(self, name: str, tap: Write, after: Node) -> None:
        self._name, self._tap, self._after = name, tap, after
        self._write = after.write

    def write(self, audio: bytes, now: float) -> None:
        self._tap(audio, now)
        self._write(audio, now)

    def __str__(self) -> str:
        return f"tee({self._name}) -> {self._after}"


class Convert:
    """Applies one conversion; `label` says which."""

    def __init__(self, label: str, convert: Callable[[bytes], bytes], after: Node) -> None:
        self._label, self._convert, self._after = label, convert, after
        self._write = after.write

    def write(self, audio: bytes, now: float) -> None:
        self._write(self._convert(audio), now)

    def __str__(self) -> str:
        return f"{self._label} -> {self._after}"


def conversions(source: AudioFormat, target: AudioFormat) -> Sequence[tuple[str, Callable[[bytes], bytes]]]:
    """The steps from one format to the other, in order; none at all for equal formats."""
    if source == target:
        return []
    if source.encoding != "pcm" and target.encoding != "pcm":
        return [(f"{source.encoding}>{target.encoding}", transcoder(source, target))]
    steps: list[tuple[str, Callable[[bytes], bytes]]] = []
    if source.encoding != "pcm":
        steps.append((f"decode({source.encoding})", decoder(source)))
    if source.rate != target.rate:
        resampler = make_resampler(source.rate, target.rate)
        steps.append((f"resample({source.rate}>{target.rate})", resampler.process))
    if target.encoding != "pcm":
        steps.append((f"encode({target.encoding})", encoder(target)))
    return steps


def convert_into(source: AudioFormat, target: AudioFormat, after: Node) -> Node:
    """Put the conversions from `source` to `target` before `after`, which takes `target`."""
    for label, step in reversed(conversions(source, target)):
        after = Convert(label, step, after)
    return after


def decoder(law: AudioFormat) -> Callable[[bytes], bytes]:
    """Law bytes to little-endian 16-bit PCM at 8000 Hz."""
    return g711.ulaw_to_pcm if law.encoding == "ulaw" else g711.alaw_to_pcm


def encoder(law: AudioFormat) -> Callable[[bytes], bytes]:
    return g711.pcm_to_ulaw if law.encoding == "ulaw" else g711.pcm_to_alaw


def transcoder(source: AudioFormat, target: AudioFormat) -> Callable[[bytes], bytes]:
    return g711.ulaw_to_alaw if (source.encoding, target.encoding) == ("ulaw", "alaw") else g711.alaw_to_ulaw
