"""`sipagent run` that places a call, or several, when it gets SIGUSR1.

    python originating_server.py '[{"to": "+15550100"}]' ... CONFIG

It stands for whoever decides that somebody is to be called. SIGUSR2 hangs up whatever calls are on, as the
API would. What is refused is logged as `originate_refused`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop

from sipagent import config, logs
from sipagent.call.directors.director import HangUp
from sipagent.call.numbering import uri_to_call
from sipagent.call.origination import Origination, Refused
from sipagent.errors import EndReason
from sipagent.server import Server

log = logs.get_logger("originating_server")
HANG_UP = HangUp(reason=EndReason.API_HUNG_UP, detail="by the test")


def that_calls(*originations: dict[str, Any]) -> tuple[str, ...]:
    """The wrapper for `running`. What isn't said is called as +15550100 over `carrier` by `receptionist`."""
    defaults = {"to": "+15550100", "trunk": "carrier", "agent": "receptionist"}
    return (sys.executable, __file__, json.dumps([defaults | each for each in originations]))


def main() -> None:
    wanted, path = json.loads(sys.argv[1]), Path(sys.argv[-1])
    loaded = config.load(path)
    logs.configure(loaded.logging)

    async def serve() -> None:
        server = Server(loaded, path)

        def originate() -> None:
            for each in wanted:
                trunk = loaded.trunks[each["trunk"]]
                headers = tuple(map(tuple, each.get("headers", ())))
                uri = uri_to_call(each["to"], trunk)
                try:
                    server.calls.originate(Origination(**{**each, "headers": headers}, to_uri=uri))
                except Refused as refused:
                    log.info("originate_refused", reason_code=refused.reason_code, detail=refused.detail)

        def hang_up() -> None:
            for session in server.calls.sessions().values():
                session.do(HANG_UP)

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, originate)
        loop.add_signal_handler(signal.SIGUSR2, hang_up)
        await server.run()

    uvloop.run(serve())


if __name__ == "__main__":
    main()
