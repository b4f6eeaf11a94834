"""`sipagent` on a command line, without a process of its own."""

from __future__ import annotations

from functools import cache

import pytest
from typer import testing
from typer.main import get_command
from typer.testing import Result

from sipagent import cli
from tests.logging_kept import logging_kept

# Typer makes all commands anew for each line, which takes longer than most of them do.
pytest.MonkeyPatch().setattr(testing, "_get_command", cache(get_command))


def sipagent(*arguments: object) -> Result:
    with logging_kept():
        return testing.CliRunner().invoke(cli.app, [str(each) for each in arguments])
