"""The rows of the impairment matrix, and the figures that each is held to."""

from typing import Literal

import msgspec

from benchmarks.conversation import SPEECH_S, Conditions
from tests.e2e.support.joiner import Impairment

CALL_KBIT = 80
"""G.711 in packets of 20 ms with RTP, UDP and IP headers, one way."""


class Hold(msgspec.Struct, frozen=True):
    """A bound that a figure keeps."""

    figure: str
    sense: Literal["at least", "at most", "within"]
    bound: float

    def by(self, value: float) -> bool:
        """Whether it is kept; `within` bounds the amount."""
        if self.sense == "at least":
            return value >= self.bound
        return (abs(value) if self.sense == "within" else value) <= self.bound

    def __str__(self) -> str:
        return f"{self.figure} {self.sense} {self.bound:g}"


RECORDING = (Hold("recording_ms", "within", 40), Hold("alignment_ms", "within", 40))


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of bad network, the same both ways unless `one_way`."""

    name: str
    what: str
    impairment: Impairment = Impairment()
    holds: tuple[Hold, ...] = ()
    clock_ppm: float = 0.0
    seconds: int = SPEECH_S
    share_of_rate: float = 0.0
    """Of what the calls need; 0: no limit."""

    def conditions(self, calls: int) -> Conditions:
        """For so many calls at once."""
        impairment = self.impairment
        if self.share_of_rate:
            rate = self.share_of_rate * CALL_KBIT * calls
            impairment = msgspec.structs.replace(impairment, rate_kbit=rate)
        return Conditions(to_us=impairment, to_them=impairment, clock_ppm=self.clock_ppm)

    @property
    def bounds(self) -> str:
        return ", ".join(str(hold) for hold in self.holds)


def pesq(bound: float) -> tuple[Hold, ...]:
    """Both ways: of what the model got, and of what the caller heard."""
    return Hold("pesq_model", "at least", bound), Hold("pesq_caller", "at least", bound)


def _loss(percent: int, least: float) -> Row:
    return Row(
        name=f"loss {percent} %",
        what=f"{percent} % of packets, at random",
        impairment=Impairment(loss=percent / 100),
        holds=(*pesq(least), *RECORDING),
    )


def _jitter(sd_ms: int, delay_ms: int, *holds: Hold) -> Row:
    return Row(
        name=f"jitter {sd_ms} ms",
        what=f"each packet's delay drawn anew: normal, {delay_ms} ± {sd_ms} ms",
        impairment=Impairment(delay_ms=delay_ms, jitter_ms=sd_ms),
        holds=(*holds, *RECORDING),
    )


def _drift(ppm: int) -> Row:
    return Row(
        name=f"drift {ppm:+d} ppm",
        what="the caller's clock is that much fast",
        clock_ppm=ppm,
        holds=(*pesq(4.0), Hold("delay_change_ms", "within", 20), *RECORDING),
    )


CLEAN = Row(
    name="clean",
    what="nothing",
    holds=(*pesq(4.0), Hold("altered_bytes", "at most", 0), Hold("starved", "at most", 0), *RECORDING),
)
CLEAN_MINUTE = msgspec.structs.replace(CLEAN, name="clean, 60 s", what="nothing, for 60 s", seconds=60)
LOSS_3 = _loss(3, 2.7)
JITTER_20 = _jitter(20, 50, Hold("late_percent", "at most", 1), *pesq(3.5))
DRIFTS = (_drift(500), _drift(-500))
OUTAGE = Row(
    name="outage 2 s",
    what="nothing passes for 2 s",
    impairment=Impairment(outage_s=(5.0, 7.0)),
    holds=(Hold("delay_change_ms", "within", 40), *RECORDING),
)
ROWS = (
    CLEAN,
    _loss(1, 3.6),
    LOSS_3,
    _loss(5, 2.6),
    _loss(10, 2.2),
    Row(
        name="bursts 5 %",
        what="5 % of packets, in bursts of 3 on average (Gilbert)",
        impairment=Impairment(loss=0.05, burst=3),
        holds=RECORDING,
    ),
    JITTER_20,
    _jitter(50, 125, Hold("late_percent", "at most", 3), Hold("depth_ms", "at most", 200)),
    Row(
        name="reordering",
        what="5 % of packets are overtaken by 1 to 3 others",
        impairment=Impairment(overtaken=0.05),
        holds=(Hold("lost", "at most", 0), Hold("altered_bytes", "at most", 0), *RECORDING),
    ),
    Row(
        name="duplicates 10 %",
        what="10 % of packets come twice",
        impairment=Impairment(duplicated=0.1),
        holds=(*pesq(4.0), Hold("altered_bytes", "at most", 0), *RECORDING),
    ),
    *DRIFTS,
    OUTAGE,
    Row(
        name="bandwidth 95 %",
        what="95 % of what the calls need, with a queue of 100 ms",
        share_of_rate=0.95,
        holds=RECORDING,
    ),
    CLEAN_MINUTE,
)
QUICK = (CLEAN, LOSS_3, JITTER_20, OUTAGE)
