"""What must hold between sections and files, and how it is told where it does not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.config.files import AGENT, TRUNK, Write, problems

CONTRADICTIONS: Mapping[str, tuple[dict[str, str], str]] = {
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
    "a model without a task": (
        {"agents__echo": "backend: {kind: openai_realtime}\n"},
        "agents/echo.yaml:1: write instructions or instructions_file: the model needs a task",
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


@pytest.mark.parametrize(("files", "problem"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_contradiction_is_told_with_file_line_and_key(
    write: Write, files: dict[str, str], problem: str
) -> None:
    assert problem in problems(write(**files))


def test_an_agent_that_is_itself_invalid_is_not_called_missing(write: Write) -> None:
    assert len(problems(write(agents__echo="backend: {kind: echo}\nvoise: x\n"))) == 1
