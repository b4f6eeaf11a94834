"""Python tools: async functions on this loop, others in a thread of their own.

The threads are daemons: one that never returns keeps neither a call nor the end of the server waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sipagent import logs
from sipagent.config import entry_points
from sipagent.config.tools import PythonToolConfig
from sipagent.tools.outcome import Outcome, error, told
from sipagent.tools.request import CallContext

log = logs.get_logger(__name__)


async def call(
    config: PythonToolConfig,
    arguments: Mapping[str, Any],
    context: CallContext,
    on_thread: Callable[[int], None],
) -> Outcome:
    """Its answer, or its exception told as a failure. Whoever calls this bounds its time.

    `on_thread` gets +1 when a thread begins and -1 when it ends, which may be long after the call.
    """
    try:
        function = entry_points.resolve(config.function)
        extra = {entry_points.CALL: context.as_dict()} if entry_points.takes_call(function) else {}
        bound = partial(function, **arguments, **extra)
        if inspect.iscoroutinefunction(function):
            returned = await bound()
        else:
            returned = await _in_thread(bound, on_thread)
        return Outcome("ok", told(returned))
    except Exception as failure:  # what a function of somebody else's may raise
        log.warning("tool_raised", function=config.function, exc_info=failure)
        return error("failed", f"the tool has failed: {failure}", repr(failure))


async def _in_thread(function: Callable[[], Any], on_thread: Callable[[int], None]) -> Any:
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, failure: BaseException | None) -> None:
        on_thread(-1)
        if result.cancelled():
            return
        if failure is not None:
            result.set_exception(failure)
        else:
            result.set_result(value)

    def work() -> None:
        value, failure = None, None
        try:
            value = function()
        except BaseException as error:  # raised again where it is waited for
            failure = error
        with contextlib.suppress(RuntimeError):  # the server is gone meanwhile
            loop.call_soon_threadsafe(settle, value, failure)

    on_thread(1)
    threading.Thread(target=work, name="tool", daemon=True).start()
    return await result
