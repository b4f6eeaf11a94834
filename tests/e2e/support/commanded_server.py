"""`sipagent run` with somebody at the desk: SIGUSR1 and SIGUSR2 are commands of the test's to all calls.

    python commanded_server.py '[["Transfer", {"target": "sales"}], ["Hold", {}]]' ... CONFIG

It stands for whoever will ask for them: the API, an agent's tool.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from sipagent import config, logs
from sipagent.call.directors import director
from sipagent.server import Server

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


def at_desk(*commands: tuple[str, dict[str, Any]]) -> tuple[str, ...]:
    """The wrapper for `running`: the first command is that of SIGUSR1."""
    return (sys.executable, __file__, json.dumps(commands))


def main() -> None:
    commands, path = json.loads(sys.argv[1]), Path(sys.argv[-1])
    loaded = config.load(path)
    logs.configure(loaded.logging)

    async def serve() -> None:
        server = Server(loaded, path)

        def obey(name: str, arguments: dict[str, Any]) -> None:
            for session in server.calls.sessions().values():
                session.do(getattr(director, name)(**arguments))

        for number, command in zip(SIGNALS, commands, strict=False):
            asyncio.get_running_loop().add_signal_handler(number, partial(obey, *command))
        await server.run()

    uvloop.run(serve())


if __name__ == "__main__":
    main()
