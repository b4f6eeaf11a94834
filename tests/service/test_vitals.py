"""When a server counts as alive, and what is said of it."""

from __future__ import annotations

import pytest

from sipagent.service.vitals import Vitals

NOW, PATIENCE_S = 1000.0, 10.0
FRESH, OLD = 999.0, 980.0


@pytest.mark.parametrize(
    ("polled_at", "heard_at", "lives", "silent"),
    [
        (FRESH, {0: FRESH, 1: FRESH}, True, ()),
        (FRESH, {0: OLD, 1: FRESH}, True, ("worker 0",)),
        (FRESH, {0: OLD, 1: OLD}, False, ("worker 0", "worker 1")),
        (FRESH, {}, False, ()),
        (OLD, {0: FRESH, 1: FRESH}, False, ("signalling",)),
    ],
    ids=["all well", "one worker lost", "no worker left", "no worker yet", "signalling stuck"],
)
def test_signalling_and_one_worker_make_a_server(
    polled_at: float, heard_at: dict[int, float], lives: bool, silent: tuple[str, ...]
) -> None:
    vitals = Vitals(polled_at, heard_at)
    assert vitals.is_alive(NOW, PATIENCE_S) is lives
    assert vitals.silent_parts(NOW, PATIENCE_S) == silent


@pytest.mark.parametrize(
    ("vitals", "status"),
    [
        (Vitals(FRESH, {0: FRESH}), "0 calls"),
        (Vitals(FRESH, {0: FRESH}, calls=1, draining=True), "draining, 1 call"),
        (
            Vitals(FRESH, {0: OLD}, calls=3, registered={"pbx": True, "carrier": False}),
            "3 calls; 1 of 2 trunks registered; not registered: carrier; silent: worker 0",
        ),
    ],
)
def test_its_status_is_one_line(vitals: Vitals, status: str) -> None:
    assert vitals.status(NOW, PATIENCE_S) == status
