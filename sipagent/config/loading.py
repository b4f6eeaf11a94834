"""Reading the configuration: all files, all problems at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sipagent.config import rules
from sipagent.config.agent import AgentConfig
from sipagent.config.callers import CallersConfig, entries_of
from sipagent.config.document import Document, Problem
from sipagent.config.files import Files
from sipagent.config.patterns import Patterns
from sipagent.config.prices import PricesConfig
from sipagent.config.reloading import needs_restart, taken_up
from sipagent.config.routes import RoutesConfig
from sipagent.config.server import Config, ServerConfig
from sipagent.config.trunk import TrunkConfig
from sipagent.config.validation import Loaded, SectionT, read_section
from sipagent.errors import ConfigError

CallerT = TypeVar("CallerT", ServerConfig, TrunkConfig)


def load(path: Path) -> Config:
    """Read and validate `path` with the trunks and agents beside it. Raises `ConfigError`.

    Secrets and certificates stay unread, so that a configuration can be tried away from its server.
    """
    return _load(path, with_references=False)


def check(path: Path) -> Config:
    """`load`, and see that every secret and file it refers to can be used. What starting a server does."""
    return _load(path, with_references=True)


def check_again(path: Path, running: Config) -> tuple[Config, tuple[str, ...]]:
    """`check`, for a server that runs already: what it can take up, and the keys that need a restart.

    What it can't take up is as it is `running`, and must go together with the rest.
    """
    files = _read(path)
    read = files.server.section
    kept: tuple[str, ...] = ()
    if read is not None:
        kept = needs_restart(running, read)
        files = replace(files, server=replace(files.server, section=taken_up(running, read)))
    return _checked(files, path.parent, with_references=True), kept


def _load(path: Path, *, with_references: bool) -> Config:
    return _checked(_read(path), path.parent, with_references=with_references)


def _read(path: Path) -> Files:
    return Files(
        _with_caller_lists(read_section(ServerConfig, path)),
        tuple(_with_caller_lists(trunk) for trunk in _read_folder(TrunkConfig, path.parent / "trunks")),
        tuple(_with_instructions(agent) for agent in _read_folder(AgentConfig, path.parent / "agents")),
        _read_prices(path.parent / "prices.yaml"),
        _read_routes(path.parent / "routes.yaml"),
    )


def _checked(files: Files, directory: Path, *, with_references: bool) -> Config:
    problems = {problem for each in files for problem in each.problems}
    problems.update(_misnamed(directory), rules.problems(files))
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
    if files.routes is not None:
        values["routes"] = files.routes.section
    return Config(
        **values,
        trunks={trunk.name: trunk.section for trunk in files.trunks if trunk.section},
        agents={agent.name: agent.section for agent in files.agents if agent.section},
    )


def _read_folder(model: type[SectionT], folder: Path) -> Iterator[Loaded[SectionT]]:
    return (read_section(model, file) for file in sorted(folder.glob("*.yaml")))


def _read_prices(path: Path) -> Loaded[PricesConfig] | None:
    return read_section(PricesConfig, path) if path.exists() else None


def _read_routes(path: Path) -> Loaded[RoutesConfig] | None:
    return read_section(RoutesConfig, path) if path.exists() else None


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


def _with_caller_lists(loaded: Loaded[CallerT]) -> Loaded[CallerT]:
    """The server or trunk with the entries of its files of callers in `callers` itself."""
    if loaded.section is None:
        return loaded
    whole: tuple[CallersConfig, list[Problem]] = _whole_lists(loaded.section.callers, loaded.document)
    section = loaded.section.model_copy(update={"callers": whole[0]})
    return replace(loaded, section=section, problems=(*loaded.problems, *whole[1]))


def _whole_lists(callers: CallersConfig, document: Document) -> tuple[CallersConfig, list[Problem]]:
    problems: list[Problem] = []
    for key in ("block", "allow"):
        file: Path | None = getattr(callers, f"{key}_file")
        written: Patterns = getattr(callers, key)
        if file is not None:
            listed, found = _caller_list(document, f"{key}_file", file)
            entries = Patterns((*written.texts, *listed.texts))
            callers = callers.model_copy(update={key: entries, f"{key}_file": None})
            problems += found
    return callers, problems


def _caller_list(document: Document, key: str, file: Path) -> tuple[Patterns, list[Problem]]:
    try:
        listed, problems = entries_of(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        return Patterns(()), [document.problem(("callers", key), f"{file} can't be read: {reason}")]
    if key == "allow_file" and not listed.texts and not problems:
        nobody = f"{file} names nobody, and without a list everybody may call"
        problems.append(document.problem(("callers", key), nobody))
    return listed, problems
