"""Reading the configuration: all files, all problems at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sipagent.config import rules
from sipagent.config.agent import AgentConfig
from sipagent.config.document import Problem
from sipagent.config.prices import PricesConfig
from sipagent.config.rules import Files
from sipagent.config.server import Config, ServerConfig
from sipagent.config.trunk import TrunkConfig
from sipagent.config.validation import Loaded, SectionT, read_section
from sipagent.errors import ConfigError


def load(path: Path) -> Config:
    """Read and validate `path` with the trunks and agents beside it. Raises `ConfigError`.

    Secrets and certificates stay unread, so that a configuration can be tried away from its server.
    """
    return _load(path, with_references=False)


def check(path: Path) -> Config:
    """`load`, and see that every secret and file it refers to can be used. What starting a server does."""
    return _load(path, with_references=True)


def _load(path: Path, *, with_references: bool) -> Config:
    files = Files(
        read_section(ServerConfig, path),
        tuple(_read_folder(TrunkConfig, path.parent / "trunks")),
        tuple(_with_instructions(agent) for agent in _read_folder(AgentConfig, path.parent / "agents")),
        _read_prices(path.parent / "prices.yaml"),
    )
    problems = {problem for each in files for problem in each.problems}
    problems.update(_misnamed(path.parent), rules.problems(files))
    if with_references:
        problems.update(rules.unusable_references(files))
    if problems:
        raise ConfigError([str(problem) for problem in sorted(problems)])
    return _compose(files)


def _compose(files: Files) -> Config:
    server = files.server.section
    assert server is not None
    values = {key: getattr(server, key) for key in ServerConfig.model_fields}
    if files.prices is not None:
        values["prices"] = files.prices.section
    return Config(
        **values,
        trunks={trunk.name: trunk.section for trunk in files.trunks if trunk.section},
        agents={agent.name: agent.section for agent in files.agents if agent.section},
    )


def _read_folder(model: type[SectionT], folder: Path) -> Iterator[Loaded[SectionT]]:
    return (read_section(model, file) for file in sorted(folder.glob("*.yaml")))


def _read_prices(path: Path) -> Loaded[PricesConfig] | None:
    return read_section(PricesConfig, path) if path.exists() else None


def _misnamed(directory: Path) -> Iterator[Problem]:
    for folder in ("trunks", "agents"):
        for file in (directory / folder).glob("*.yml"):
            yield Problem(file, 1, "", "is not read: name it .yaml")


def _with_instructions(agent: Loaded[AgentConfig]) -> Loaded[AgentConfig]:
    """The agent with the text of its `instructions_file` as its instructions."""
    if agent.section is None or agent.section.instructions_file is None:
        return agent
    file = agent.section.instructions_file
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        problem = agent.document.problem(("instructions_file",), f"{file} can't be read: {reason}")
        return replace(agent, section=None, problems=(*agent.problems, problem))
    section = agent.section.model_copy(update={"instructions": text, "instructions_file": None})
    return replace(agent, section=section)
