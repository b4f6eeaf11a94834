"""Reading configuration: what is valid, and how each mistake is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from sipagent.config import AgentConfig, Config, HostPort, OpenAIRealtimeConfig, Secret, check, load
from sipagent.errors import ConfigError

SERVER = "limits: {max_calls: 20}\n"
TRUNK = "allowed_addresses: [192.0.2.1]\nnumbers: {'*': echo}\n"
AGENT = "backend: {kind: echo}\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration; files not given are minimal and valid. Returns the path of its server file."""

    def write(server: str = SERVER, **files: str) -> Path:
        contents = {"trunks/pbx.yaml": TRUNK, "agents/echo.yaml": AGENT}
        contents |= {f"{name.replace('__', '/')}.yaml": text for name, text in files.items()}
        for name, text in {"sipagent.yaml": server, **contents}.items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(dedent(text))
        return tmp_path / "sipagent.yaml"

    return write


def problems(path: Path, read: Callable[[Path], Config] = load) -> list[str]:
    """What reading complains about, with paths as seen from the configuration's directory."""
    with pytest.raises(ConfigError) as raised:
        read(path)
    return [problem.replace(f"{path.parent}/", "") for problem in raised.value.problems]


# --- what is valid ----------------------------------------------------------------------------------


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


# --- how a mistake is told --------------------------------------------------------------------------

MISTAKES: Mapping[str, tuple[dict[str, str], str]] = {
    "unknown section": (
        {"server": "rtp: {}\nlimts:\n  max_calls: 5\n"},
        "sipagent.yaml:2: limts: unknown key (did you mean 'limits'?)",
    ),
    "unknown key in a section": (
        {"server": "limits:\n  max_cals: 5\n"},
        "sipagent.yaml:2: limits.max_cals: unknown key (did you mean 'max_calls'?)",
    ),
    "unknown key, nothing near": (
        {"server": "media:\n  colour: red\n"},
        "sipagent.yaml:2: media.colour: unknown key (known: workers)",
    ),
    "unknown key of a backend": (
        {"agents__echo": "backend:\n  kind: openai_realtime\n  modell: x\ninstructions: x\n"},
        "agents/echo.yaml:3: backend.modell: unknown key (did you mean 'model'?)",
    ),
    "unknown key of turn detection": (
        {"agents__echo": AGENT + "turn_detection:\n  kind: semantic_vad\n  treshold: 1\n"},
        "agents/echo.yaml:4: turn_detection.treshold: unknown key"
        " (known: eagerness, interrupt_response, kind)",
    ),
    "missing key": (
        {"trunks__pbx": "# who\nregistration:\n  registrar: sip:a.example\n"},
        "trunks/pbx.yaml:2: registration.username: is missing",
    ),
    "wrong type": (
        {"server": "limits:\n  max_calls: many\n"},
        "sipagent.yaml:2: limits.max_calls: must be a valid integer, unable to parse string as an integer",
    ),
    "out of range": (
        {"server": "rtp:\n  dscp: 64\n"},
        "sipagent.yaml:2: rtp.dscp: must be less than or equal to 63",
    ),
    "neither of two types": (
        {"agents__echo": AGENT + "max_output_tokens: 5000\n"},
        "agents/echo.yaml:2: max_output_tokens: must be less than or equal to 4096, or must be 'inf'",
    ),
    "a number that must be text": (
        {"trunks__pbx": TRUNK + "auth_username: 1001\n"},
        "trunks/pbx.yaml:3: auth_username: must be text: put it in quotes",
    ),
    "unknown codec": (
        {"trunks__pbx": TRUNK + "codecs:\n  - PCMU\n  - G729\n"},
        "trunks/pbx.yaml:5: codecs[1]: must be 'PCMU' or 'PCMA'",
    ),
    "codec named twice": (
        {"trunks__pbx": TRUNK + "codecs: [PCMU, PCMU]\n"},
        "trunks/pbx.yaml:3: codecs: names a codec twice",
    ),
    "unknown backend": (
        {"agents__echo": "backend:\n  kind: gpt\n"},
        "agents/echo.yaml:1: backend: kind must be one of 'openai_realtime', 'echo', 'prompt', 'voicemail'",
    ),
    "a fallback that is nobody": (
        {"agents__echo": AGENT + "fallback:\n  steps:\n    - agent: ekko\n"},
        "agents/echo.yaml:4: fallback.steps[0].agent: there is no agent 'ekko' (known: echo)",
    ),
    "a fallback on itself": (
        {"agents__echo": AGENT + "fallback:\n  steps:\n    - agent: echo\n"},
        "agents/echo.yaml:4: fallback.steps[0].agent: is the agent itself, which has failed then",
    ),
    "a message for no machine": (
        {"agents__echo": AGENT + "fallback:\n  steps:\n    - voicemail: echo\n"},
        "agents/echo.yaml:4: fallback.steps[0].voicemail: agent 'echo' is not of kind voicemail",
    ),
    "two fallbacks in one": (
        {"agents__echo": AGENT + "fallback:\n  steps:\n    - {agent: a, prompt: b.wav}\n"},
        "agents/echo.yaml:4: fallback.steps[0]: needs exactly one of agent, prompt, voicemail, transfer,"
        " goodbye",
    ),
    "no kind of backend": (
        {"agents__echo": "backend:\n  model: x\n"},
        "agents/echo.yaml:1: backend: kind is missing",
    ),
    "a secret written out": (
        {"trunks__pbx": TRUNK + "auth_username: bob\nauth_password: hunter2\n"},
        "trunks/pbx.yaml:4: auth_password: secrets don't stand in configuration:"
        " write {env: NAME}, {file: path} or {credential: NAME}",
    ),
    "a secret in two places": (
        {"trunks__pbx": TRUNK + "auth_username: bob\nauth_password: {env: A, file: b}\n"},
        "trunks/pbx.yaml:4: auth_password: write one of {env: NAME}, {file: path} or {credential: NAME}",
    ),
    "listener without a port": (
        {"server": "sip:\n  listen_udp: 0.0.0.0\n"},
        "sipagent.yaml:2: sip.listen_udp: must be 'address:port', such as '0.0.0.0:5060' or '[::]:5060'",
    ),
    "listener by host name": (
        {"server": "http:\n  listen: localhost:8080\n"},
        "sipagent.yaml:2: http.listen: 'localhost' is not an IP address",
    ),
    "IPv6 listener without brackets": (
        {"server": "sip:\n  listen_udp: '::1:5060'\n"},
        "sipagent.yaml:2: sip.listen_udp: an IPv6 address stands in brackets: '[::1]:5060'",
    ),
    "TLS listener without a certificate": (
        {"server": "sip:\n  listen_tls: 0.0.0.0:5061\n"},
        "sipagent.yaml:1: sip: listen_tls needs a tls section with certificate_file and key_file",
    ),
    "no listener": (
        {
            "server": "sip: {listen_udp: null, listen_tcp: null}\n",
            "trunks__pbx": "allowed_addresses: [::1]\n",
        },
        "sipagent.yaml:1: sip: at least one of listen_udp, listen_tcp and listen_tls is needed",
    ),
    "odd first port": (
        {"server": "rtp:\n  first_port: 20001\n"},
        "sipagent.yaml:1: rtp: first_port must be even: RTP takes the even port of a pair, RTCP the odd one",
    ),
    "jitter bounds swapped": (
        {"server": "rtp: {jitter_min_ms: 100, jitter_max_ms: 40}\n"},
        "sipagent.yaml:1: rtp: jitter_min_ms must not be above jitter_max_ms",
    ),
    "peer by host name": (
        {"trunks__pbx": "allowed_addresses:\n  - sip.example.com\n"},
        "trunks/pbx.yaml:2: allowed_addresses[0]: 'sip.example.com' is neither an IP address"
        " nor a block such as 203.0.113.0/24",
    ),
    "block with host bits": (
        {"trunks__pbx": "allowed_addresses: [192.0.2.7/24]\n"},
        "trunks/pbx.yaml:1: allowed_addresses[0]: '192.0.2.7/24' names a host inside a block:"
        " write 192.0.2.0/24 or the address alone",
    ),
    "nobody may call": (
        {"trunks__pbx": "numbers: {'*': echo}\n"},
        "trunks/pbx.yaml:1: needs allowed_addresses or registration: otherwise nobody may call over it",
    ),
    "password without a user": (
        {"trunks__pbx": TRUNK + "auth_password: {env: PW}\n"},
        "trunks/pbx.yaml:1: auth_password needs auth_username",
    ),
    "registrar that is no SIP URI": (
        {"trunks__pbx": "registration:\n  registrar: sip.example.com\n  username: x\n"},
        "trunks/pbx.yaml:2: registration.registrar: must be 'sip:host' or 'sip:host:port'",
    ),
    "backend URL of another scheme": (
        {"agents__echo": "backend:\n  kind: openai_realtime\n  url: https://x\ninstructions: x\n"},
        "agents/echo.yaml:3: backend.url: must begin with wss:// "
        "(or ws:// for a server on a private network)",
    ),
    "public address by name": (
        {"server": "public_address: sip.example.com\n"},
        "sipagent.yaml:1: public_address: 'sip.example.com' is not an IP address",
    ),
    "two kinds of instructions": (
        {"agents__echo": AGENT + "instructions: x\ninstructions_file: y.txt\n"},
        "agents/echo.yaml:1: write either instructions or instructions_file",
    ),
    "a model without a task": (
        {"agents__echo": "backend: {kind: openai_realtime}\n"},
        "agents/echo.yaml:1: write instructions or instructions_file: the model needs a task",
    ),
    "a key twice": (
        {"server": "limits:\n  max_calls: 5\n  drain_deadline_s: 5\n  max_calls: 6\n"},
        "sipagent.yaml:4: limits.max_calls: this key stands here twice",
    ),
    "YAML syntax": (
        {"server": "rtp:\n  dscp: 46\n bind_address: x\n"},
        "sipagent.yaml:3: not valid YAML: expected <block end>, but found '<block mapping start>'",
    ),
    "a foreign tag": (
        {"server": "limits: !!python/name:os.system ''\n"},
        "sipagent.yaml:1: not valid YAML: could not determine a constructor for the tag"
        " 'tag:yaml.org,2002:python/name:os.system'",
    ),
    "a value instead of a section": (
        {"server": "limits: 5\n"},
        "sipagent.yaml:1: limits: must hold 'key: value' lines",
    ),
    "a list instead of keys": (
        {"server": "- rtp\n"},
        "sipagent.yaml:1: must hold 'key: value' lines",
    ),
    "unknown agent": (
        {"trunks__pbx": "allowed_addresses: [192.0.2.1]\nnumbers:\n  '1': echo\n  '2': ecco\n"},
        "trunks/pbx.yaml:4: numbers.2: there is no agent 'ecco' (did you mean 'echo'?)",
    ),
    "two trunks of one name": (
        {"trunks__two": "allowed_addresses: [192.0.2.2]\nname: pbx\n"},
        "trunks/two.yaml:2: name: 'pbx' is also the name of pbx.yaml",
    ),
    "two trunks of one peer": (
        {"trunks__two": "allowed_addresses:\n  - 198.51.100.1\n  - 192.0.2.0/28\n"},
        "trunks/two.yaml:3: allowed_addresses[1]: 192.0.2.0/28 overlaps 192.0.2.1/32 of trunk 'pbx'",
    ),
    "trunk without its listener": (
        {"trunks__pbx": TRUNK + "transport: tls\n"},
        "trunks/pbx.yaml:3: transport: sip.listen_tls is not set in sipagent.yaml",
    ),
    "nobody to ask for the public address": (
        {"trunks__pbx": TRUNK + "public_address: stun\n"},
        "trunks/pbx.yaml:3: public_address: stun needs stun_server here or in sipagent.yaml",
    ),
    "nobody to ask for any public address": (
        {"server": "public_address: stun\n"},
        "sipagent.yaml:1: public_address: stun needs stun_server in this file",
    ),
    "no STUN server": (
        {"server": "stun_server: stun example\n"},
        "sipagent.yaml:1: stun_server: must be 'host' or 'host:port', such as 'stun.example:3478'",
    ),
    "two listeners on one port": (
        {"server": "http:\n  listen: 127.0.0.1:5060\n"},
        "sipagent.yaml:2: http.listen: 127.0.0.1:5060 is taken by sip.listen_tcp",
    ),
    "too few ports": (
        {"server": "rtp:\n  last_port: 20009\nlimits:\n  max_calls: 6\n"},
        "sipagent.yaml:2: rtp.last_port: 20000-20009 is 5 pairs of ports, too few for limits.max_calls 6:"
        " last_port must be at least 20011",
    ),
    "SIP port among the RTP ports": (
        {"server": "sip:\n  listen_udp: 0.0.0.0:20004\n"},
        "sipagent.yaml:2: sip.listen_udp: port 20004 is inside rtp.first_port to rtp.last_port",
    ),
    "trunk limit above the server's": (
        {"trunks__pbx": TRUNK + "max_calls: 50\n"},
        "trunks/pbx.yaml:3: max_calls: 50 is above limits.max_calls 20 of the server",
    ),
}


@pytest.mark.parametrize(("files", "problem"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_file_line_and_key(write: Write, files: dict[str, str], problem: str) -> None:
    assert problem in problems(write(**files))


def test_all_mistakes_of_all_files_are_told_at_once_and_in_order(write: Write) -> None:
    path = write(
        "limits:\n  max_cals: 5\nrtp:\n  dscp: 99\n",
        trunks__pbx=TRUNK + "transport: sctp\n",
        trunks__two="allowed_addresses: [192.0.2.2]\nnumbers: {'1': nobody}\n",
        agents__echo=AGENT + "record: perhaps\n",
    )
    assert [problem.partition(": ")[0] for problem in problems(path)] == [
        "agents/echo.yaml:2",
        "sipagent.yaml:2",
        "sipagent.yaml:4",
        "trunks/pbx.yaml:3",
        "trunks/two.yaml:2",
    ]


def test_an_agent_that_is_itself_invalid_is_not_called_missing(write: Write) -> None:
    assert len(problems(write(agents__echo="backend: {kind: echo}\nvoise: x\n"))) == 1


def test_missing_files_and_folders_are_told(tmp_path: Path) -> None:
    assert problems(tmp_path / "sipagent.yaml") == [
        "sipagent.yaml:1: can't be read: No such file or directory",
        "sipagent.yaml:1: there is no agents/*.yaml beside this file",
        "sipagent.yaml:1: there is no trunks/*.yaml beside this file",
    ]


def test_a_file_that_would_be_passed_over_is_told(write: Write) -> None:
    path = write()
    (path.parent / "trunks/other.yml").write_text(TRUNK)
    assert problems(path) == ["trunks/other.yml:1: is not read: name it .yaml"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe\x00", "sipagent.yaml:1: is not a UTF-8 text file"),
        (b"a: \x07\n", "sipagent.yaml:1: is not a UTF-8 text file"),
        (b"media: &m {workers: *m}\n", "sipagent.yaml:1: an alias contains itself"),
        (b"? [a]\n: b\n", "sipagent.yaml:1: not valid YAML: a key must be a plain word"),
    ],
)
def test_files_that_are_no_configuration_are_told(write: Write, content: bytes, problem: str) -> None:
    path = write()
    path.write_bytes(content)
    assert problem in problems(path)


def test_an_unreadable_instructions_file_is_told(write: Write) -> None:
    path = write(agents__echo=AGENT + "instructions_file: gone.txt\n")
    assert problems(path) == [
        "agents/echo.yaml:2: instructions_file: agents/gone.txt can't be read: No such file or directory"
    ]


# --- secrets and other references -------------------------------------------------------------------

WITH_PASSWORD = "allowed_addresses: [192.0.2.1]\nauth_username: bob\nauth_password: {}\n"


def test_a_secret_comes_from_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(trunks__pbx=WITH_PASSWORD.format("{env: TRUNK_PW}"))
    monkeypatch.delenv("TRUNK_PW", raising=False)
    assert load(path).trunks["pbx"].auth_password == Secret(env="TRUNK_PW")
    assert problems(path, check) == [
        "trunks/pbx.yaml:3: auth_password: environment variable TRUNK_PW is not set"
    ]
    monkeypatch.setenv("TRUNK_PW", "hunter2")
    secret = check(path).trunks["pbx"].auth_password
    assert secret is not None
    assert secret.resolve() == "hunter2"
    assert "hunter2" not in f"{secret} {secret!r} {secret.model_dump()}"


def test_a_secret_comes_from_a_file_that_others_cant_read(write: Write, tmp_path: Path) -> None:
    path = write(trunks__pbx=WITH_PASSWORD.format("{file: pw}"))
    file = tmp_path / "trunks/pw"
    missing = problems(path, check)
    file.write_text("hunter2\n")
    file.chmod(0o644)
    exposed = problems(path, check)
    file.chmod(0o600)
    secret = check(path).trunks["pbx"].auth_password
    assert missing == ["trunks/pbx.yaml:3: auth_password: trunks/pw can't be read: No such file or directory"]
    assert exposed == [
        "trunks/pbx.yaml:3: auth_password: trunks/pw is readable by everyone on this machine: chmod o-r it"
    ]
    assert secret is not None
    assert secret.resolve() == "hunter2"


def test_a_secret_comes_from_systemd(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(trunks__pbx=WITH_PASSWORD.format("{credential: trunk-pw}"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    by_hand = problems(path, check)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    not_loaded = problems(path, check)
    (tmp_path / "trunk-pw").write_text("hunter2\n")
    secret = check(path).trunks["pbx"].auth_password
    assert by_hand == [
        "trunks/pbx.yaml:3: auth_password: credential trunk-pw is not there:"
        " environment variable CREDENTIALS_DIRECTORY is not set"
    ]
    assert not_loaded == [
        "trunks/pbx.yaml:3: auth_password: credential trunk-pw can't be read: No such file or directory"
    ]
    assert secret is not None
    assert secret.resolve() == "hunter2"


def test_a_credential_stays_in_its_directory(write: Write) -> None:
    (problem,) = problems(write(trunks__pbx=WITH_PASSWORD.format("{credential: ../shadow}")))
    assert problem.startswith("trunks/pbx.yaml:3: auth_password.credential:")


def test_an_empty_secret_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNK_PW", " ")
    with pytest.raises(ConfigError, match="environment variable TRUNK_PW is empty"):
        Secret(env="TRUNK_PW").resolve()


def test_missing_sounds_are_told_by_check_alone(write: Write, tmp_path: Path) -> None:
    fallback = "fallback: {filler_file: hum.wav, steps: [{goodbye: bye.wav}]}\n"
    config = write(agents__echo="backend: {kind: prompt, file: closed.wav}\n" + fallback)
    assert load(config).agents["echo"].fallback.filler_file == tmp_path / "agents/hum.wav"
    told = problems(config, check)
    assert len(told) == 3
    assert (
        "agents/echo.yaml:1: backend.file: agents/closed.wav can't be played: No such file or directory"
        in told
    )


def test_missing_tls_files_are_told_by_check_alone(write: Write) -> None:
    path = write("sip:\n  tls:\n    certificate_file: cert.pem\n    key_file: key.pem\n")
    load(path)
    assert problems(path, check) == [
        "sipagent.yaml:3: sip.tls.certificate_file: cert.pem can't be read",
        "sipagent.yaml:4: sip.tls.key_file: key.pem can't be read",
    ]
