"""From the state of the server, its workers and its neighbours to what Prometheus reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sipagent import events
from sipagent.metrics import ServerFigures
from tests.metrics.house import House, received

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_backends_and_reloads(house: House) -> None:
    house.server = replace(house.server, backends_up={"bot": False, "echo": True})
    house.metrics.count_reload(True)
    house.metrics.count_reload(False)
    assert house.value("sipagent_backend_up", agent="bot") == 0
    assert house.value("sipagent_backend_up", agent="echo") == 1
    assert house.value("sipagent_config_reloads_total", outcome="applied") == 1
    assert house.value("sipagent_config_reloads_total", outcome="refused") == 1


def test_the_servers_of_a_trunk() -> None:
    house = House()
    up, down = ({"trunk": "pbx", "target": f"udp:192.0.2.{number}:5060"} for number in (1, 2))
    assert house.value("sipagent_trunk_target_up", **up) == 1
    assert house.value("sipagent_trunk_target_rtt_seconds", **up) == 0.012
    assert house.value("sipagent_trunk_target_up", **down) == 0
    assert house.value("sipagent_trunk_target_rtt_seconds", **down) is None


@pytest.mark.parametrize(("is_registered", "value"), [(True, 1), (False, 0)])
def test_a_trunk_shows_whether_it_is_registered(house: House, is_registered: bool, value: int) -> None:
    house.metrics.observe_trunk(
        events.TrunkStateChanged(at=1.0, trunk="pbx", registered=is_registered, sip_status=200, detail="")
    )
    assert house.value("sipagent_trunk_registered", trunk="pbx") == value


def test_what_is_free_of_each_resource(house: House) -> None:
    assert house.value("sipagent_headroom_ratio", resource="calls") == 0.75


def test_the_feed_of_the_database_is_shown(house: House) -> None:
    house.metrics.observe_call_log(is_up=True, lag_records=7)
    assert house.value("sipagent_call_log_database_up") == 1
    assert house.value("sipagent_call_log_lag_records") == 7


def test_every_process_tells_of_its_tasks(house: House) -> None:
    by_process = [
        house.value("sipagent_asyncio_tasks", process=each) for each in ("control", "worker 0", "worker 1")
    ]
    assert by_process == [40, 17, 17]


def test_lateness_of_ticks_is_a_cumulative_histogram(house: House) -> None:
    bounds = ("0.001", "0.01", "+Inf")
    buckets = [house.value("sipagent_tick_late_seconds_bucket", worker="0", le=bound) for bound in bounds]
    assert buckets == [5, 8, 9]
    assert house.value("sipagent_tick_late_seconds_count", worker="0") == 9
    assert house.value("sipagent_tick_late_seconds_sum", worker="0") == 0.25


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sipagent_worker_legs", 3),
        ("sipagent_worker_resident_bytes", 40_000_000),
        ("sipagent_worker_cpu_seconds_total", 1.5),
        ("sipagent_worker_ticks_skipped_total", 2),
    ],
)
def test_every_worker_shows_its_last_report(house: House, name: str, value: float) -> None:
    assert [house.value(name, worker=number) for number in ("0", "1")] == [value, value]


def test_a_worker_that_is_gone_is_not_shown(house: House) -> None:
    del house.workers[1]
    assert house.value("sipagent_worker_legs", worker="1") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sipagent_worker_restarts_total", 1),
        ("sipagent_rtp_port_pairs_in_use", 4),
        ("sipagent_sip_requests_dropped_total", 9),
    ],
)
def test_the_servers_own_figures_are_asked_for_at_every_scrape(house: House, name: str, value: float) -> None:
    assert house.value(name) == value
    house.server = ServerFigures(worker_restarts=0, rtp_port_pairs_in_use=0, source_filter_dropped=0)
    assert house.value(name) == 0


def test_two_servers_in_one_process_do_not_share_metrics(house: House) -> None:
    other = House()
    house.observe(received())
    assert other.value("sipagent_calls_received_total", trunk="pbx", direction="inbound") is None


def test_the_docs_name_every_metric_and_no_other(house: House) -> None:
    rows = (line for line in DOCS.read_text().splitlines() if line.startswith("| `"))
    documented = {row.split("`")[1].removesuffix("_total") for row in rows}
    scraped = text_string_to_metric_families(house.metrics.exposition().decode())
    exposed = {family.name for family in scraped if not family.name.endswith("_created")}
    assert documented == exposed
