"""Which dial may start now, and when to ask again. Pure.

Each tenant's calls are spread evenly, and whoever started longest ago goes first, so that one tenant's long
queue does not keep another's waiting.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf

from sipagent.config import CapsConfig, OutboundConfig
from sipagent.outbound import caps
from sipagent.outbound.dial import Dial
from sipagent.outbound.windows import Window

FIRST_HOLD_S, LONGEST_HOLD_S = 0.5, 15.0
#: The hold of everything.
SERVER = "server"


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing starts by this way until then."""

    until: float
    length_s: float


@dataclass(frozen=True, slots=True)
class Pick:
    """The dial to start, if there is one; if not, when there may be one: infinity if only an event helps."""

    dial: Dial | None
    ask_at: float


class Pacing:
    """What was started, and what is held up. Times are Unix times in seconds."""

    def __init__(self, keys: Mapping[str, CapsConfig]) -> None:
        """`keys` are the caps of tokens, by name."""
        self._keys = keys
        self._started: dict[str, float] = {}
        self._holds: dict[str, Hold] = {}
        self.placed: defaultdict[str, Window] = defaultdict(Window)
        """By token, when its calls were placed."""

    def pick(
        self,
        waiting: Iterable[Dial],
        on: Collection[Dial],
        outbound: OutboundConfig,
        paused: Collection[str],
        now: float,
    ) -> Pick:
        """`paused` are campaigns. `on` are the dials that have a call now."""
        tenants = Counter(dial.wish.tenant for dial in on)
        keys = Counter(dial.wish.key for dial in on)

        @cache
        def way_opens_at(tenant: str, key: str, ways: tuple[str, ...]) -> float:
            return max(
                self._tenant_opens_at(tenant, tenants[tenant], outbound, now),
                self._key_opens_at(key, keys[key], now),
                *(self._held_until(way) for way in ways),
            )

        best: Dial | None = None
        ask_at = inf
        for dial in waiting:
            wish = dial.wish
            if wish.campaign in paused:
                continue
            opens_at = max(dial.due_at, way_opens_at(wish.tenant, wish.key, ways_of(dial)))
            if opens_at > now:
                ask_at = min(ask_at, opens_at)
            elif best is None or self._rank(dial) < self._rank(best):
                best = dial
        return Pick(best, ask_at if best is None else now)

    def started(self, dial: Dial, now: float) -> None:
        """An attempt begins."""
        self._started[dial.wish.tenant] = now
        self.placed[dial.wish.key].note(now)

    def took_off(self, dial: Dial) -> None:
        """Its call has begun: what held that up before does so no more."""
        for way in ways_of(dial):
            self._holds.pop(way, None)

    def put_back(self, dial: Dial, began_at: float, way: str, now: float) -> float:
        """There was no room for the call. Nothing starts by this `way` until the time that is returned.

        Each time that the same way has no room again the wait is twice as long.
        """
        self.placed[dial.wish.key].take_back(began_at)
        return self.hold(way, now)

    def hold(self, way: str, now: float) -> float:
        before = self._holds.get(way)
        length_s = FIRST_HOLD_S if before is None else min(2 * before.length_s, LONGEST_HOLD_S)
        self._holds[way] = Hold(now + length_s, length_s)
        return now + length_s

    def hold_server(self, now: float) -> None:
        self.hold(SERVER, now)

    def room_again(self) -> None:
        """A call has ended: whatever was held up is tried at once."""
        self._holds = {way: Hold(0.0, hold.length_s) for way, hold in self._holds.items()}

    def forget(self, now: float) -> None:
        for window in self.placed.values():
            window.forget(now)

    def _rank(self, dial: Dial) -> tuple[float, float, float]:
        return self._started.get(dial.wish.tenant, -inf), dial.due_at, dial.created_at

    def _tenant_opens_at(self, tenant: str, on: int, outbound: OutboundConfig, now: float) -> float:
        limits = outbound.tenant(tenant)
        if on >= limits.max_concurrent:
            return inf
        return min(self._started.get(tenant, -inf) + 1 / limits.calls_per_s, now + 1 / limits.calls_per_s)

    def _key_opens_at(self, key: str, on: int, now: float) -> float:
        known = self._keys.get(key)
        return now if known is None else caps.opens_at(known, self.placed[key], on, now)

    def _held_until(self, way: str) -> float:
        return self._holds[way].until if way in self._holds else -inf


def ways_of(dial: Dial) -> tuple[str, ...]:
    """All that its call needs and that may have no room."""
    ways = (SERVER, f"trunk {dial.wish.trunk}", f"agent {dial.wish.agent}")
    return ways if dial.wish.pool is None else (*ways, way_by_pool(dial.wish.pool))


def way_of(dial: Dial, reason_code: str) -> str:
    """What had no room for a call that could not be begun, by the rule that refused it."""
    _, trunk, agent, *_ = ways_of(dial)
    if reason_code.startswith("trunk_"):
        return trunk
    return agent if reason_code.startswith(("backend_", "budget_")) else SERVER


def way_by_pool(pool: str) -> str:
    return f"pool {pool}"
