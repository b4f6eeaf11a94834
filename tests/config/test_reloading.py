"""A configuration that is read again: what a running server takes up, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sipagent.config import check, check_again
from sipagent.config.reloading import CHANGEABLE, Changes
from sipagent.config.server import ServerConfig
from sipagent.errors import ConfigError

SERVER = "sip: {listen_udp: '0.0.0.0:5060'}\nlimits: {max_calls: 20}\n"
TRUNK = "allowed_addresses: [192.0.2.1]\nnumbers: {'*': echo}\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(server: str = SERVER, trunk: str = TRUNK, routes: str = "") -> Path:
        texts = {
            "sipagent": server,
            "trunks/pbx": trunk,
            "agents/echo": "backend: {kind: echo}\n",
            "routes": routes,
        }
        for name, text in texts.items():
            file = tmp_path / f"{name}.yaml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        return tmp_path / "sipagent.yaml"

    return write


def test_what_calls_go_by_is_taken_up(write: Write) -> None:
    running = check(write())
    server = "limits: {max_calls: 30}\nrtp: {timeout_s: 5}\ncallers: {block: [anonymous]}\n"
    path = write(
        server + SERVER.splitlines()[0], TRUNK + "max_calls: 3\n", "rules: [{name: a, agent: echo}]\n"
    )
    config, needs_restart = check_again(path, running)
    assert needs_restart == ()
    assert (config.limits.max_calls, config.rtp.timeout_s) == (30, 5)
    assert config.callers.block.texts == ("anonymous",)
    assert config.trunks["pbx"].max_calls == 3
    assert [rule.name for rule in config.routes.rules] == ["a"]


def test_what_was_opened_at_the_start_stays_and_is_named(write: Write) -> None:
    running = check(write())
    server = """\
sip: {listen_udp: '0.0.0.0:5070', user_agent: other}
rtp: {first_port: 30000, last_port: 39998, jitter_max_ms: 300}
media: {workers: 7}
http: {listen: '127.0.0.1:9000'}
storage: {directory: elsewhere}
"""
    config, needs_restart = check_again(write(server), running)
    assert needs_restart == (
        "http.listen",
        "media.workers",
        "rtp.first_port",
        "rtp.last_port",
        "sip.listen_udp",
        "sip.user_agent",
        "storage.directory",
    )
    assert (config.sip, config.media, config.http) == (running.sip, running.media, running.http)
    assert (config.rtp.first_port, config.rtp.jitter_max_ms) == (20000, 300)


def test_the_new_must_go_together_with_what_stays(write: Write) -> None:
    """A trunk over TLS and its listener may not come together: the listener would not be there."""
    running = check(write())
    tls = "sip: {listen_tls: '0.0.0.0:5061', tls: {certificate_file: a.pem, key_file: a.pem}}\n"
    path = write(tls, TRUNK + "transport: tls\n")
    (path.parent / "a.pem").touch()
    assert check(path).sip.listen_tls is not None
    with pytest.raises(ConfigError) as raised:
        check_again(path, running)
    assert "trunks/pbx.yaml:3: transport: sip.listen_tls is not set" in str(raised.value)


def test_a_mistake_is_told_as_at_the_start(write: Write) -> None:
    running = check(write())
    with pytest.raises(ConfigError) as raised:
        check_again(write("limits: {max_cals: 30}\n"), running)
    assert "sipagent.yaml:1: limits.max_cals: unknown key (did you mean 'max_calls'?)" in str(raised.value)


def test_every_changeable_key_is_one() -> None:
    for key in CHANGEABLE:
        section, _, name = key.partition(".")
        assert section in ServerConfig.model_fields
        assert not name or name in type(getattr(ServerConfig(), section)).model_fields


def test_changes_between_two_sets_of_names() -> None:
    assert Changes.between({"a": 1, "b": 1, "c": 1}, {"b": 1, "c": 2, "d": 1}) == Changes(
        ("d",), ("c",), ("a",)
    )
