"""From numbers as people write them to the URIs that a trunk is called with, and calls as. Pure."""

from __future__ import annotations

from sipagent.config import TrunkConfig
from sipagent.config.transfer import filled, is_uri, plain_number


class NotDiallable(ValueError):
    """Nobody can be called so; says why."""


def is_number(text: str) -> bool:
    """Digits, perhaps with a plus, star or hash: nothing that could make a URI mean something else."""
    return bool(text) and all(char.isascii() and (char.isdigit() or char in "+*#") for char in text)


def number_or_uri(text: str) -> str:
    """A URI as it is, a number without what people write between its digits. Raises `NotDiallable`."""
    if is_uri(text):
        return text
    number = plain_number(text)
    if not is_number(number):
        raise NotDiallable("that is neither a number nor a URI")
    return number


def uri_of(target: str, template: str | None) -> str:
    """What is called for a number or a URI, by a template of the trunk's. Raises `NotDiallable`."""
    if is_uri(target):
        return target
    if template is None:
        raise NotDiallable("the trunk doesn't say how to call a number")
    return filled(template, target)


def uri_to_call(to: str, trunk: TrunkConfig) -> str:
    """The URI that the INVITE to `to`, a number or a URI, is sent to. Raises `NotDiallable`."""
    return uri_of(number_or_uri(to), trunk.number_template)


def uri_to_call_as(caller: str, trunk: TrunkConfig, address: str) -> str:
    """Who we say we are, for a number or a URI of ours; `address` is where peers of the trunk reach us.

    Raises `NotDiallable`.
    """
    ours = number_or_uri(caller)
    if is_uri(ours):
        return ours
    host = trunk.registration.host if trunk.registration else address
    return f"sip:{ours}@{f'[{host}]' if ':' in host else host}"
