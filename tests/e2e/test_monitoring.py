"""Dashboard and alerts before a real Prometheus, which scrapes a real server."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.prometheus import Prometheus, scraping
from tests.e2e.support.server import running
from tests.e2e.support.setup import Setup

pytestmark = pytest.mark.e2e

MONITORING = Path(__file__).parents[2] / "monitoring"
RULES = MONITORING / "sipagent.rules.yml"
DASHBOARD = json.loads((MONITORING / "grafana-sipagent.json").read_text())
REPLY_MS = 400
#: Panels that have something to show of one call that is over and one that is on.
TELLING = {
    *("Calls on", "Trunks not registered", "Least headroom", "Media workers up", "Running since"),
    *("Calls on, by trunk", "Calls per second: received, refused, ended", "Ends, by reason"),
    *("Set-up: INVITE to 200 OK", "Backends: until the session is configured, p95"),
    *("Turn latency: caller's last word to agent's first", "Pacing: lateness of sub-ticks"),
    *("Packets lost, share of inbound", "Jitter buffer depth", "Headroom", "CPU of media workers, cores"),
    *("Memory of media workers", "Free space", "Records and webhooks that wait"),
}


@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "sipagent.rules.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "sipagent.rules.test.yml"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_is_content(command: list[str]) -> None:
    ran = subprocess.run(["promtool", *command], cwd=MONITORING, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def queries() -> list[tuple[str, str]]:
    """Title and query of everything that the dashboard asks for, as Grafana fills it in."""
    asked = [
        (panel["title"], target["expr"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    ]
    asked += [(each["name"], each["expr"]) for each in DASHBOARD["annotations"]["list"]]
    return [
        (title, query.replace("$__rate_interval", "1m").replace("$instance", ".*")) for title, query in asked
    ]


def numbers(result: list[dict[str, Any]]) -> list[float]:
    values = (float(sample["value"][1]) for sample in result)
    return [value for value in values if not math.isnan(value)]


async def converse(caller: Phone) -> None:
    """Say something and hear the agent's reply to the end."""
    await caller.say(audio.signal(3, 400, ULAW))
    await caller.hear_speech(REPLY_MS)


async def one_call(setup: Setup, prometheus: Prometheus, so_far: int) -> None:
    async with call(setup) as caller:
        await converse(caller)
        await caller.hang_up()
    await prometheus.wait_for(f"sum(sipagent_calls_ended_total) == {so_far}")


async def test_every_panel_gets_its_answer_and_no_alert_is_broken(
    setup: SetupFactory, tmp_path: Path
) -> None:
    script = RealtimeOptions(script=(Turn(reply=[Pattern(pattern_ms=REPLY_MS, number=2)]),), obedient=False)
    async with (
        RealtimeServer(script) as model,
        running(setup(model.url)) as server,
        scraping(server.setup.http_port, RULES, tmp_path) as prometheus,
    ):
        for number in (1, 2):  # a rate needs two samples that differ
            await one_call(server.setup, prometheus, number)
        async with call(server.setup) as caller:
            await prometheus.wait_for("sum(sipagent_calls_active) == 1")
            shown = {title for title, query in queries() if numbers(await prometheus.query(query))}
            await caller.hang_up()
        assert shown >= TELLING, TELLING - shown
        rules = await prometheus.rules()
        assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
        assert "SipagentDown" in {rule["name"] for rule in rules}
        assert not await prometheus.query('ALERTS{alertstate="firing"}')
