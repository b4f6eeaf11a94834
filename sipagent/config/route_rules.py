"""What must hold between `routes.yaml` and the trunks and agents beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sipagent.config.document import Document, Problem
from sipagent.config.files import Files
from sipagent.config.routes import RouteRule
from sipagent.config.validation import near_match
from sipagent.sounds import files as sounds

Location = tuple[str | int, ...]


def problems(files: Files) -> Iterator[Problem]:
    """Names in rules that nothing has, and names that two rules have."""
    if files.routes is None or files.routes.section is None:
        return
    document, rules = files.routes.document, files.routes.section.rules
    yield from (document.problem(place, message) for place, message in _same_names(rules))
    yield from _kinds(files, document, rules)
    known = {
        "trunk": {trunk.name for trunk in files.trunks},
        "agent": {agent.name for agent in files.agents},
        "calendar": set(files.routes.section.calendars),
    }
    for index, rule in enumerate(rules):
        for place, kind, name in _references(rule):
            if name not in known[kind]:
                message = f"there is no {kind} '{name}'{near_match(name, known[kind])}"
                yield document.problem(("rules", index, *place), message)


def unusable_references(files: Files) -> Iterator[Problem]:
    """Sound files of rules that can't be played now."""
    if files.routes is None or files.routes.section is None:
        return
    for index, rule in enumerate(files.routes.section.rules):
        for key, file in (
            (("prompt", "file"), getattr(rule.prompt, "file", None)),
            (("voicemail", "greeting_file"), getattr(rule.voicemail, "greeting_file", None)),
        ):
            if file is not None and (message := sounds.problem(file)):
                yield files.routes.document.problem(("rules", index, *key), message)


def _kinds(files: Files, document: Document, rules: Sequence[RouteRule]) -> Iterator[Problem]:
    """What a rule names as a prompt or voicemail must be one."""
    kinds = {agent.name: agent.section.backend.kind for agent in files.agents if agent.section}
    for index, rule in enumerate(rules):
        for key in ("prompt", "voicemail"):
            name = getattr(rule, key)
            kind = kinds.get(name, key) if isinstance(name, str) else key
            if kind != key:
                message = f"agent '{name}' has a backend of kind {kind}: write agent: {name}"
                yield document.problem(("rules", index, key), message)


def _same_names(rules: Sequence[RouteRule]) -> Iterator[tuple[Location, str]]:
    first: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if first.setdefault(rule.name, index) != index:
            yield ("rules", index, "name"), f"rule {first[rule.name] + 1} is called '{rule.name}' too"


def _references(rule: RouteRule) -> Iterable[tuple[Location, str, str]]:
    """Where a rule names something, what kind of thing, and which."""
    when = rule.when
    for index, trunk in enumerate(when.trunk):
        yield ("when", "trunk", index), "trunk", trunk
    if when.hours is not None:
        yield ("when", "hours"), "calendar", when.hours.removeprefix("not ")
    agents: list[tuple[Location, str | None]] = [
        (("agent",), rule.agent),
        *(((key,), named) for key in ("prompt", "voicemail") if isinstance(named := getattr(rule, key), str)),
    ]
    if when.backend is not None:
        agents += [(("when", "backend", key), getattr(when.backend, key)) for key in ("down", "up")]
    if rule.transfer is not None:
        agents.append((("transfer", "agent"), rule.transfer.agent))
    yield from ((place, "agent", name) for place, name in agents if name is not None)
