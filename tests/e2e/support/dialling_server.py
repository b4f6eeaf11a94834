"""`sipagent run` with a finger on the keys: when a caller presses `#`, it answers with digits of its own.

    python dialling_server.py DIGITS ... CONFIG

It stands for whoever will ask for digits to be sent: the API, an agent's tool.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from sipagent import config, events, logs
from sipagent.call.directors.director import PressKeys
from sipagent.server import Server


def main() -> None:
    digits, path = sys.argv[1], Path(sys.argv[-1])
    loaded = config.load(path)
    logs.configure(loaded.logging)

    async def serve() -> None:
        server = Server(loaded, path)
        watch = server.calls._house.watch

        def dial(event: events.Event) -> None:
            watch(event)
            if isinstance(event, events.DigitReceived) and event.digit == "#":
                server.calls.sessions()[event.call_id].do(PressKeys(digits=digits))

        server.calls._house = replace(server.calls._house, watch=dial)
        await server.run()

    uvloop.run(serve())


if __name__ == "__main__":
    main()
