"""Calls per second, as values: a bucket of tokens for the server and one for each trunk that has a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sipagent.config import Config

# Refilling in fractions may leave a whole token a rounding error short.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Refills at `rate_per_s` and holds one second's worth, but at least one token."""

    rate_per_s: float
    tokens: float
    filled_at: float

    @classmethod
    def full(cls, rate_per_s: float, now: float) -> TokenBucket:
        return cls(rate_per_s, max(1.0, rate_per_s), now)

    def level(self, now: float) -> float:
        return min(max(1.0, self.rate_per_s), self.tokens + (now - self.filled_at) * self.rate_per_s)

    def wait_s(self, now: float) -> float:
        """How long until a token is there; 0 if one is."""
        short = 1.0 - self.level(now)
        return short / self.rate_per_s if short > _ROUNDING else 0.0

    def having_used(self, before: TokenBucket | None, now: float) -> TokenBucket:
        """This bucket, full at `now`, without the tokens that the one before it lacks."""
        if before is None:
            return self
        lacking = max(1.0, before.rate_per_s) - before.level(now)
        return replace(self, tokens=max(0.0, self.tokens - lacking))

    def taken(self, now: float) -> TokenBucket:
        return replace(self, tokens=max(0.0, self.level(now) - 1.0), filled_at=now)


@dataclass(frozen=True, slots=True)
class CallRates:
    """What the server and each trunk may still take. A new value replaces it after every admitted call."""

    server: TokenBucket
    trunks: Mapping[str, TokenBucket]

    @classmethod
    def full(cls, config: Config, now: float) -> CallRates:
        limited = {name: trunk.max_calls_per_second for name, trunk in config.trunks.items()}
        trunks = {name: TokenBucket.full(rate, now) for name, rate in limited.items() if rate is not None}
        return cls(TokenBucket.full(config.limits.max_calls_per_second, now), trunks)

    def reconfigured(self, config: Config, now: float) -> CallRates:
        """The rates of another configuration. What is left of the old ones stays used up."""
        full = CallRates.full(config, now)
        trunks = {
            name: bucket.having_used(self.trunks.get(name), now) for name, bucket in full.trunks.items()
        }
        return CallRates(full.server.having_used(self.server, now), trunks)

    def after_call(self, trunk: str, now: float) -> CallRates:
        """The rates once a call over `trunk` was admitted."""
        trunks = dict(self.trunks)
        if trunk in trunks:
            trunks[trunk] = trunks[trunk].taken(now)
        return CallRates(self.server.taken(now), trunks)
