"""`sipagent tools`: what agents may call, and trying one as a call would."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from sipagent.config import AgentConfig, Config, LoggingConfig
from sipagent.config.tools import McpToolConfig
from sipagent.config.validation import near_match
from sipagent.console import DEFAULT_CONFIG, ConfigOption, out, read_or_exit
from sipagent.logs import configure
from sipagent.tools import arguments
from sipagent.tools.bench import bench_of
from sipagent.tools.outcome import Outcome
from sipagent.tools.request import CallContext
from sipagent.tools.toolbox import Toolbox

app = typer.Typer(no_args_is_help=True, help="Tools of agents: list them, try one.")


@app.command("list")
def list_tools(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Every agent's tools."""
    table = Table("agent", "tool", "kind", "description", box=None, pad_edge=False)
    for agent in read_or_exit(config).agents.values():
        for name, tool in agent.tools.items():
            table.add_row(agent.name, name, tool.kind, tool.description)
    out.print(table)


@app.command("test")
def try_tool(
    agent: Annotated[str, typer.Argument(help="Whose tool.")],
    tool: Annotated[str, typer.Argument(help="Its name.")],
    text: Annotated[str, typer.Argument(metavar="ARGUMENTS", help="As the model writes them: JSON.")] = "{}",
    call_id: Annotated[str, typer.Option(help="As which call.")] = "test",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Call a tool as a call would, for real, and print what the model is told. Exit 1 if it failed."""
    configure(LoggingConfig(level="warning", format="console"))
    settings = read_or_exit(config)
    known = settings.agents.get(agent)
    if known is None:
        raise typer.BadParameter(f"there is no agent '{agent}'{near_match(agent, settings.agents)}")
    if tool not in known.tools:
        raise typer.BadParameter(f"{agent} has no tool '{tool}'{near_match(tool, known.tools)}")
    if isinstance(known.tools[tool], McpToolConfig):
        raise typer.BadParameter(f"{tool} is called by the model's own host, not by this server")
    try:
        outcome = asyncio.run(_tried(settings, known, tool, text, call_id))
    except arguments.BadArguments as problem:
        out.print(f"invalid: {problem}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    out.print(f"{outcome.kind}: {outcome.detail}", highlight=False, markup=False, soft_wrap=True)
    out.print(outcome.output, highlight=False, markup=False, soft_wrap=True)
    if outcome.kind != "ok":
        raise typer.Exit(1)


async def _tried(settings: Config, agent: AgentConfig, name: str, text: str, call_id: str) -> Outcome:
    bench = bench_of(agent)
    tool = bench.tools[name]
    asked = arguments.read(text, tool.schema)
    if tool.breaker is None:
        return Outcome("ok", "what it does is done in a call", "the arguments are good")
    toolbox = Toolbox(settings.tools)
    try:
        return await toolbox.run(bench, tool, asked, CallContext(call_id, agent.name), "test")
    finally:
        await toolbox.close()
