"""One file against its model: what pydantic finds, told with line, key and a near-match hint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sipagent.config.document import Document, Problem, read
from sipagent.config.values import Section

SectionT = TypeVar("SectionT", bound=Section)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[SectionT]):
    """A file, what it holds (None if that isn't valid), and what is wrong with it."""

    document: Document
    section: SectionT | None
    problems: tuple[Problem, ...]

    @property
    def name(self) -> str:
        """The name that other files use for it, even if it isn't valid."""
        return str(self.document.values.get("name", self.document.path.stem))


def read_section(model: type[SectionT], path: Path) -> Loaded[SectionT]:
    """Read `path` as a `model`. What has a name is called after its file, unless the file says otherwise."""
    document, problems = read(path)
    if problems and document.root is None:
        return Loaded(document, None, tuple(problems))
    values = document.values
    if "name" in model.model_fields:
        values = {"name": path.stem, **values}
    try:
        section = model.model_validate(values, context={"directory": path.parent})
    except ValidationError as error:
        found = _explain(error.errors(include_url=False, include_input=False), document, model)
        return Loaded(document, None, (*problems, *found))
    return Loaded(document, section, tuple(problems))


def near_match(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or the known words if none is near."""
    choices = sorted(known)
    if near := get_close_matches(word, choices, n=1, cutoff=0.6):
        return f" (did you mean '{near[0]}'?)"
    return f" (known: {', '.join(choices)})" if choices else ""


def _explain(errors: Sequence[ErrorDetails], document: Document, model: type[BaseModel]) -> list[Problem]:
    """One problem per key: where several types are allowed and each of them objects, they are joined."""
    messages: dict[Problem, list[str]] = {}
    for error in errors:
        missing = str(error["loc"][-1]) if error["type"] == "missing" else ""
        place = document.problem(error["loc"], "", missing=missing)
        messages.setdefault(place, []).append(_message(error, document, model))
    return [Problem(p.path, p.line, p.key, ", or ".join(dict.fromkeys(m))) for p, m in messages.items()]


def _message(error: ErrorDetails, document: Document, model: type[BaseModel]) -> str:
    location = error["loc"]
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "unknown key" + near_match(str(location[-1]), _known_keys(model, location[:-1]))
        case "string_type" if document.is_unquoted(location):
            return "must be text: put it in quotes"
        case "model_type" | "dict_type" | "mapping_type":
            return "must hold 'key: value' lines"
        case "union_tag_not_found":
            return "kind is missing"
        case "union_tag_invalid":
            return f"kind must be one of {error['ctx']['expected_tags']}"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return error["msg"].replace("Input should", "must")


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> set[str]:
    """The keys that `model` knows at `location`. A union's tag in the location picks the member it names."""
    models: list[type[BaseModel]] = [model]
    for part in location:
        fields = [m.model_fields[part] for m in models if isinstance(part, str) and part in m.model_fields]
        if fields:
            models = [found for info in fields for found in _models_in(info.annotation)]
        else:
            models = [m for m in models if _kind_of(m) == part] or models
    return {key for m in models for key in m.model_fields}


def _kind_of(model: type[BaseModel]) -> Any:
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
