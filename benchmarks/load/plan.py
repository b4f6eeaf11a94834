"""What a run of load is: how many calls, how fast, how long, and what else happens meanwhile. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

SHORT_CALL_S = 5.0
#: What set-up and tear-down of a call may take, where calls come at a rate.
PASSING_S = 1.0
#: 64 T1: how long a transaction is remembered (RFC 3261, 17).
TRANSACTION_S = 32.0
#: Calls that may be on beside those of the plan: the reference, and what is done on the side.
SPARE_CALLS = 60
SIDE_CALLS_PER_S = 2.0
#: How long a pair of ports rests after a call (rtp.quarantine_s, and a little), and some to choose from.
RESTING_S, SPARE_PAIRS = 4.0, 20
#: How much of the hold each kind of side calls has for itself, and the mixture of all at the end.
SIDE_SHARE = 0.12
LEAST_SIDE_S = 2.0


@dataclass(frozen=True, slots=True)
class Side:
    """Calls of another kind, done beside those that are held. `number` is the one they dial."""

    name: str
    scenario: str
    number: str


REFUSED = Side("refused", "uac-number-unknown-404", "9999")
CANCELLED = Side("cancelled", "uac-cancel-while-ringing-487", "3000")
TRANSFERRED = Side("transferred", "uac-referred-notified-200-bye", "4000")
#: Asked for by HTTP; the callee hangs up.
OUTBOUND = Side("outbound", "uas-load-held-bye", "+15550100")
SIDES = (OUTBOUND, REFUSED, CANCELLED, TRANSFERRED)
SIDE_CALL_S = 3.0


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a run, in seconds from its first call, with the side calls that are made in it."""

    name: str
    begins_s: float
    ends_s: float
    sides: tuple[Side, ...] = ()

    @property
    def lasts_s(self) -> float:
        return self.ends_s - self.begins_s

    @property
    def side_calls(self) -> int:
        """Of each kind."""
        return max(1, int(self.lasts_s * SIDE_CALLS_PER_S))


@dataclass(frozen=True, slots=True)
class Plan:
    """`calls` are begun at `rate_per_s`, and all of them last until `hold_s` after the last has begun.

    With `call_s` each lasts that long instead, and others take its place for `hold_s`: a rate of calls.
    Beside those that are held there may be short ones at a rate of their own.
    """

    calls: int
    rate_per_s: float
    hold_s: float
    call_s: float | None = None
    short_rate_per_s: float = 0.0
    has_sides: bool = True
    has_reference: bool = True
    wideband: bool = False
    workers: int | Literal["auto"] = "auto"

    @property
    def ramp_s(self) -> float:
        return self.calls / self.rate_per_s if self.call_s is None else 0.0

    @property
    def call_lasts_s(self) -> float:
        return self.ramp_s + self.hold_s if self.call_s is None else self.call_s

    @property
    def calls_in_all(self) -> int:
        return self.calls if self.call_s is None else round(self.rate_per_s * self.hold_s)

    @property
    def lasts_s(self) -> float:
        """Until the last call has ended."""
        begun_s = self.ramp_s if self.call_s is None else self.hold_s
        return begun_s + self.call_lasts_s

    @property
    def room(self) -> int:
        """How many calls at once the server has to take."""
        passing = 0 if self.call_s is None else math.ceil(self.rate_per_s * PASSING_S)
        return self.calls + passing + SPARE_CALLS + math.ceil(self.short_rate_per_s * SHORT_CALL_S)

    @property
    def short_calls(self) -> int:
        """All of them: the last is over when the hold is."""
        return int(self.short_rate_per_s * max(0.0, self.hold_s - SHORT_CALL_S))

    @property
    def calls_remembered(self) -> int:
        """For how many calls at most there may be something left of SIP transactions."""
        passing_per_s = self.short_rate_per_s + (self.rate_per_s if self.call_s is not None else 0.0)
        return self.room + math.ceil(TRANSACTION_S * passing_per_s)

    @property
    def port_pairs(self) -> int:
        """With those that rest after use."""
        return self.room + math.ceil(RESTING_S * (self.rate_per_s + self.short_rate_per_s)) + SPARE_PAIRS

    @property
    def outbound_calls(self) -> int:
        """In all phases."""
        return sum(phase.side_calls for phase in self.phases() if OUTBOUND in phase.sides)

    def phases(self) -> tuple[Phase, ...]:
        """In order; the ends of calls, as fast as they began, are the last."""
        held = self.ramp_s + self.hold_s
        ending = Phase("ending", held, self.lasts_s)
        if self.call_s is not None:
            return Phase("rate", 0.0, held), ending
        ramp = Phase("ramp", 0.0, self.ramp_s)
        each_s = self.hold_s * SIDE_SHARE
        if not self.has_sides or each_s < LEAST_SIDE_S:
            return ramp, Phase("hold", self.ramp_s, held), ending
        parts = [("hold", ()), *((side.name, (side,)) for side in SIDES), ("mixed", SIDES)]
        begins, phases = self.ramp_s, [ramp]
        for number, (name, sides) in enumerate(parts):
            ends = held - each_s * (len(parts) - 1 - number)
            phases.append(Phase(name, begins, ends, sides))
            begins = ends
        return *phases, ending

    def phase_at(self, elapsed_s: float) -> Phase:
        phases = self.phases()
        return next((phase for phase in phases if elapsed_s < phase.ends_s), phases[-1])
