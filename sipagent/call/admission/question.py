"""What is asked when a call comes in: may it, and where to? And what the answer may depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from sipagent.call.admission.backend_health import BackendHealth
from sipagent.call.admission.origin import caller_of, is_our_account
from sipagent.call.admission.rates import CallRates
from sipagent.config import ANY_NUMBER, Config, TrunkConfig
from sipagent.cost.budget import Exceeded, Payer
from sipagent.errors import ReasonCode
from sipagent.sip.messages import IncomingInvite, OfferedAudio, user_part

UNIX_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Load:
    """How the server is at this moment, `wall` by its clock. `rates` None means that no rate is counted.

    `workers` is the share of their CPU time that media workers use, None while nobody knows. `backends` are
    those of agents, by name, that were heard of. `exceeded` are budgets that are spent and refuse calls.
    """

    calls: int = 0
    calls_by_trunk: Mapping[str, int] = field(default_factory=dict)
    draining: bool = False
    rates: CallRates | None = None
    wall: datetime = UNIX_EPOCH
    workers: float | None = None
    backends: Mapping[str, BackendHealth] = field(default_factory=dict)
    exceeded: Mapping[Payer, Exceeded] = field(default_factory=dict)

    def backend_is_down(self, agent: str, now: float) -> bool:
        """Is the backend of this agent to be left alone?"""
        health = self.backends.get(agent)
        return health is not None and health.wait_s(now) > 0


class Occasion(Protocol):
    """A call over a known trunk, whichever way it goes, as far as its circumstances matter.

    `now` is CLOCK_MONOTONIC.
    """

    @property
    def load(self) -> Load: ...

    @property
    def config(self) -> Config: ...

    @property
    def trunk(self) -> TrunkConfig: ...

    @property
    def now(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Question:
    """One call that comes in, of a known trunk, and everything that a rule may look at."""

    invite: IncomingInvite
    offered: OfferedAudio | None
    load: Load
    config: Config
    trunk: TrunkConfig
    now: float

    @property
    def called(self) -> tuple[str, ...]:
        """The numbers the call may be meant for, best first.

        A provider that calls the account we registered names the dialled number in the To header only.
        """
        if is_our_account(self.invite, self.trunk):
            return tuple(dict.fromkeys((user_part(self.invite.to_uri), self.invite.to_number)))
        return (self.invite.to_number,)

    @property
    def caller(self) -> str:
        """The caller's number, or `anonymous`."""
        return caller_of(self.invite)

    @property
    def number(self) -> str | None:
        """The key of the trunk's `numbers` that applies."""
        return next((key for key in (*self.called, ANY_NUMBER) if key in self.trunk.numbers), None)

    def backend_is_down(self, agent: str) -> bool:
        return self.load.backend_is_down(agent, self.now)


@dataclass(frozen=True, slots=True)
class No:
    """A check refuses."""

    sip_status: int
    reason_code: ReasonCode
    detail: str
    retry_after_s: int | None = None
