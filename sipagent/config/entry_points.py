"""Functions that configuration names as `package.module:function`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

#: The parameter by which a function asks to be told about the call.
CALL = "call"


def resolve(reference: str) -> Callable[..., Any]:
    """The function. Raises ValueError, saying why it can't be had."""
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a module of somebody else's may raise as it is imported
        raise ValueError(f"{module_name} can't be imported: {error!r}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"{module_name} has no function '{name}'")
    return cast("Callable[..., Any]", function)


def takes_call(function: Callable[..., Any]) -> bool:
    return CALL in inspect.signature(function).parameters


def check(reference: str, schema: Mapping[str, Any]) -> None:
    """Raises ValueError unless the function is there and takes what the schema lets the model say."""
    signature = inspect.signature(function := resolve(reference))
    call = {CALL: None} if takes_call(function) else {}
    required = schema.get("required", ())
    for names in (required, schema.get("properties", ())):
        try:
            signature.bind(**dict.fromkeys({*required, *names}), **call)
        except TypeError as error:
            raise ValueError(f"{reference} doesn't take these parameters: {error}") from None
