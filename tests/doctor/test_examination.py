"""The examination as a whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sipagent import doctor
from sipagent.doctor import examination, pjsip
from tests.doctor.findings import STOCK, TUNED, agent, config, statuses, trunk


def test_without_a_configuration_the_machine_alone_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pjsip, "PROBE", (sys.executable, "-c", f"print({TUNED!r})"))
    assert set(statuses(doctor.run(None))) == {
        "pjsua2",
        "pjsua2 call limit",
        "pjsua2 TLS",
        "pjsua2 SRTP",
        "pjsua2 ioqueue",
        "media path",
        "clock",
        "scheduling",
        "kernel buffers",
    }


def test_every_finding_but_ok_names_a_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pjsip, "PROBE", (sys.executable, "-c", f"print({STOCK!r})"))
    findings = doctor.run(
        config(
            trunks=trunk(allowed_addresses=["127.0.0.1"]),
            agents=agent("a", "ws://127.0.0.1:1/"),
            storage={"directory": tmp_path},
        )
    )
    assert {finding.name for finding in findings} >= {"open files", "storage", "listeners", "RTP ports"}
    for finding in findings:
        assert (finding.fix == "") == (finding.status == "ok"), finding
        assert finding.fix == "" or finding.fix.endswith((".", ")"))


async def test_a_probe_that_hangs_is_ended_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pjsip, "PROBE", (sys.executable, "-c", "import signal; signal.pause()"))
    monkeypatch.setattr(examination, "DEADLINE_S", 0.05)
    (finding,) = await examination.examine(config(), ("pjsua2",))
    assert (finding.name, finding.status) == ("pjsua2", "fail")
    assert finding.detail == "no result within 0.05 s"
