"""Who may use the control API, and what for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sipagent.config.outbound import CapsConfig
from sipagent.config.values import Secret, Section

#: `admin` may do everything. `calls:listen` is events and audio as they happen.
Scope = Literal[
    "calls:read",
    "calls:write",
    "calls:listen",
    "calls:originate",
    "trunks:read",
    "recordings:read",
    "metrics:read",
    "admin",
]
#: A token that can be guessed is none.
TOKEN_MIN_CHARACTERS = 16


class TokenConfig(Section):
    """A bearer token. With `trunks` it sees, and acts on, the calls of these alone.

    `caps` bound the calls that it places.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    token: Secret
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    trunks: tuple[str, ...] | None = None
    caps: CapsConfig = CapsConfig()


class ApiConfig(Section):
    """Without tokens there is no API, only health and metrics.

    `link_secret` signs links to recordings; null makes a key in the storage directory.
    """

    tokens: tuple[TokenConfig, ...] = ()
    link_secret: Secret | None = None
