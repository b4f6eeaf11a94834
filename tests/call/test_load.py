"""What the server carries: permits are held exactly as long as their calls live."""

from __future__ import annotations

import pytest

from sipagent.call.load import CallLoad
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
