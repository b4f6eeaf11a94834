"""One YAML file as plain values that remember where they stood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in a file. Prints as `file:line: key.path: message`."""

    path: Path
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (f"{self.path}:{self.line}", self.key, self.message) if part)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values. Keys are always text as written, so `+1555` and `007` keep their sign and zeros."""

    path: Path
    values: dict[str, Any]
    root: yaml.Node | None = field(repr=False)

    def problem(self, location: Sequence[str | int], message: str, *, missing: str = "") -> Problem:
        """A problem at a key. Parts of `location` that don't stand in the file are left out.

        `missing` names a key that should stand there: the line is then that of the section lacking it.
        """
        line, key, node = 1, "", self.root
        for part in location:
            if (found := _child(node, part)) is not None:
                line, node = found
                key += f"[{part}]" if isinstance(part, int) else f".{part}"
        return Problem(self.path, line, f"{key}.{missing}".strip("."), message)

    def is_unquoted(self, location: Sequence[str | int]) -> bool:
        """Is the value at `location` a bare word or number, that YAML may have taken for something else?"""
        node = self.root
        for part in location:
            if (found := _child(node, part)) is not None:
                node = found[1]
        return isinstance(node, yaml.ScalarNode) and node.style is None


def read(path: Path) -> tuple[Document, list[Problem]]:
    """Read a file. What can't be read at all gives an empty document and the problem."""
    nothing = Document(path, {}, None)
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    except OSError as error:
        return nothing, [Problem(path, 1, "", f"can't be read: {error.strerror}")]
    except (UnicodeDecodeError, yaml.reader.ReaderError):
        return nothing, [Problem(path, 1, "", "is not a UTF-8 text file")]
    try:
        root = loader.get_single_node()
        values = None if root is None else _plain(root, loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return nothing, [Problem(path, line, "", f"not valid YAML: {error.problem}")]
    except RecursionError:
        return nothing, [Problem(path, 1, "", "an alias contains itself")]
    finally:
        loader.dispose()
    if values is not None and not isinstance(values, dict):
        return nothing, [Problem(path, 1, "", "must hold 'key: value' lines")]
    document = Document(path, values or {}, root)
    twice = [Problem(path, line, key, "this key stands here twice") for line, key in _duplicates(root)]
    return document, twice


def _plain(node: yaml.Node, loader: yaml.SafeLoader) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {_text(key): _plain(value, loader) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, loader) for item in node.value]
    return loader.construct_object(node)


def _text(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode):
        raise yaml.MarkedYAMLError(problem="a key must be a plain word", problem_mark=key.start_mark)
    return str(key.value)


def _duplicates(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[int, str]]:
    """Line and key path of every key that stands a second time in its mapping."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, f"{prefix}[{index}]")
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            path = f"{prefix}.{key.value}".lstrip(".")
            if key.value in seen:
                yield key.start_mark.line + 1, path
            seen.add(key.value)
            yield from _duplicates(value, path)


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    """Line and node of a key of a mapping or an item of a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None
