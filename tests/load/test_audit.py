"""What is left of calls that shouldn't be."""

from __future__ import annotations

from benchmarks.load.audit import SPARE_TASKS, tasks_beyond
from benchmarks.load.scrape import Scrape

BEFORE = {"control": 40.0, "worker 0": 12.0}


def scrape(**tasks: int) -> Scrape:
    names = {"control": "control", "worker": "worker 0", "newcomer": "worker 1"}
    return Scrape.parse(
        "# TYPE sipagent_asyncio_tasks gauge\n"
        + "".join(f'sipagent_asyncio_tasks{{process="{names[key]}"}} {n}\n' for key, n in tasks.items())
    )


def test_tasks_that_calls_left_behind_are_told() -> None:
    (told,) = tasks_beyond(BEFORE, scrape(control=41, worker=112))
    assert told == "worker 0 has 100 asyncio tasks more than before"


def test_a_few_tasks_more_and_new_workers_are_no_leak() -> None:
    assert not list(tasks_beyond(BEFORE, scrape(control=40 + SPARE_TASKS, worker=3, newcomer=99)))
