"""Which dial may start now."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.config import CapsConfig, OutboundConfig, TenantConfig
from sipagent.outbound.dial import Dial
from sipagent.outbound.pacing import LONGEST_HOLD_S, Pacing, Pick, way_by_pool, way_of
from tests.outbound.dials import NOW, dial, due

PLAN = OutboundConfig(
    default_tenant=TenantConfig(calls_per_s=5, max_concurrent=3),
    tenants={"slow": TenantConfig(calls_per_s=0.5, max_concurrent=1)},
)


def pick(
    pacing: Pacing, waiting: list[Dial], now: float = NOW, on: list[Dial] | None = None, **paused: Any
) -> Pick:
    return pacing.pick(waiting, on or [], PLAN, paused.get("paused", ()), now)


def queue(count: int, name: str = "d", **fields: Any) -> list[Dial]:
    return [dial(f"{name}-{number}", at=NOW - 100 + number, **fields) for number in range(count)]


def started(pacing: Pacing, waiting: list[Dial], until_s: float, lasts_s: float) -> list[tuple[float, str]]:
    """When which dial starts, from now on, where every call lasts so long."""
    waiting, now = list(waiting), NOW
    on: list[tuple[float, Dial]] = []
    begun = []
    while now < NOW + until_s:
        on = [(ends, each) for ends, each in on if ends > now]
        picked = pick(pacing, waiting, now, [each for _, each in on])
        if picked.dial is None:
            now = min([picked.ask_at, *(ends for ends, _ in on), NOW + until_s])
            continue
        pacing.started(picked.dial, now)
        waiting.remove(picked.dial)
        on.append((now + lasts_s, picked.dial))
        begun.append((round(now - NOW, 3), picked.dial.dial_id))
    return begun


def test_calls_are_spread_evenly() -> None:
    assert [at for at, _ in started(Pacing({}), queue(4), 10, 0.0)] == [0.0, 0.2, 0.4, 0.6]


def test_the_oldest_goes_first() -> None:
    assert [name for _, name in started(Pacing({}), queue(3)[::-1], 10, 0)] == ["d-0", "d-1", "d-2"]


def test_only_so_many_calls_are_on_at_once() -> None:
    begun = [at for at, _ in started(Pacing({}), queue(7), 60, 10.0)]
    assert begun == [0.0, 0.2, 0.4, 10.0, 10.2, 10.4, 20.0]


def test_a_long_queue_keeps_nobody_else_waiting() -> None:
    both = queue(20, "big", tenant="big") + queue(2, "small", tenant="small")
    names = [name for _, name in started(Pacing({}), both, 1.0, 0.0)]
    assert names[:4] == ["big-0", "small-0", "big-1", "small-1"]


def test_each_tenant_has_its_own_pace() -> None:
    both = queue(3, "a", tenant="slow") + queue(3, "b")
    times = {name: at for at, name in started(Pacing({}), both, 10, 0.0)}
    assert [times[f"a-{number}"] for number in range(3)] == [0.0, 2.0, 4.0]
    assert times["b-2"] == 0.4


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=30), st.floats(0, 3))
def test_whatever_is_asked_limits_hold(asked: list[tuple[str, float]], lasts_s: float) -> None:
    waiting = [
        due(dial(f"{number}", tenant=tenant), NOW + wait) for number, (tenant, wait) in enumerate(asked)
    ]
    begun = started(Pacing({}), waiting, 60, lasts_s)
    assert len(begun) == len(asked)
    tenants = {each.dial_id: each.wish.tenant for each in waiting}
    for tenant in "abc":
        times = [at for at, name in begun if tenants[name] == tenant]
        assert all(later - at >= 0.199 for at, later in pairwise(times))
        for at in times:
            assert sum(at - lasts_s + 0.002 < other <= at for other in times) <= 3


def test_what_is_not_due_waits_and_says_when() -> None:
    later = due(dial(), NOW + 30)
    assert pick(Pacing({}), [later]) == Pick(None, NOW + 30)
    assert pick(Pacing({}), [later], NOW + 30).dial is later


def test_nothing_to_do_needs_no_asking() -> None:
    assert pick(Pacing({}), []) == Pick(None, inf)


def test_a_campaign_that_is_paused_rests() -> None:
    waiting = [dial("a", campaign="autumn"), dial("b")]
    picked = pick(Pacing({}), waiting, paused={"autumn"}).dial
    assert picked is waiting[1]
    assert pick(Pacing({}), waiting[:1], paused={"autumn"}) == Pick(None, inf)


def test_caps_of_a_token_hold_however_long_its_queue() -> None:
    caps = CapsConfig(max_concurrent=2, max_per_minute=3)
    begun = [at for at, _ in started(Pacing({"crm": caps}), queue(5), 200, 1.0)]
    assert begun == [0.0, 0.2, 1.0, 60.0, 60.2]


class TestHolds:
    """A call found no room."""

    def test_others_go_by_their_own_ways(self) -> None:
        pacing, full, free = Pacing({}), dial("a", trunk="full"), dial("b", trunk="free")
        until = pacing.hold(way_of(full, "trunk_call_limit"), NOW)
        assert pick(pacing, [full, free]).dial is free
        assert pick(pacing, [full]) == Pick(None, until)

    @pytest.mark.parametrize(
        ("reason", "other", "is_held"),
        [
            ("server_call_limit", {"trunk": "t", "agent": "a"}, True),
            ("no_worker", {"trunk": "t", "agent": "a"}, True),
            ("trunk_rate_limit", {"agent": "a"}, True),
            ("trunk_rate_limit", {"trunk": "t"}, False),
            ("backend_down", {"trunk": "t"}, True),
            ("backend_down", {"agent": "a"}, False),
        ],
    )
    def test_what_is_held_depends_on_the_reason(
        self, reason: str, other: dict[str, str], is_held: bool
    ) -> None:
        pacing = Pacing({})
        pacing.hold(way_of(dial(), reason), NOW)
        assert (pick(pacing, [dial("b", **other)]).dial is None) == is_held

    def test_a_pool_without_a_free_number_holds_its_own_dials(self) -> None:
        pacing = Pacing({})
        pacing.hold(way_by_pool("sales"), NOW)
        assert pick(pacing, [dial(pool="sales")]).dial is None
        assert pick(pacing, [dial()]).dial is not None

    def test_waits_double_until_there_is_room(self) -> None:
        pacing = Pacing({})
        lengths = [pacing.hold("server", NOW) - NOW for _ in range(7)]
        assert lengths == [0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_HOLD_S, LONGEST_HOLD_S]
        pacing.took_off(dial())
        assert pacing.hold("server", NOW) == NOW + 0.5

    def test_the_end_of_a_call_is_a_reason_to_try_at_once(self) -> None:
        pacing = Pacing({})
        pacing.hold("server", NOW)
        pacing.room_again()
        assert pick(pacing, [dial()]).dial is not None
        assert pacing.hold("server", NOW) == NOW + 1.0

    def test_a_call_that_was_put_back_is_not_counted(self) -> None:
        pacing = Pacing({"crm": CapsConfig(max_per_day=1)})
        pacing.started(dial(), NOW)
        assert pick(pacing, [dial()], NOW + 100).dial is None
        pacing.put_back(dial(), NOW, "server", NOW)
        assert pick(pacing, [dial()], NOW + 100).dial is not None
