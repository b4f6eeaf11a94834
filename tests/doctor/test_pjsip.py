"""The build of pjsua2: what the doctor makes of its limits, and of one that can't be asked."""

from __future__ import annotations

import sys

import pytest

from sipagent.doctor import pjsip
from tests.doctor.findings import STOCK, TUNED, by_name, config, statuses


def test_a_tuned_build_is_all_right() -> None:
    findings = by_name(pjsip.findings(pjsip.parsed(f"pjsua2 logs\n{TUNED}\n"), config()))
    assert {finding.status for finding in findings.values()} == {"ok"}
    assert findings["pjsua2"].detail == "2.17, tuned build"
    assert findings["pjsua2 call limit"].detail == "2048 calls, limits.max_calls is 100"
    assert findings["pjsua2 TLS"].detail == "OpenSSL/3.0.15"
    assert findings["pjsua2 ioqueue"].detail == "epoll, 8192 sockets"


def test_a_stock_build_is_told_to_carry_four_calls() -> None:
    findings = by_name(pjsip.findings(pjsip.parsed(STOCK), config()))
    assert statuses(iter(findings.values())) == {
        "pjsua2": "warn",
        "pjsua2 call limit": "fail",
        "pjsua2 TLS": "warn",
        "pjsua2 SRTP": "warn",
        "pjsua2 ioqueue": "warn",
    }
    limit = findings["pjsua2 call limit"]
    assert limit.detail == "this build carries 4 calls, limits.max_calls is 100"
    assert limit.fix == "Build the tuned wheel: make pjsua2, or set limits.max_calls to 4."


@pytest.mark.parametrize(("listen_tls", "status"), [(None, "ok"), ("0.0.0.0:5061", "fail")])
def test_a_build_without_tls_fails_only_where_tls_is_wanted(listen_tls: str | None, status: str) -> None:
    tls = {"certificate_file": "c.pem", "key_file": "k.pem"}
    wanted = config(sip={"listen_tls": listen_tls, "tls": tls})
    facts = pjsip.parsed(TUNED) | {"tls": "none"}
    assert statuses(pjsip.findings(facts, wanted))["pjsua2 TLS"] == status


def test_a_stock_pjsua2_cannot_serve_a_trunk_with_srtp() -> None:
    trunk = {"name": "a", "allowed_addresses": ["192.0.2.1"], "srtp": "optional"}
    found = by_name(list(pjsip.findings(pjsip.parsed(STOCK), config(trunks={"a": trunk}))))
    assert found["pjsua2 SRTP"].status == "fail"


async def test_a_pjsua2_that_cant_be_loaded_is_told_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pjsip, "PROBE", (sys.executable, "-c", "import no_such_module"))
    (finding,) = await pjsip.check(config())
    assert finding.status == "fail"
    assert finding.detail == "can't be loaded: ModuleNotFoundError: No module named 'no_such_module'"


@pytest.mark.e2e
async def test_the_installed_pjsua2_tells_its_limits() -> None:
    findings = by_name(await pjsip.check(config(limits={"max_calls": 4})))
    assert findings["pjsua2 call limit"].status == "ok"
    assert set(findings) == {"pjsua2", "pjsua2 call limit", "pjsua2 TLS", "pjsua2 SRTP", "pjsua2 ioqueue"}
