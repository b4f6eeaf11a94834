"""`sipagent run` without garbage collector: at SIGUSR1 it logs how many objects of its calls it still has.

python counting_server.py ... CONFIG
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

import uvloop

from sipagent import config, logs
from sipagent.call.media_side import MediaSide
from sipagent.call.session import CallSession
from sipagent.call.transfer.human_leg import HumanLeg
from sipagent.server import Server
from sipagent.sip.call import SipCall

COUNTING = (sys.executable, __file__)

log = logs.get_logger(__name__)


def count() -> None:
    kept = [
        type(each).__name__
        for each in gc.get_objects()
        if isinstance(each, CallSession | MediaSide | SipCall | HumanLeg)
    ]
    log.info("objects_kept", kept=kept)


def main() -> None:
    path = Path(sys.argv[-1])
    loaded = config.load(path)
    logs.configure(loaded.logging)

    async def serve() -> None:
        server = Server(loaded, path)
        gc.disable()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, count)
        await server.run()

    uvloop.run(serve())


if __name__ == "__main__":
    main()
