"""Arguments of a tool, as the model wrote them, against the schema that it was given. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_SHOWN = 120


class BadArguments(Exception):
    """What is wrong with them, in words by which a model can do better."""


def validator(schema: Mapping[str, Any]) -> Validator:
    """A schema ready for use. References lead nowhere but into the schema itself."""
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, registry=Registry(), format_checker=checker)


def read(text: str, schema: Validator) -> dict[str, Any]:
    """The arguments. Raises BadArguments."""
    try:
        arguments = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadArguments(f"the arguments are not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise BadArguments("the arguments must be a JSON object")
    try:
        wrong = best_match(schema.iter_errors(arguments))
    except Unresolvable as error:
        raise BadArguments(f"the schema of this tool refers to what isn't there: {error.ref}") from error
    if wrong is not None:
        raise BadArguments(_explained(wrong))
    return arguments


def _explained(error: ValidationError) -> str:
    place = ".".join(map(str, error.absolute_path))
    words = error.message if len(error.message) <= MAX_SHOWN else error.message[:MAX_SHOWN] + "…"
    return f"{place}: {words}" if place else words
