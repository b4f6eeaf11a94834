"""Lets a detector hear made-up calls, and adds up what it said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from benchmarks.answering.corpus import Call
from rtp.answering import Answerer, AnsweringDetector, AnsweringParams, Beep
from rtp.single_tone import FRAME_MS

FRAME_BYTES = 16 * FRAME_MS
BEEP_LATE_MS = 120
"""A beep that is told later than so long after its end was taken for silence, or is one of call progress."""


@dataclass(slots=True)
class Figures:
    """`verdicts` are by kind of call and kind of answerer; `waits_ms` how long humans waited after their
    greeting; `beeps` what became of those of machines that were known as such."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    beeps: Counter[str] = field(default_factory=Counter)
    waits_ms: list[int] = field(default_factory=list)
    after_ms: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def right(self, *kinds: str, as_kind: str) -> float:
        """The share of calls of some kinds that were taken for `as_kind`."""
        total = sum(count for (kind, _), count in self.verdicts.items() if kind in kinds)
        return sum(self.verdicts[kind, as_kind] for kind in kinds) / total

    def typical_ms(self, kind: str) -> float:
        return median(self.after_ms.get(kind, [0]))

    def add(self, call: Call, verdict: Answerer, beep: Beep | None) -> None:
        self.verdicts[call.kind, verdict.kind] += 1
        self.after_ms.setdefault(call.kind, []).append(verdict.after_ms)
        if verdict.kind != call.truth:
            self.wrong.append(f"{call.traits}: {verdict.kind}, {verdict.reason} after {verdict.after_ms} ms")
        if call.truth == verdict.kind == "human":
            spoke_ms = verdict.initial_silence_ms + verdict.greeting_ms
            self.waits_ms.append(verdict.after_ms - spoke_ms)
        if call.truth == verdict.kind == "machine":
            self.beeps[_became(beep, call.beep_ms)] += 1


def figures(calls: Iterable[Call], params: AnsweringParams) -> Figures:
    found = Figures()
    for call in calls:
        found.add(call, *judged(call.pcm, params))
    return found


def judged(pcm: bytes, params: AnsweringParams) -> tuple[Answerer, Beep | None]:
    """What a detector tells of a call, frame by frame."""
    detector, beep = AnsweringDetector(params, 0.0), None
    for count, at in enumerate(range(0, len(pcm), FRAME_BYTES), 1):
        for told in detector.hear(pcm[at : at + FRAME_BYTES], count * FRAME_MS / 1000):
            beep = told if isinstance(told, Beep) else beep
        if detector.is_over:
            break
    assert detector.verdict is not None
    return detector.verdict, beep


def _became(beep: Beep | None, beep_ms: float | None) -> str:
    if beep_ms is None:
        return "no beep, and none heard" if beep is None or not beep.hz else "no beep, but one heard"
    if beep is None:
        return "missed"
    late_ms = beep.after_ms - beep_ms
    if late_ms < -FRAME_MS:
        return "too early"
    return "in time" if late_ms <= BEEP_LATE_MS else "late"
