"""What a test knows of the loop that it runs on."""

from __future__ import annotations

import asyncio


async def turn() -> None:
    """Returns when the loop has done all that it was told before to do soon.

    For what is about to happen and tells nobody, and for what must not happen. Where there is something to
    wait for, wait for that.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(done.set_result, None)
    await done
