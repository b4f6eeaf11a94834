"""What commands share: where the configuration is, and what is said when it can't be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sipagent.config import Config, load
from sipagent.errors import ConfigError

DEFAULT_CONFIG = Path("config/sipagent.yaml")
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The server's YAML file.")]
#: sysexits.h: the configuration is wrong.
EX_CONFIG = 78

out = Console()
err = Console(stderr=True)


def read_or_exit(path: Path, read: Callable[[Path], Config] = load) -> Config:
    """The configuration, or every problem with it on stderr and exit 78."""
    try:
        return read(path)
    except ConfigError as error:
        err.print("\n".join(error.problems), highlight=False, markup=False, soft_wrap=True)
        err.print(f"{len(error.problems)} problems", style="red", highlight=False)
        raise typer.Exit(EX_CONFIG) from None
