"""`sipagent dial` and `sipagent dials`: have a running server call somebody, by its API."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.markup import escape
from rich.table import Table

from sipagent.config import load
from sipagent.console import DEFAULT_CONFIG, err, out
from sipagent.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Calls that the server was asked to place.")
TOKEN_VARIABLE = "SIPAGENT_TOKEN"
LOOK_EVERY_S = 0.25
TIMEOUT_S = 15.0
#: By outcome of the last attempt. What was not even taken is 1.
EXIT_CODES = {
    "answered": 0,
    "busy": 3,
    "no_answer": 4,
    "rejected": 5,
    "unreachable": 6,
    "invalid_number": 7,
    "failed": 8,
    "cancelled": 9,
    "machine": 10,
}
EXIT_NEVER_TRIED = 11

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The server's YAML file: where it listens.")
]
UrlOption = Annotated[str | None, typer.Option(help="The server, such as http://127.0.0.1:8080.")]
TokenFile = Annotated[Path | None, typer.Option(help=f"File with the token; else it is in {TOKEN_VARIABLE}.")]


def dial(
    number: Annotated[str, typer.Argument(help="A number, or a SIP URI of an allowed host.")],
    agent: Annotated[str, typer.Option(help="Who talks.")],
    trunk: Annotated[str | None, typer.Option(help="Over which trunk.")] = None,
    from_number: Annotated[str | None, typer.Option("--from", help="A number of ours.")] = None,
    pool: Annotated[str | None, typer.Option(help="Take one of these numbers.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose limits count.")] = None,
    campaign: Annotated[str | None, typer.Option(help="A label.")] = None,
    ring_timeout: Annotated[float | None, typer.Option(help="For how many seconds it may ring.")] = None,
    retry: Annotated[str | None, typer.Option(help="A policy of outbound.policies.")] = None,
    variable: Annotated[list[str] | None, typer.Option(help="name=value, for the agent; repeatable.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is over; exit by outcome.")] = False,
    url: UrlOption = None,
    token_file: TokenFile = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Have the running server call somebody. Exit 0 when taken; with --wait when answered.

    With --wait: 3 busy, 4 no answer, 5 rejected, 6 unreachable, 7 invalid number, 8 failed, 9 cancelled,
    10 a machine, 11 never tried. 1: not taken.
    """
    asked = {
        "to": number,
        "agent": agent,
        "trunk": trunk,
        "from": from_number,
        "pool": pool,
        "tenant": tenant,
        "campaign": campaign,
        "ring_timeout_s": ring_timeout,
        "retry": retry,
        "variables": dict(_pair(text) for text in variable or ()),
    }
    with _server(url, token_file, config) as server:
        body = {key: value for key, value in asked.items() if value is not None}
        taken = _answer(server.post("/v1/calls", json=body))
        out.print(f"{taken['dial_id']}: {taken['state']}", highlight=False)
        if wait:
            raise typer.Exit(_followed(server, taken["dial_id"]))


@app.command("list")
def list_dials(
    state: Annotated[str | None, typer.Option(help="queued, dialling, talking, waiting, ...")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of this tenant.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Of this campaign.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 50,
    url: UrlOption = None,
    token_file: TokenFile = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """The newest dials first."""
    wanted = {"state": state, "tenant": tenant, "campaign": campaign, "limit": limit}
    asked = {key: value for key, value in wanted.items() if value is not None}
    table = Table("dial", "created", "to", "agent", "state", "attempts", "outcome", "detail", box=None)
    with _server(url, token_file, config) as server:
        for one in _answer(server.get("/v1/dials", params=asked))["dials"]:
            told = ("dial_id", "created_at", "to", "agent", "state")
            row = [*(str(one[key]) for key in told), str(len(one["attempts"]))]
            table.add_row(*map(escape, [*row, one["outcome"] or "", one["detail"]]))
    out.print(table)


@app.command()
def show(
    dial_id: Annotated[str, typer.Argument(help="The dial.")],
    url: UrlOption = None,
    token_file: TokenFile = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """One dial with its attempts, as JSON."""
    with _server(url, token_file, config) as server:
        out.print_json(data=_answer(server.get(f"/v1/dials/{dial_id}")))


@app.command()
def cancel(
    dial_id: Annotated[str, typer.Argument(help="The dial.")],
    url: UrlOption = None,
    token_file: TokenFile = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Give up a dial that waits or rings."""
    with _server(url, token_file, config) as server:
        told = _answer(server.delete(f"/v1/dials/{dial_id}"))
        out.print(f"{told['dial_id']}: {told['state']}", highlight=False)


def _followed(server: httpx.Client, dial_id: str) -> int:
    """Tell what happens until the dial is over. The exit code."""
    told: list[str] = []
    with out.status("queued") as status:
        while True:
            seen = _answer(server.get(f"/v1/dials/{dial_id}"))
            lines = [line for attempt in seen["attempts"] for line in _lines(attempt)]
            for line in lines[len(told) :]:
                out.print(line, highlight=False, markup=False)
            told = lines
            if seen["ended_at"] is not None:
                break
            status.update(f"{seen['state']}, {len(seen['attempts'])} attempts")
            time.sleep(LOOK_EVERY_S)
    out.print(" ".join(filter(None, (seen["state"], seen["detail"]))), highlight=False, markup=False)
    return EXIT_CODES.get(seen["outcome"] or "", EXIT_NEVER_TRIED)


def _lines(attempt: dict[str, Any]) -> Iterator[str]:
    """What has happened in an attempt, in the order that it did."""
    number = f"attempt {attempt['number']}"
    yield f"{number}: {attempt['began_at']} dialled, call {attempt['call_id']}"
    if attempt["answered_at"] is not None:
        yield f"{number}: {attempt['answered_at']} answered"
    if attempt["ended_at"] is not None:
        why = " ".join(str(attempt[key]) for key in ("sip_status", "detail") if attempt[key])
        yield f"{number}: {attempt['ended_at']} over, {attempt['outcome']} ({why})"


@contextmanager
def _server(url: str | None, token_file: Path | None, config: Path) -> Iterator[httpx.Client]:
    """The API. Exits where there is no token, or nobody answers."""
    token = _token(token_file)
    base = url or _address(config)
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=base, headers=headers, timeout=TIMEOUT_S, trust_env=False) as client:
        try:
            yield client
        except httpx.TransportError as error:
            _give_up(f"{base} does not answer: {error}")


def _token(file: Path | None) -> str:
    try:
        token = os.environ.get(TOKEN_VARIABLE, "") if file is None else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        _give_up(f"{file} can't be read: {error}")
    return token.strip() or _give_up(f"no token: set {TOKEN_VARIABLE}, or name a --token-file")


def _address(path: Path) -> str:
    """Where the server listens. With TLS its certificate must be for this address; else --url names it."""
    try:
        http = load(path).http
    except ConfigError as error:
        _give_up("\n".join(error.problems))
    any_host = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    host = any_host.get(http.listen.host, http.listen.host)
    place = f"[{host}]:{http.listen.port}" if ":" in host else f"{host}:{http.listen.port}"
    return f"{'http' if http.tls is None else 'https'}://{place}"


def _answer(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_success:
        found: dict[str, Any] = answer.json()
        return found
    try:
        problem = answer.json()
        _give_up(f"{problem['reason_code']}: {problem['detail']}")
    except (ValueError, KeyError, TypeError):
        _give_up(f"{answer.status_code} {answer.reason_phrase}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"'{text}' must be name=value", param_hint="--variable")
    return name, value


def _give_up(why: str) -> NoReturn:
    err.print(why, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(1)
