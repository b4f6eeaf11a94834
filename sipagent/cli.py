"""The command line."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.markup import escape
from rich.table import Table
from yaml import YAMLError

from sipagent import doctor, logs
from sipagent.call.admission import rehearsal
from sipagent.call.admission.decision import Refuse
from sipagent.call_log.cli import app as calls
from sipagent.config import Config, HostPort, LoggingConfig, load
from sipagent.config import check as checked
from sipagent.console import DEFAULT_CONFIG, ConfigOption, err, out, read_or_exit
from sipagent.errors import ConfigError, SipAgentError
from sipagent.outbound.cli import app as dials
from sipagent.outbound.cli import dial
from sipagent.server import Server
from sipagent.tools.cli import app as tools
from sipagent.webhooks.cli import app as webhooks

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A SIP/RTP media server for voice models.",
)
simulate = typer.Typer(no_args_is_help=True, help="Stand-ins for the two ends: a voice model and a caller.")
app.add_typer(simulate, name="simulate")
app.add_typer(calls, name="calls")
app.add_typer(webhooks, name="webhooks")
app.add_typer(tools, name="tools")
app.add_typer(dials, name="dials")
app.command("dial")(dial)


class Over(Enum):
    """A SIP transport, as an option."""

    udp = "udp"
    tcp = "tcp"
    tls = "tls"


LOAD_HARNESS = "benchmarks.load.capacity"


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Serve calls until SIGTERM or SIGINT, then let them finish and exit."""
    settings = read_or_exit(config, checked)
    try:
        logs.configure(settings.logging)
        uvloop.run(_serve(settings, config))
    except (OSError, SipAgentError) as error:
        err.print(f"[red]sipagent can't start:[/] {escape(str(error))}", highlight=False)
        raise typer.Exit(1) from None


async def _serve(config: Config, path: Path) -> None:
    await Server(config, path).run()


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the whole configuration and report everything that is wrong with it."""
    settings = read_or_exit(config, checked)
    trunks, agents = ", ".join(sorted(settings.trunks)), ", ".join(sorted(settings.agents))
    out.print(f"{config} is good. Trunks: {trunks}. Agents: {agents}.", highlight=False, soft_wrap=True)


@app.command("route-test")
def route_test(
    to_number: Annotated[str, typer.Argument(help="The called number.")],
    source: Annotated[str, typer.Option(help="Source address of the INVITE, or the registrar's host.")],
    from_number: Annotated[str, typer.Option("--from", help="The caller's number.")] = "anonymous",
    transport: Annotated[Over, typer.Option(help="How it came.")] = Over.udp,
    codecs: Annotated[
        str, typer.Option(help="Offered codecs, comma-separated; empty: a late offer.")
    ] = "PCMU,PCMA",
    srtp: Annotated[bool, typer.Option("--srtp", help="Offered over SRTP alone.")] = False,
    at: Annotated[
        datetime | None,
        typer.Option(
            help="When it comes: 2026-12-24T18:00 by the clock here, or with +01:00; now.",
            parser=datetime.fromisoformat,
        ),
    ] = None,
    header: Annotated[list[str] | None, typer.Option(help="'Name: value' in the INVITE; repeatable.")] = None,
    used: Annotated[
        float, typer.Option("--load", min=0, max=1, help="Share of every limit that is taken: 0 to 1.")
    ] = 0.0,
    backend_down: Annotated[list[str] | None, typer.Option(help="An agent whose backend is down.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say what would become of a call, by the same decision that live calls get. Exit 1 if it's refused."""
    settings = read_or_exit(config)
    offered = tuple(codec.strip() for codec in codecs.split(",") if codec.strip()) or None
    decision = rehearsal.route_test(
        settings,
        source,
        to_number,
        from_number,
        transport.value,
        offered,
        srtp,
        rehearsal.supposed_load(settings, used, (at or datetime.now()).astimezone(), backend_down or ()),
        tuple(rehearsal.header(line) for line in header or ()),
    )
    colours = {"pass": "green", "FAIL": "red", "skip": "dim"}
    width = max(len(result.rule) for result in decision.trail)
    for verdict, result in rehearsal.verdicts(decision):
        mark = f"[{colours[verdict]}]{verdict}[/]"
        out.print(f"{mark}  {result.rule:<{width}}  {escape(result.detail)}", highlight=False, soft_wrap=True)
    for line in rehearsal.outcome(decision):
        out.print(line, highlight=False, markup=False)
    if isinstance(decision, Refuse):
        raise typer.Exit(1)


@app.command("doctor")
def examine(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Examine this machine for this configuration. Exit 1 if something must be fixed before calls work."""
    settings: Config | None = None
    try:
        settings = load(config)
    except ConfigError as error:
        err.print(f"[red]{config} can't be used, so only the machine is examined:[/]")
        err.print("\n".join(error.problems), highlight=False, markup=False)
    table = Table("check", "", "finding", "fix", box=None, pad_edge=False)
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    findings = doctor.run(settings)
    for finding in findings:
        mark = f"[{colours[finding.status]}]{finding.status}[/]"
        table.add_row(finding.name, mark, escape(finding.detail), escape(finding.fix))
    out.print(table)
    if settings is None or any(finding.status == "fail" for finding in findings):
        raise typer.Exit(1)


@app.command("capacity")
def measure_capacity(
    config: ConfigOption = DEFAULT_CONFIG,
    first: Annotated[int, typer.Option(min=1, help="How many calls are tried first.")] = 20,
    most: Annotated[int, typer.Option(min=1, help="More than this is not tried.")] = 1000,
    hold: Annotated[float, typer.Option(min=1, help="For how many seconds each number is held.")] = 15.0,
) -> None:
    """Find the number of calls at which the service level breaks here, for the doctor. Takes some minutes.

    SIPp calls a server of its own, with a simulated model, all on this machine: stop what else runs on it.
    """
    read_or_exit(config)
    if importlib.util.find_spec("benchmarks") is None:
        err.print("[red]The load harness is part of the source tree only: run this in a checkout.[/]")
        raise typer.Exit(2)
    options = ["--config", str(config), "--first", str(first), "--most", str(most), "--hold", str(hold)]
    raise typer.Exit(subprocess.call([sys.executable, "-m", LOAD_HARNESS, *options]))


@simulate.command("realtime")
def simulate_realtime(
    port: Annotated[int, typer.Option(help="TCP port on loopback.")] = 8765,
    script: Annotated[
        Path | None,
        typer.Option(help="YAML file: `turns:` (what is heard and replied), `faults:`, `speed:` and so on."),
    ] = None,
    record_dir: Annotated[Path | None, typer.Option(help="Keep what each session received here.")] = None,
) -> None:
    """A stand-in for the OpenAI Realtime server, until Ctrl-C."""
    from sipagent.simulator.realtime_options import RealtimeOptions, load_options
    from sipagent.simulator.realtime_server import serve

    logs.configure(LoggingConfig(format="console"))
    try:
        options = RealtimeOptions() if script is None else load_options(script)
    except (OSError, ValueError, YAMLError) as error:
        raise typer.BadParameter(f"{script}: {error}", param_hint="--script") from None
    options = replace(options, port=port, record_dir=record_dir, log_events=False)
    try:
        uvloop.run(serve(options, lambda url: out.print(f"Realtime server on {url}", highlight=False)))
    except KeyboardInterrupt:
        out.print("stopped")


@simulate.command("caller")
def simulate_caller(
    uri: Annotated[str, typer.Argument(help="Whom to call, such as sip:1000@127.0.0.1:5060.")],
    say: Annotated[
        list[str] | None,
        typer.Option(
            help="WAV file or text to say when the agent has finished; repeat it for more. "
            "With a ! before it: said 1.5 s into the agent's speech."
        ),
    ] = None,
    record: Annotated[Path, typer.Option(help="Stereo WAV of the call: caller left, agent right.")] = Path(
        "heard.wav"
    ),
    listen: Annotated[str, typer.Option(help="Address and port of the caller's SIP.")] = "127.0.0.1:5099",
    transport: Annotated[Over, typer.Option(help="How to call.")] = Over.udp,
    speaks_first: Annotated[bool, typer.Option(help="Don't wait for the agent.")] = False,
    codec: Annotated[str, typer.Option(help="Codecs offered, comma-separated.")] = "PCMU,PCMA",
) -> None:
    """Place a call, speak, listen, interrupt, record, hang up."""
    from sipagent.simulator.caller import CallerOptions, place_call, utterance

    logs.configure(LoggingConfig(level="warning", format="console"))
    options = CallerOptions(
        uri=uri,
        listen=HostPort.parse(listen),
        utterances=[utterance(text) for text in say or ["Hello, what can you do for me?"]],
        codecs=tuple(codec.split(",")),
        speaks_first=speaks_first,
    )
    try:
        outcome = uvloop.run(place_call(options, transport.value))
    except TimeoutError:
        err.print(f"{uri} was called, but the agent was silent for {options.wait_s:g} s", highlight=False)
        raise typer.Exit(1) from None
    out.print(f"{outcome.sip_status} {outcome.reason}", highlight=False)
    if outcome.answered_at is None:
        raise typer.Exit(1)
    outcome.write_wav(record)
    out.print(
        f"{outcome.codec}, {len(outcome.heard) / 50:.1f} s heard, recorded in {record}", highlight=False
    )


@app.command()
def demo(
    directory: Annotated[Path, typer.Option(help="Where its configuration and its outcome go.")] = Path(
        "var/demo"
    ),
) -> None:
    """A whole conversation on loopback: server, simulated model and caller, with one interruption."""
    from sipagent.simulator.demo import show

    raise typer.Exit(uvloop.run(show(directory, out)))


def main() -> None:
    sys.exit(app())


if __name__ == "__main__":
    main()
