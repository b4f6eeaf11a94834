"""Dashboard and alerts ask for metrics that there are, and every alert is tested."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "monitoring"
RULES = (MONITORING / "sipagent.rules.yml").read_text()
DASHBOARD = json.loads((MONITORING / "grafana-sipagent.json").read_text())


def documented() -> set[str]:
    """What a scrape can hold, with what histograms make of their name."""
    rows = re.findall(r"^\| `(sipagent_\w+)` \| (\w+)", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    return {name + suffix for name, kind in rows for suffix in suffixes.get(kind, ("",))}


def asked_for(text: str) -> set[str]:
    return set(re.findall(r"sipagent_\w+", text))


def test_alerts_ask_for_metrics_that_there_are() -> None:
    expressions = [rule["expr"] for group in yaml.safe_load(RULES)["groups"] for rule in group["rules"]]
    assert asked_for(" ".join(expressions)) <= documented()


def test_panels_ask_for_metrics_that_there_are() -> None:
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    assert asked_for(" ".join(targets)) <= documented()


def test_every_alert_is_seen_firing_in_a_test() -> None:
    alerts = set(re.findall(r"alert: (\w+)", RULES))
    tests = (MONITORING / "sipagent.rules.test.yml").read_text()
    assert set(re.findall(r"labels: 'ALERTS\{alertname=\"(\w+)\"", tests)) == alerts


def test_panels_dont_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells
