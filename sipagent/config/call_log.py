"""The database of calls, how long what calls leave behind is kept, and what of it is never kept."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, PositiveInt, Tag

from sipagent.config.values import Secret, Section

_WITH_PASSWORD = re.compile(r"\w+://[^/@]*:[^/@]+@")


def _database_url(url: str) -> str:
    if not url.startswith(("postgresql://", "sqlite:///")):
        raise ValueError("must begin with postgresql:// or sqlite:///")
    if _WITH_PASSWORD.match(url):
        raise ValueError("has a password in it: put the whole URL into {env: NAME} or {file: path}")
    return url


def _text_or_secret(value: object) -> str:
    return "secret" if isinstance(value, (dict, Secret)) else "text"


DatabaseUrl = Annotated[
    Annotated[str, AfterValidator(_database_url), Tag("text")] | Annotated[Secret, Tag("secret")],
    Discriminator(_text_or_secret),
]


class CallLogConfig(Section):
    """The database of calls (`url` null: SQLite in the storage directory), and what feeds it.

    A spool file is removed `spool_days` after its day, once the database has all of it. `ladder` keeps the
    SIP messages of every call.
    """

    url: DatabaseUrl | None = None
    spool_days: PositiveInt = 7
    ladder: bool = True


class RetentionConfig(Section):
    """After how many days what a call left is deleted; null keeps it for ever."""

    recordings_days: PositiveInt | None = None
    transcripts_days: PositiveInt | None = None
    records_days: PositiveInt | None = None
    ladders_days: PositiveInt | None = 30


class RedactionConfig(Section):
    """What is taken out of call records and ladders before they are written to disk.

    `caller_numbers` are all phone numbers but the trunk's own one. `transcripts: drop` also writes no
    transcript files. `digits` are those pressed by either side.
    """

    caller_numbers: Literal["keep", "mask"] = "keep"
    transcripts: Literal["keep", "drop"] = "keep"
    digits: Literal["keep", "mask"] = "keep"
