"""Admission rehearsed: what would be decided of a call that nobody makes."""

from __future__ import annotations

from sipagent.call.admission.question import Load
from sipagent.call.admission.rehearsal import route_test
from sipagent.config import Config
from tests.call.admission.decided import admitted, refused
from tests.call.admission.peers import SECURE, ask
from tests.call.fake_sip import PBX


def test_route_test_asks_the_same_rules(config: Config) -> None:
    assert admitted(route_test(config, PBX, "100", "+15559999")) == ask(config, codecs=None)
    assert refused(route_test(config, PBX, "100", codecs=("opus",))).sip_status == 488
    assert refused(route_test(config, PBX, "100", load=Load(draining=True))).sip_status == 503
    assert refused(route_test(config, SECURE, "1")).sip_status == 403
    admitted(route_test(config, SECURE, "1", transport="tls"))


def test_route_test_takes_a_registrars_host_for_its_addresses(config: Config) -> None:
    assert admitted(route_test(config, "carrier.example", "sales")).trunk.name == "sales"


def test_route_test_can_offer_srtp(config: Config) -> None:
    assert refused(route_test(config, PBX, "100", codecs=("PCMA",), srtp=True)).reason_code == "srtp_off"
