"""Backends that keep failing: calls stay away from them but for one that tries, now and then."""

from __future__ import annotations

import msgspec
import pytest

from sipagent import events
from sipagent.call.admission.backend_health import BackendHealth, BackendsHealth
from sipagent.config import BackendHealthConfig
from sipagent.errors import ReasonCode

SETTINGS = BackendHealthConfig(down_after_failures=3, retry_s=30)


def admitted(at: float) -> events.CallAdmitted:
    return events.CallAdmitted(call_id="c", at=at, agent="bot", route="pbx/* -> bot")


def ready(at: float) -> events.LegReady:
    return events.LegReady(call_id="c", at=at, ready_ms=100.0)


def failed(at: float, code: str = ReasonCode.BACKEND_UNREACHABLE) -> events.LegFailed:
    return events.LegFailed(call_id="c", at=at, sip_status=503, reason_code=code, detail="refused")


def after(*story: events.Event) -> BackendHealth:
    backends = BackendsHealth({})
    for event in story:
        backends = backends.after(event, "bot", SETTINGS)
    return backends.by_agent.get("bot", BackendHealth())


def test_a_backend_is_down_once_it_failed_often_enough_in_a_row() -> None:
    assert after(failed(0.0), failed(1.0)).is_up
    down = after(failed(0.0), failed(1.0), failed(2.0))
    assert (down.is_up, down.down_since, down.cause) == (False, 2.0, "backend_unreachable: refused")
    assert down.wait_s(2.0) == 30.0


def test_a_success_between_starts_the_count_again() -> None:
    assert after(failed(0.0), failed(1.0), ready(2.0), failed(3.0), failed(4.0)).is_up


@pytest.mark.parametrize("code", [ReasonCode.NO_WORKER, ReasonCode.DRAINING, ReasonCode.BAD_OFFER])
def test_what_is_no_fault_of_the_backend_does_not_count(code: str) -> None:
    assert after(*[failed(float(n), code) for n in range(10)]) == BackendHealth()


def test_after_a_while_one_call_may_try_and_the_others_wait_for_it() -> None:
    failures = [failed(float(n)) for n in range(3)]
    down = after(*failures)
    assert (down.wait_s(31.9) > 0, down.wait_s(32.0)) == (True, 0.0)
    trying = after(*failures, admitted(32.0))
    assert trying.wait_s(32.0) == 30.0
    still_down = after(*failures, admitted(32.0), failed(35.0))
    assert (still_down.down_since, still_down.wait_s(35.0)) == (2.0, 30.0)
    assert after(*failures, admitted(32.0), ready(33.0)) == BackendHealth()


def test_backends_that_drop_in_mid_call_count_too() -> None:
    lost = [
        events.BackendDown(call_id="c", at=float(at), agent="bot", code="closed", message="1006", fatal=False)
        for at in range(3)
    ]
    assert after(*lost).cause == "closed: 1006"
    assert not after(*lost).is_up
    assert after(*lost[:2], ready(2.0), lost[2]).is_up
    of_the_spare = msgspec.structs.replace(lost[0], agent="spare")
    assert set(BackendsHealth({}).after(of_the_spare, "bot", SETTINGS).by_agent) == {"spare"}
    spare = events.BackendNotReplaced(call_id="c", at=3.0, agent="spare", code="x", message="", fatal=False)
    assert BackendsHealth({}).after(spare, "bot", SETTINGS).by_agent["spare"].failures == 1


def test_a_backend_that_took_over_in_mid_call_is_up() -> None:
    replaced = events.BackendReplaced(call_id="c", at=5.0, agent="spare", ready_ms=10.0)
    backends = BackendsHealth({"spare": BackendHealth(3, 0.0, 30.0, "x"), "bot": BackendHealth(1)})
    assert backends.after(replaced, "bot", SETTINGS).by_agent == {
        "spare": BackendHealth(),
        "bot": BackendHealth(1),
    }


def test_agents_that_are_no_more_are_forgotten() -> None:
    backends = BackendsHealth({"bot": BackendHealth(1), "gone": BackendHealth(2)})
    assert set(backends.kept({"bot": object()}).by_agent) == {"bot"}
