"""What becomes of runs: medians, comparisons, tables."""

from __future__ import annotations

from benchmarks.cost.conditions import Conditions
from benchmarks.cost.macro import Cost
from benchmarks.cost.summary import Run, Spread, rows
from benchmarks.cost.told import markdown

FEW, MANY = Conditions(calls=50), Conditions(calls=200)
SECURE = Conditions(calls=200, srtp=True)
ALL = [FEW, MANY, SECURE]


def run(conditions: Conditions, percent: float, **differing: float) -> Run:
    cost = Cost(
        **{
            "workers_percent": percent - 0.1,
            "control_percent": 0.1,
            "pss_mb": 0.3,
            "late_p99_ms": 1.5,
            "late_max_ms": 4.0,
            "starved": 0,
            "lost_out": 0,
            "sent_in": 50.0,
            "own_late_p99_ms": 1.0,
            "others_percent": 40.0,
        }
        | differing
    )
    return Run(name=conditions.name, took_s=1.0, cost=cost)


def floor(percent: float) -> Run:
    return Run(name="floor", took_s=1.0, floor_percent=percent)


def test_a_row_is_the_median_of_its_runs() -> None:
    (row,) = rows([run(FEW, 0.4), run(FEW, 0.9, starved=2), run(FEW, 0.5, lost_out=1)], ALL)
    assert row.percent == Spread(0.5, 0.4, 0.9)
    assert (row.runs, row.starved, row.lost_out) == (3, 2, 1)


def test_plain_calls_are_compared_with_the_fewest_and_variants_with_plain_ones() -> None:
    few, many, secure = rows([run(FEW, 0.5), run(MANY, 0.4), run(SECURE, 0.6)], ALL)
    assert (few.compared, few.compared_with) == (1.0, "g711-50")
    assert (many.compared, many.compared_with) == (0.8, "g711-50")
    assert (round(secure.compared or 0, 6), secure.compared_with) == (1.5, "g711-200")


def test_a_variant_alone_is_compared_with_nothing() -> None:
    (secure,) = rows([run(SECURE, 0.6)], ALL)
    assert (secure.compared, secure.floors) == (None, None)


def test_the_yardstick_is_the_floor_of_the_same_runs() -> None:
    (row,) = rows([floor(0.02), floor(0.08), floor(0.04), run(FEW, 0.4)], ALL)
    assert row.floors == 10


def test_the_table_tells_the_fall_and_the_failures() -> None:
    lost = Run(name=MANY.name, took_s=1.0, failure="RuntimeError: only 3 of 200 calls are up")
    told = markdown("A machine.", [run(FEW, 0.5), run(MANY, 0.4), lost], ALL)
    assert "| 50    | G.711 | no  | no   | yes      |" in told
    assert "0.80 × g711-50" in told
    assert "1 of 2" in told
    assert "G.711: of 200 calls each costs 0.80 times one of 50." in told
    assert "- g711-200: RuntimeError: only 3 of 200 calls are up" in told


def test_names_tell_the_conditions() -> None:
    assert Conditions(calls=9, audio="pcm24", tls=True, records=False).name == "pcm24-9-tls-unrecorded"
    assert Conditions(calls=9, send_every_ms=40).name == "g711-9-every-40"
    assert not Conditions(calls=9, send_every_ms=40).is_plain
