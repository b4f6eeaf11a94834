"""What the server carries: permits are held exactly as long as their calls live."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sipagent import events
from sipagent.call.admission.load import CallLoad
from sipagent.config import Config


@pytest.fixture
def load() -> CallLoad:
    peers = {"allowed_addresses": ["192.0.2.1"], "max_calls_per_second": 2}
    config = Config.model_validate(
        {
            "limits": {"max_calls_per_second": 3},
            "trunks": {name: {"name": name, **peers} for name in ("pbx", "carrier")},
        }
    )
    return CallLoad(config, now=0.0)


def test_an_idle_server_carries_nothing(load: CallLoad) -> None:
    snapshot = load.snapshot()
    assert (load.calls, snapshot.calls, snapshot.draining) == (0, 0, False)


def test_permits_are_counted_by_trunk_and_in_all(load: CallLoad) -> None:
    with load.permit("pbx", 0.0), load.permit("pbx", 0.0), load.permit("carrier", 0.0):
        snapshot = load.snapshot()
        assert (snapshot.calls, snapshot.calls_by_trunk) == (3, {"pbx": 2, "carrier": 1})
    assert load.calls == 0


def test_a_call_that_crashes_gives_its_permit_back(load: CallLoad) -> None:
    with pytest.raises(ValueError, match="defect"), load.permit("pbx", 0.0):
        raise ValueError("defect")
    assert load.calls == 0


def test_a_permit_uses_up_the_rates_of_its_trunk_and_of_the_server(load: CallLoad) -> None:
    with load.permit("pbx", 0.0), load.permit("pbx", 0.0):
        pass
    rates = load.snapshot().rates
    assert rates is not None
    assert rates.trunks["pbx"].wait_s(0.0) == pytest.approx(0.5)
    assert rates.trunks["carrier"].wait_s(0.0) == 0.0
    assert rates.server is not None
    assert rates.server.level(0.0) == pytest.approx(1.0)


def test_a_snapshot_stays_as_it_was_taken(load: CallLoad) -> None:
    before = load.snapshot()
    with load.permit("pbx", 0.0):
        assert before.calls_by_trunk == {}
    load.draining = True
    assert not before.draining
    assert load.snapshot().draining


# --- another configuration under way ----------------------------------------------------------------


def limits(server: float, **trunks: float | None) -> Config:
    peers = {"allowed_addresses": ["192.0.2.1"]}
    return Config.model_validate(
        {
            "limits": {"max_calls_per_second": server},
            "trunks": {
                name: {"name": name, "max_calls_per_second": rate, **peers} for name, rate in trunks.items()
            },
            "agents": {"bot": {"name": "bot", "backend": {"kind": "echo"}}},
        }
    )


def test_calls_that_are_on_still_count_after_a_reload(load: CallLoad) -> None:
    with load.permit("pbx", 0.0), load.permit("carrier", 0.0):
        load.reconfigure(limits(3, pbx=2), now=0.0)
        assert load.snapshot().calls_by_trunk == {"pbx": 1, "carrier": 1}
    assert load.calls == 0


def test_a_reload_gives_no_new_tokens(load: CallLoad) -> None:
    with load.permit("pbx", 0.0), load.permit("pbx", 0.0):
        load.reconfigure(limits(10, pbx=2, carrier=4, new=1), now=0.0)
    rates = load.snapshot().rates
    assert rates is not None
    assert rates.server.level(0.0) == 8
    assert {name: bucket.level(0.0) for name, bucket in rates.trunks.items()} == {
        "pbx": 0,
        "carrier": 4,
        "new": 1,
    }


def test_a_rate_may_come_and_go(load: CallLoad) -> None:
    load.reconfigure(limits(3, pbx=None, carrier=2), now=0.0)
    rates = load.snapshot().rates
    assert rates is not None
    assert set(rates.trunks) == {"carrier"}


# --- backends ---------------------------------------------------------------------------------------


def test_backends_are_up_until_calls_say_otherwise() -> None:
    load = CallLoad(limits(3), now=0.0)
    assert load.backends_up() == {"bot": True}
    for at in range(3):
        failed = events.LegFailed(
            call_id="c", at=float(at), sip_status=503, reason_code="backend_unreachable", detail=""
        )
        load.observe(failed, None)
        assert load.backends_up() == {"bot": True}
        load.observe(failed, "bot")
    assert load.backends_up() == {"bot": False}
    assert load.snapshot().backends["bot"].wait_s(2.0) == 30.0
    load.reconfigure(limits(3), now=3.0)
    assert load.backends_up() == {"bot": False}


def test_the_clock_and_the_workers_are_asked_for_every_call() -> None:
    noon = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
    load = CallLoad(limits(3), 0.0, workers=lambda: 0.5, clock=lambda: noon)
    assert (load.snapshot().wall, load.snapshot().workers) == (noon, 0.5)
