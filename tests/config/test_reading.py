"""Reading configuration: what is valid, and what it means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sipagent.config import AgentConfig, Config, HostPort, OpenAIRealtimeConfig, Secret, load
from tests.config.files import TRUNK, Write


def test_an_empty_server_file_means_all_defaults(write: Write) -> None:
    config = load(write(""))
    assert config.sip.listen_udp == HostPort("0.0.0.0", 5060)
    assert config.rtp.port_pairs == 5000
    assert config.media.workers == "auto"
    assert config.storage.spool == Path("/var/lib/sipagent/spool")
    assert config.public_address == "auto"


def test_trunks_and_agents_are_called_after_their_files_unless_named(write: Write) -> None:
    config = load(write(trunks__pbx=TRUNK + "name: office\n", agents__bot="backend: {kind: echo}\n"))
    assert set(config.trunks) == {"office"}
    assert set(config.agents) == {"echo", "bot"}


def test_numbers_keep_their_sign_and_zeros_even_unquoted(write: Write) -> None:
    trunk = """\
        allowed_addresses: [192.0.2.1]
        numbers:
          +15550100: echo
          0012: echo
    """
    assert set(load(write(trunks__pbx=trunk)).trunks["pbx"].numbers) == {"+15550100", "0012"}


def test_a_trunk_says_its_own_public_address_or_the_servers(write: Write) -> None:
    own = "allowed_addresses: [192.0.2.2]\npublic_address: 203.0.113.9\n"
    config = load(write("public_address: 203.0.113.1\n", trunks__own=own))
    assert config.public_address_of(config.trunks["own"]) == "203.0.113.9"
    assert config.public_address_of(config.trunks["pbx"]) == "203.0.113.1"


@pytest.mark.parametrize(
    ("written", "server"),
    [
        ("stun.example", "stun.example:3478"),
        ("stun.example:19302", "stun.example:19302"),
        ("192.0.2.9", "192.0.2.9:3478"),
        ("'[2001:db8::9]:3479'", "[2001:db8::9]:3479"),
    ],
)
def test_a_stun_server_is_asked_where_a_trunk_says_so(write: Write, written: str, server: str) -> None:
    own = "allowed_addresses: [192.0.2.2]\npublic_address: stun\n"
    config = load(write(f"stun_server: {written}\n", trunks__own=own))
    assert str(config.stun_server_of(config.trunks["own"])) == server
    assert config.stun_server_of(config.trunks["pbx"]) is None


def test_a_registered_trunk_authenticates_as_its_user_unless_told_otherwise(write: Write) -> None:
    registered = "registration: {registrar: 'sip:[2001:db8::1]:5070', username: alice}\n"
    config = load(write(trunks__a=registered, trunks__b=registered + "auth_username: alice-auth\n"))
    assert config.trunks["a"].digest_username == "alice"
    assert config.trunks["b"].digest_username == "alice-auth"
    assert config.trunks["a"].registration is not None
    assert config.trunks["a"].registration.host == "2001:db8::1"


def test_an_ipv4_peer_of_an_ipv6_socket_is_the_listed_one(write: Write) -> None:
    trunk = load(write()).trunks["pbx"]
    assert trunk.allows("192.0.2.1")
    assert trunk.allows("::ffff:192.0.2.1")
    assert not trunk.allows("192.0.2.2")
    assert not trunk.allows("2001:db8::1")


def test_instructions_may_stand_in_a_file_beside_the_agent(write: Write, tmp_path: Path) -> None:
    path = write(agents__bot="backend: {kind: openai_realtime}\ninstructions_file: bot.txt\n")
    (tmp_path / "agents/bot.txt").write_text("You are a bot.\n")
    agent = load(path).agents["bot"]
    assert agent.instructions == "You are a bot."
    assert agent.instructions_file is None


def test_an_agent_travels_to_a_worker_as_json(write: Write) -> None:
    bot = """\
        instructions: Be brief.
        turn_detection: {kind: semantic_vad, eagerness: low}
        max_output_tokens: 200
        backend:
          kind: openai_realtime
          api_key: {file: bot.key}
          headers: {X-Tenant: blue, X-Token: {env: TOKEN}}
          extra_session: {speed: 1.1}
    """
    path = write(agents__bot=bot)
    agent = load(path).agents["bot"]
    arrived = AgentConfig.model_validate_json(agent.model_dump_json())
    assert arrived == agent
    assert isinstance(arrived.backend, OpenAIRealtimeConfig)
    assert arrived.backend.api_key == Secret(file=path.parent / "agents/bot.key")
    assert arrived.backend.headers == {"X-Tenant": "blue", "X-Token": Secret(env="TOKEN")}


def test_the_whole_configuration_survives_json(write: Write) -> None:
    server = "sip: {listen_udp: '[::]:5060', listen_tcp: null}\npublic_address: 2001:db8::5\n"
    config = load(write(server))
    assert config.sip.listen_udp == HostPort("::", 5060)
    assert Config.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config
