"""What must hold for tokens of the API and for receivers of webhooks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sipagent.config.api import TOKEN_MIN_CHARACTERS
from sipagent.config.document import Problem
from sipagent.config.files import Files
from sipagent.config.validation import near_match
from sipagent.errors import ConfigError


def problems(files: Files) -> Iterator[Problem]:
    """What can be seen without secrets."""
    server, document = files.server.section, files.server.document
    if server is None:
        return
    named = {
        ("api", "tokens"): [token.name for token in server.api.tokens],
        ("webhooks",): [endpoint.name for endpoint in server.webhooks],
    }
    for location, names in named.items():
        for index, name in enumerate(names):
            if name in names[:index]:
                yield document.problem((*location, index, "name"), f"'{name}' stands here twice")
    known = {trunk.name for trunk in files.trunks}
    for index, token in enumerate(server.api.tokens):
        for position, trunk in enumerate(token.trunks or ()):
            if trunk not in known:
                message = f"there is no trunk '{trunk}'{near_match(trunk, known)}"
                yield document.problem(("api", "tokens", index, "trunks", position), message)


def unusable(files: Files) -> Iterator[Problem]:
    """Tokens and keys that are there but won't do, and TLS files that can't be read."""
    server, document = files.server.section, files.server.document
    if server is None:
        return
    for index, token in enumerate(server.api.tokens):
        if token.token.problem() is None and len(token.token.resolve()) < TOKEN_MIN_CHARACTERS:
            message = f"{token.token} is shorter than {TOKEN_MIN_CHARACTERS} characters"
            yield document.problem(("api", "tokens", index, "token"), message)
    for index, endpoint in enumerate(server.webhooks):
        if endpoint.secret.problem() is None:
            try:
                endpoint.key()
            except ConfigError as error:
                yield document.problem(("webhooks", index, "secret"), str(error))
    for key in ("certificate_file", "key_file"):
        file: Path | None = getattr(server.http.tls, key, None)
        if file is not None and not (file.is_file() and os.access(file, os.R_OK)):
            yield document.problem(("http", "tls", key), f"{file} can't be read")
