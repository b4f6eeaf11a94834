"""Mistakes within one file: each is told with its file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.config.files import AGENT, TRUNK, Write, problems

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
    "no STUN server": (
        {"server": "stun_server: stun example\n"},
        "sipagent.yaml:1: stun_server: must be 'host' or 'host:port', such as 'stun.example:3478'",
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
