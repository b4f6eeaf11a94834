"""The tools of the house: how many may run, for how long, and which are taken for down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from sipagent import logs
from sipagent.config import AgentConfig
from sipagent.config.tools import HttpToolConfig, RemoteToolConfig, ToolLimitsConfig
from sipagent.errors import ConfigError
from sipagent.tools import functions, request
from sipagent.tools.arguments import BadArguments
from sipagent.tools.bench import Bench, Tool, bench_of
from sipagent.tools.breaker import Breaker
from sipagent.tools.http import HttpTools, headers_of
from sipagent.tools.outcome import Outcome, error
from sipagent.tools.request import CallContext

log = logs.get_logger(__name__)

HEALTH_TIMEOUT_S = 5.0
TOO_MANY = "too many tools are running; try again in a moment"
#: Told when a tool is taken for down (True), and when it is back: of which agent, which tool.
OnDown = Callable[[str, str, bool], None]


class Toolbox:
    """Carries out what models call. `close` it at the end."""

    def __init__(
        self,
        limits: ToolLimitsConfig,
        on_down: OnDown | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self._on_down = on_down
        self._clock = clock
        self._free = asyncio.Semaphore(limits.max_running)
        self._threads = 0
        self._http = HttpTools(limits.max_running)
        self._benches: dict[str, Bench] = {}
        self._healing: set[asyncio.Task[None]] = set()

    def bench(self, agent: AgentConfig) -> Bench:
        """The tools of an agent as it is configured now; calls that began before keep theirs."""
        known = self._benches.get(agent.name)
        if known is not None and known.agent.tools == agent.tools:
            return known
        if known is not None and self._on_down is not None:
            for tool in known.tools.values():
                if tool.is_noted_down:
                    self._on_down(agent.name, tool.name, False)  # nothing is known of the new ones yet
        bench = self._benches[agent.name] = bench_of(agent)
        return bench

    async def run(
        self, bench: Bench, tool: Tool, arguments: Mapping[str, Any], call: CallContext, tool_call_id: str
    ) -> Outcome:
        """Carry out a tool that has a breaker. Never raises but when cancelled, within the tool's timeout."""
        assert isinstance(tool.config, RemoteToolConfig)
        assert tool.breaker is not None
        if not tool.breaker.allow(self._clock()):
            return error("unavailable", "this tool is down at the moment; go on without it")
        outcome: Outcome | None = None
        try:
            outcome = await self._bounded(tool.config, tool.name, arguments, call, tool_call_id)
            return outcome
        finally:
            self._judge(tool.breaker, outcome)
            self._note(bench, tool, "" if outcome is None else outcome.detail)

    async def close(self) -> None:
        for healing in self._healing:
            healing.cancel()
        await self._http.close()

    async def _bounded(
        self,
        config: RemoteToolConfig,
        name: str,
        arguments: Mapping[str, Any],
        call: CallContext,
        tool_call_id: str,
    ) -> Outcome:
        has_begun = False
        try:
            async with asyncio.timeout(config.timeout_ms / 1000), self._free:
                if isinstance(config, HttpToolConfig):
                    has_begun = True
                    return await self._request(config, name, arguments, call, tool_call_id)
                if self._threads >= self.limits.max_running:
                    return error("busy", TOO_MANY, "functions that timed out are still running")
                has_begun = True
                return await functions.call(config, arguments, call, self._count_thread)
        except TimeoutError:
            if not has_begun:
                return error("busy", TOO_MANY)
            words = "the tool did not answer in time; it is not known whether it has done its work"
            return error("timeout", words, f"{config.timeout_ms} ms")

    async def _request(
        self,
        config: HttpToolConfig,
        name: str,
        arguments: Mapping[str, Any],
        call: CallContext,
        tool_call_id: str,
    ) -> Outcome:
        try:
            built = request.build(config, name, arguments, call, tool_call_id, headers_of(config))
            return await self._http.call(config, built)
        except BadArguments as problem:
            return error("invalid", str(problem))
        except ConfigError as problem:
            return error("failed", "the tool is misconfigured and can't be used", str(problem))

    def _count_thread(self, more: int) -> None:
        self._threads += more

    def _judge(self, breaker: Breaker, outcome: Outcome | None) -> None:
        """What an outcome says about the tool itself."""
        if outcome is None or outcome.kind in ("busy", "invalid"):
            breaker.unsure()
        elif outcome.blames_tool:
            breaker.failed(self._clock())
        else:
            breaker.succeeded()

    def _note(self, bench: Bench, tool: Tool, detail: str) -> None:
        """Let it be known if the tool is down since now, or back."""
        assert tool.breaker is not None
        is_down = not tool.breaker.is_closed
        if is_down == tool.is_noted_down:
            return
        tool.is_noted_down = is_down
        if is_down:
            log.warning("tool_down", agent=bench.agent.name, tool=tool.name, detail=detail)
            self._heal(bench, tool)
        else:
            log.info("tool_back", agent=bench.agent.name, tool=tool.name)
        if self._on_down is not None:
            self._on_down(bench.agent.name, tool.name, is_down)
        bench.tell_watchers()

    def _heal(self, bench: Bench, tool: Tool) -> None:
        """Ask for the health of a tool that is down, if it can be asked for, until it is back."""
        if tool.health_url is not None and isinstance(tool.config, HttpToolConfig):
            healing = self._ask_for_health(bench, tool, tool.health_url, tool.config.breaker.open_s)
            task = asyncio.create_task(healing, name=f"health of {tool.name}")
            self._healing.add(task)
            task.add_done_callback(self._healing.discard)

    async def _ask_for_health(self, bench: Bench, tool: Tool, url: str, every_s: float) -> None:
        assert tool.breaker is not None
        breaker = tool.breaker
        while not breaker.is_closed:
            await asyncio.sleep(every_s)
            if await self._http.is_healthy(url, HEALTH_TIMEOUT_S):
                breaker.succeeded()
        self._note(bench, tool, url)
