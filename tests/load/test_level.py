"""What breaks the service level, and whose doing it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from benchmarks.load.figures import Figures
from benchmarks.load.level import Level, judge
from benchmarks.load.measures import Comparison, ReferenceOutcome

INTACT = Comparison(frames=100, altered=0, holes=0)
REFERENCE = ReferenceOutcome(
    to_model=INTACT, to_caller=INTACT, is_recorded=True, ended_early=False, caller_late_ms=3.0
)
HOLES = Comparison(frames=100, altered=0, holes=3)
GOOD = Figures(
    calls_wanted=50,
    calls_held=50,
    succeeded=50,
    failed=0,
    failures={},
    end_reasons={"caller_hung_up": 50},
    setup_ms={"p50": 12.0, "p95": 20.0, "p99": 30.0, "max": 31.0},
    late_ms={"p50": 0.2, "p95": 0.6, "p99": 0.9},
    late_max_ms=11.0,
    own_late_ms={"p50": 0.1, "p95": 0.2, "p99": 0.6},
    packets_to_callers=100_000,
    packets_from_callers=100_000,
    sounding_share=0.6,
    lost_to_callers=0,
    lost_from_callers=0,
    dropped_by_generator=0,
    starved={},
    interruptions=20,
    digits=50,
    retransmissions=0,
    cpu={"control": 0.05, "workers": 0.4, "model": 0.2, "callers' media": 0.02, "SIPp": 0.01},
    cpu_max={},
    machine_busy=0.8,
    stolen=0.0,
    work_ms={"idle": 0.2, "p50": 0.2, "p95": 0.3, "p99": 0.3, "max": 0.4},
    cpu_percent_per_call=0.9,
    rss_mb={"control": 100.0, "workers": 200.0},
    pss_mb=290.0,
    pss_mb_per_call=0.3,
    slopes={},
    errors_logged={},
    audit=[],
    reference=REFERENCE,
)


def with_(**changes: Any) -> Figures:
    return msgspec.structs.replace(GOOD, **changes)


def test_a_good_run_holds_the_level() -> None:
    verdict = judge(GOOD, cores=2)
    assert verdict.is_held
    assert verdict.bottleneck == "the service level is held"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"failed": 1, "failures": {"calls: UnexpectedMessage": 1}}, "UnexpectedMessage"),
        ({"calls_held": 49}, "49 of 50"),
        ({"starved": {"loop_late": 3}}, "starved"),
        ({"starved": {"worker_overloaded": 3}}, "starved"),
        ({"late_ms": {"p99": 5.1}}, "5.1 ms late"),
        ({"lost_to_callers": 2}, "2 packets to callers"),
        ({"lost_from_callers": 2}, "2 packets from callers"),
        ({"setup_ms": {"p95": 201.0}}, "set-up p95 201"),
        (
            {
                "reference": msgspec.structs.replace(
                    REFERENCE, to_caller=Comparison(frames=9, altered=1, holes=0)
                )
            },
            "reference",
        ),
        ({"reference": msgspec.structs.replace(REFERENCE, to_model=HOLES)}, "reference"),
        (
            {"reference": msgspec.structs.replace(REFERENCE, to_caller=HOLES, caller_late_ms=80.0)},
            "reference",
        ),
        ({"reference": msgspec.structs.replace(REFERENCE, is_recorded=False)}, "reference"),
        (
            {"reference": msgspec.structs.replace(REFERENCE, to_model=HOLES, caller_late_ms=48.0)},
            "reference",
        ),
        ({"errors_logged": {"tick_failed": 1}}, "tick_failed"),
        ({"audit": ["1 unfinished recordings"]}, "unfinished"),
    ],
)
def test_what_the_server_does_wrong_is_a_breach(changes: dict[str, Any], told: str) -> None:
    verdict = judge(with_(**changes), cores=2)
    assert not verdict.is_held
    assert not verdict.doubts
    (breach,) = verdict.breaches
    assert told in breach
    assert verdict.bottleneck.startswith("the server: ")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dropped_by_generator": 5}, "dropped 5 packets itself"),
        ({"own_late_ms": {"p99": 7.0}}, "woke p99 7 ms late itself"),
        (
            {"reference": msgspec.structs.replace(REFERENCE, to_model=HOLES, caller_late_ms=80.0)},
            "caller sent up to 80 ms late itself",
        ),
        (
            {"reference": msgspec.structs.replace(REFERENCE, is_recorded=False, caller_late_ms=48.0)},
            "caller sent up to 48 ms late itself",
        ),
        ({"starved": {"backend_late": 4}}, "model was late with 4 frames"),
        ({"cpu": {"model": 0.97}}, "model took 97%"),
        ({"cpu": {"SIPp": 0.97}}, "SIPp took 97%"),
        ({"machine_busy": 1.9, "cpu": {"control": 0.1, "workers": 0.7}}, "0.80 of it the server's"),
    ],
)
def test_what_others_do_wrong_is_a_doubt(changes: dict[str, Any], told: str) -> None:
    verdict = judge(with_(**changes), cores=2)
    assert not verdict.is_held
    assert not verdict.breaches
    (doubt,) = verdict.doubts
    assert told in doubt
    assert verdict.bottleneck.startswith("not the server")


def test_late_packets_may_be_the_hosts_doing() -> None:
    late = judge(with_(late_ms={"p99": 7.0}, stolen=0.06), cores=2)
    assert late.doubts == ["the host took 3% of the machine's time for others"]
    assert late.breaches == ["packets p99 7 ms late"]
    assert not judge(with_(late_ms={"p99": 7.0}, stolen=0.02), cores=2).doubts
    assert judge(with_(stolen=0.06), cores=2).is_held


def test_the_level_is_given() -> None:
    slow = with_(setup_ms={"p95": 300.0}, late_ms={"p99": 9.0})
    assert judge(slow, Level(setup_p95_ms=400, late_p99_ms=10), cores=2).is_held


def test_both_are_told() -> None:
    verdict = judge(with_(dropped_by_generator=5, lost_to_callers=5), cores=2)
    assert "itself. And perhaps for that, the server: 5 packets to callers lost" in verdict.bottleneck
