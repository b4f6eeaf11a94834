"""A call that rings until somebody outside has said what is to become of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sipagent.call.directors.director import Accept, Command, HangUp, Reject
from sipagent.config import AgentConfig, Config
from sipagent.errors import EndReason, ReasonCode
from sipagent.sip.messages import CallDisconnected

Word = Accept | Reject


async def word_on(
    next_happened: Callable[[], Awaitable[object]], agent: AgentConfig
) -> Word | CallDisconnected | None:
    """What is said first; None if nobody said anything in the agent's time."""
    try:
        async with asyncio.timeout(agent.manual_timeout_s):
            while True:
                happened = await next_happened()
                if isinstance(happened, Accept | Reject | CallDisconnected):
                    return happened
    except TimeoutError:
        return None


def default_of(agent: AgentConfig) -> Word:
    """What holds if nobody says anything."""
    if agent.manual_default == "accept":
        return Accept()
    detail = f"nobody accepted it within {agent.manual_timeout_s:g} s"
    return Reject(sip_status=480, reason_code=ReasonCode.NOT_ACCEPTED, detail=detail)


def as_word(command: Command, config: Config) -> Word:
    """What a command means for a call that waits for somebody's word. Raises ValueError for others."""
    match command:
        case Accept(agent=str(name)) if name not in config.agents:
            raise ValueError(f"there is no agent '{name}'")
        case Accept() | Reject():
            return command
        case HangUp():
            return Reject(detail=command.detail)
    raise ValueError("nobody has answered yet")


def of_end(reason: EndReason, detail: str) -> Reject:
    """The server ends the call."""
    return Reject(sip_status=503, reason_code=ReasonCode.DRAINING, detail=detail or reason)


def agent_for(word: Accept, agent: AgentConfig, config: Config) -> AgentConfig:
    """The agent as it was accepted."""
    chosen = config.agents[word.agent] if word.agent is not None else agent
    differing = {"instructions": word.instructions, "greeting": word.greeting, "voice": word.voice}
    return chosen.model_copy(update={key: value for key, value in differing.items() if value is not None})
