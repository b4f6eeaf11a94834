"""What is told of a run: how memory, files and threads grow once a server has settled."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from benchmarks.load.figures import slopes
from benchmarks.load.measures import Sample

HOUR_S = 3600


def hour(control_mb: Callable[[float], float]) -> list[Sample]:
    """A look each second; the control process's memory wavers by 1 MB about that of each."""
    wavering = np.random.default_rng(1).normal(0, 1, HOUR_S)
    return [sample(at, control_mb(at) + float(more)) for at, more in enumerate(wavering)]


def sample(at_s: float, control_mb: float) -> Sample:
    return Sample(
        at_s=at_s,
        phase="rate",
        calls=50,
        streams=50,
        cpu={},
        machine_busy=1.0,
        stolen=0.0,
        work_ms=0.2,
        rss={"control": int(control_mb * 2**20), "workers": 2**28},
        fds=200,
        threads=14,
        sent=2500,
        received=2500,
        lost=0,
        late_p99_ms=1.0,
        late_max_ms=2.0,
        own_late_p99_ms=1.0,
        setup_p95_ms=20.0,
        setup_max_ms=30.0,
    )


def test_what_a_server_takes_to_settle_is_no_growth() -> None:
    found = slopes(hour(lambda at: 240 - 20 * float(np.exp(-at / 100))))
    assert set(found) == {"control MB", "workers MB", "fds", "threads"}
    assert found["control MB"].is_flat


@pytest.mark.parametrize("mb_per_hour", [6, 20])
def test_what_leaks_grows_to_the_end(mb_per_hour: int) -> None:
    """6 MB an hour are 300 bytes of each call of the hour's 20,000."""
    found = slopes(hour(lambda at: 240 + mb_per_hour * at / HOUR_S))["control MB"]
    assert found.low > 5
    assert found.per_hour == pytest.approx(mb_per_hour, abs=0.5)


def test_calls_that_are_held_have_no_slopes() -> None:
    grows = hour(lambda at: 240 + 200 * at / HOUR_S)
    assert slopes([msgspec.structs.replace(each, phase="hold") for each in grows]) == {}


def test_a_short_run_has_no_slopes() -> None:
    assert slopes(hour(lambda _: 240.0)[:149]) == {}
    assert slopes([]) == {}
