"""What must hold within an agent's file beyond its keys: its story and its tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sipagent.config import entry_points
from sipagent.config.agent import AgentConfig, OpenAIRealtimeConfig, VoicemailConfig
from sipagent.config.document import Problem
from sipagent.config.files import Files
from sipagent.config.story import Announcement, ChoiceConfig
from sipagent.config.tools import HttpToolConfig, PythonToolConfig, TransferToolConfig
from sipagent.config.validation import Loaded, near_match
from sipagent.sounds import files as sounds

Location = tuple[str | int, ...]


def problems(files: Files) -> Iterator[Problem]:
    for agent in files.agents:
        if agent.section is not None:
            yield from _essential_tools_have_a_substitute(agent, agent.section)
            yield from _only_models_say(agent, agent.section)
            yield from _transfers_are_known(agent, agent.section)
            yield from _fallback_is_known(agent, agent.section, files)


def _fallback_is_known(loaded: Loaded[AgentConfig], agent: AgentConfig, files: Files) -> Iterator[Problem]:
    known = {each.name: each.section for each in files.agents}
    for index, step in enumerate(agent.fallback.steps):
        location = ("fallback", "steps", index, step.kind)
        if step.who is None:
            continue
        if step.who not in known:
            message = f"there is no agent '{step.who}'{near_match(step.who, known)}"
            yield loaded.document.problem(location, message)
        elif (other := known[step.who]) is not None:
            if step.voicemail is not None and not isinstance(other.backend, VoicemailConfig):
                yield loaded.document.problem(location, f"agent '{step.who}' is not of kind voicemail")
            elif step.who == loaded.name:
                yield loaded.document.problem(location, "is the agent itself, which has failed then")


def _essential_tools_have_a_substitute(loaded: Loaded[AgentConfig], agent: AgentConfig) -> Iterator[Problem]:
    if agent.safe_mode_instructions is not None:
        return
    for name, tool in agent.tools.items():
        if isinstance(tool, (HttpToolConfig, PythonToolConfig)) and tool.essential:
            message = "does nothing without safe_mode_instructions of the agent"
            yield loaded.document.problem(("tools", name, "essential"), message)


def _transfers_are_known(loaded: Loaded[AgentConfig], agent: AgentConfig) -> Iterator[Problem]:
    for name, tool in agent.tools.items():
        for target in tool.targets if isinstance(tool, TransferToolConfig) else ():
            if target not in agent.transfers:
                message = (
                    f"'{target}' is not among the agent's transfers{near_match(target, agent.transfers)}"
                )
                yield loaded.document.problem(("tools", name, "targets"), message)


def _only_models_say(loaded: Loaded[AgentConfig], agent: AgentConfig) -> Iterator[Problem]:
    if isinstance(agent.backend, OpenAIRealtimeConfig):
        return
    if agent.tools:
        yield loaded.document.problem(("tools",), f"a backend of kind {agent.backend.kind} calls no tools")
    for location, spoken in _all_announcements(agent):
        if spoken.say is not None:
            message = f"a backend of kind {agent.backend.kind} can't say it: write file"
            yield loaded.document.problem((*location, "say"), message)


def unusable_references(files: Files) -> Iterator[Problem]:
    """Sound files that can't be played, and functions that can't be called."""
    for agent in files.agents:
        if agent.section is None:
            continue
        for location, file in _sound_files(agent.section):
            if reason := sounds.problem(file):
                yield agent.document.problem(location, reason)
        for name, tool in agent.section.tools.items():
            if isinstance(tool, PythonToolConfig):
                try:
                    entry_points.check(tool.function, tool.parameters)
                except ValueError as error:
                    yield agent.document.problem(("tools", name, "function"), str(error))


def _sound_files(agent: AgentConfig) -> Iterator[tuple[Location, Path]]:
    if agent.story.greeting_file is not None:
        yield ("story", "greeting_file"), agent.story.greeting_file
    for location, spoken in _all_announcements(agent):
        if spoken.file is not None:
            yield (*location, "file"), spoken.file
    if agent.fallback.filler_file is not None:
        yield ("fallback", "filler_file"), agent.fallback.filler_file
    for index, step in enumerate(agent.fallback.steps):
        if (file := step.prompt or step.goodbye) is not None:
            yield ("fallback", "steps", index, step.kind), file


def _all_announcements(agent: AgentConfig) -> Iterator[tuple[Location, Announcement | ChoiceConfig]]:
    yield from _announcements(agent.story, ("story",))
    yield from _announcements(agent.answering_machine, ("answering_machine",))


def _announcements(value: Any, location: Location) -> Iterator[tuple[Location, Announcement | ChoiceConfig]]:
    if isinstance(value, (Announcement, ChoiceConfig)):
        yield location, value
    elif isinstance(value, (BaseModel, dict)):
        for key, item in value.items() if isinstance(value, dict) else value:
            yield from _announcements(item, (*location, key))
