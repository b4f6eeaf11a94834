"""Calls that we place, as they are read from the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipagent.config import load
from sipagent.errors import ConfigError

ROUTES = "calendars: {office: {time_zone: Europe/London, hours: {mon-fri: '09:00-17:00'}}}\n"
TRUNK = "allowed_addresses: [192.0.2.1]\nnumbers: {'100': echo}\n"


def written(directory: Path, outbound: str, trunk: str = TRUNK) -> Path:
    texts = {"trunks/pbx": trunk, "agents/echo": "backend: {kind: echo}\n", "routes": ROUTES}
    for name, text in {"sipagent": f"outbound: {outbound}\n", **texts}.items():
        path = directory / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return directory / "sipagent.yaml"


def test_nobody_may_be_called_by_default(tmp_path: Path) -> None:
    outbound = load(written(tmp_path, "{}")).outbound
    assert (outbound.allow, outbound.allow_hosts) == ((), ())


def test_tenants_that_are_not_named_have_the_default(tmp_path: Path) -> None:
    written_tenants = "{default_tenant: {calls_per_s: 2}, tenants: {acme: {max_concurrent: 3}}}"
    outbound = load(written(tmp_path, written_tenants)).outbound
    assert outbound.tenant("acme").max_concurrent == 3
    assert outbound.tenant("other").calls_per_s == 2


@pytest.mark.parametrize(
    ("outbound", "told"),
    [
        ("{allow: ['49*']}", "outbound.allow[0]: must be the first digits of numbers"),
        ("{allow: ['']}", "outbound.allow[0]: must be the first digits"),
        ("{allow: ['+49'], deny: ['+49']}", "outbound.allow[0]: '+49' stands in deny too"),
        ("{allow_hosts: ['a b']}", "outbound.allow_hosts[0]: must be 'host' or 'host:port'"),
        ("{trunk: pxb}", "outbound.trunk: there is no trunk 'pxb' (did you mean 'pbx'?)"),
        ("{trunk: pbx, allow: ['+49']}", "outbound.trunk: calling numbers needs transfer.uri_template"),
        ("{pools: {a: {numbers: []}}}", "outbound.pools.a.numbers"),
        ("{pools: {a: {numbers: ['x1']}}}", "outbound.pools.a.numbers[0]: must be a number"),
        ("{pools: {a: {numbers: ['12', '12']}}}", "outbound.pools.a.numbers[1]: '12' stands here twice"),
        ("{policies: {a: {hours: offic}}}", "there is no calendar 'offic' in routes.yaml"),
        ("{policies: {a: {attempts: 0}}}", "outbound.policies.a.attempts"),
        ("{tenants: {a: {calls_per_s: 0}}}", "outbound.tenants.a.calls_per_s"),
        ("{tenant: {}}", "outbound.tenant: unknown key (did you mean 'tenants'?)"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, outbound: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(written(tmp_path, outbound))
    assert any("sipagent.yaml:1: " in problem and told in problem for problem in error.value.problems)
