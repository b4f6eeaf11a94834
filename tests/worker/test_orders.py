"""What an order to a worker carries."""

from __future__ import annotations

from sipagent.config import AgentConfig
from sipagent.worker.orders import agent_config

AGENT = AgentConfig.model_validate(
    {"name": "a", "backend": {"kind": "openai_realtime", "api_key": {"env": "KEY"}}, "max_output_tokens": 9}
)


def test_an_agent_arrives_as_it_was_ordered():
    assert agent_config(AGENT.model_dump_json()) == AGENT


def test_legs_of_one_agent_share_its_configuration():
    first, second = AGENT.model_dump_json(), AGENT.model_dump_json()
    assert agent_config(first) is agent_config(second)
