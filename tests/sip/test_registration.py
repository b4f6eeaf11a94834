"""Registration: which server is tried, when, and what the registrar's answers make of it."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.config import TrunkConfig
from sipagent.events import TrunkStateChanged
from sipagent.sip.registration import RegistrarAnswer, Registration, retry_delay_s
from sipagent.sip.replies import retry_after_s
from sipagent.sip.targets import NextHop, Target
from tests.event_loop import turn

FIRST, SECOND = Target("192.0.2.1", 5060, "udp"), Target("192.0.2.2", 5060, "udp")
OK = RegistrarAnswer(200, "OK", 60)
SILENCE = RegistrarAnswer(408, "Request Timeout")
FULL = RegistrarAnswer(503, "Service Unavailable")


class Registrant:
    """Notes by which server each REGISTER would have gone."""

    def __init__(self) -> None:
        self.asked: list[Target | None] = []

    def register(self, target: Target | None) -> None:
        self.asked.append(target)

    def unregister(self) -> None:
        raise AssertionError("nobody asked for that")


class House:
    def __init__(self, *targets: Target, **trunk: Any) -> None:
        registration = {"registrar": "sip:carrier.example", "username": "alice"}
        config = TrunkConfig.model_validate({"name": "t", "registration": registration, **trunk})
        self.registrant = Registrant()
        self.told: list[TrunkStateChanged] = []
        self.hop = NextHop(targets)
        self.registration = Registration(config, self.registrant, self.hop, self.told.append)

    async def answered(self, answer: RegistrarAnswer) -> None:
        self.registration.on_answer(answer)
        await turn()


@pytest.mark.parametrize(
    ("sip_status", "delays"),
    [
        (503, [1, 2, 4, 8, 16, 32, 60, 60]),
        (408, [1, 2, 4]),
        (423, [1, 2, 4]),
        (401, [300, 300]),
        (403, [300, 300]),
    ],
)
def test_retry_delays_grow_and_are_spread_but_never_beyond(sip_status: int, delays: list[float]) -> None:
    answer = RegistrarAnswer(sip_status, "")
    for failures, delay in enumerate(delays, start=1):
        assert retry_delay_s(answer, failures, 0.0) == 0.8 * delay
        assert retry_delay_s(answer, failures, 1.0) == delay


def test_a_registrar_that_says_when_is_asked_no_sooner() -> None:
    asked = RegistrarAnswer(503, "", retry_after_s=120)
    assert retry_delay_s(asked, 1, 0.0) == 120
    assert retry_delay_s(asked, 9, 0.9) > 120


@pytest.mark.parametrize(
    ("value", "expected"), [("7", 7), ("120 (in a meeting);duration=3", 120), ("soon", None), ("9" * 9, 3600)]
)
def test_retry_after(value: str, expected: int | None) -> None:
    assert retry_after_s(f"SIP/2.0 503 Full\r\nretry-after: {value}\r\n\r\n") == expected


async def test_the_next_server_is_tried_at_once_and_nobody_hears_of_it() -> None:
    house = House(FIRST, SECOND)
    house.registration.start()
    await house.answered(FULL)
    assert house.registrant.asked == [FIRST, SECOND]
    assert house.told == []
    await house.answered(OK)
    assert [(told.registered, told.target) for told in house.told] == [(True, str(SECOND))]


async def test_when_none_is_left_it_waits() -> None:
    house = House(FIRST, SECOND)
    house.registration.start()
    await house.answered(SILENCE)
    await house.answered(FULL)
    assert house.registrant.asked == [FIRST, SECOND]
    assert [(told.registered, told.sip_status) for told in house.told] == [(False, 503)]


async def test_a_refusal_is_not_taken_to_the_next_server() -> None:
    house = House(FIRST, SECOND)
    house.registration.start()
    await house.answered(RegistrarAnswer(403, "Forbidden"))
    assert house.registrant.asked == [FIRST]
    assert not house.told[0].registered


async def test_it_returns_to_a_better_server_that_is_back() -> None:
    house = House(FIRST, SECOND)
    house.registration.start()
    await house.answered(FULL)
    await house.answered(OK)
    house.hop.note_answer(FIRST)
    house.registration.on_targets_changed()
    assert house.registrant.asked == [FIRST, SECOND, FIRST]


async def test_a_refresh_that_fails_goes_to_the_next_server() -> None:
    house = House(FIRST, SECOND)
    house.registration.start()
    await house.answered(OK)
    await house.answered(SILENCE)
    assert house.registrant.asked == [FIRST, SECOND]


async def test_without_any_server_it_says_so() -> None:
    house = House()
    house.registration.start()
    await turn()
    assert [(told.registered, told.sip_status) for told in house.told] == [(False, 503)]
    assert "located" in house.told[0].detail
