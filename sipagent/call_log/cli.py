"""`sipagent calls`: list, show, export and purge calls, from the database that the servers feed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from sipagent.call_log.bundle import write_bundle
from sipagent.call_log.database import Database, DatabaseDown, NoCallLog, database_url
from sipagent.call_log.purge import purge_files, purge_records
from sipagent.call_log.search import NotOneCall, Wanted, find, find_one, moment
from sipagent.call_log.story import story
from sipagent.call_log.tail import spool_id
from sipagent.config import Config
from sipagent.console import DEFAULT_CONFIG, EX_CONFIG, ConfigOption, err, out, read_or_exit
from sipagent.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="The calls that were: list, show, export, purge.")
CallArgument = Annotated[str, typer.Argument(help="The call's id, or how it begins.")]

COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "received": lambda call: str(call.get("received_at", ""))[:19].replace("T", " "),
    "call": lambda call: str(call.get("call_id", ""))[:12],
    "trunk": lambda call: call.get("trunk") or "",
    "agent": lambda call: call.get("agent") or "",
    "from": lambda call: call.get("from", ""),
    "to": lambda call: call.get("to", ""),
    "status": lambda call: call.get("call_status", ""),
    "end": lambda call: call.get("reason_code") or _outcome(call) or call.get("end_reason") or "",
    "s": lambda call: f"{call.get('duration_s') or 0:.0f}",
    "cost": lambda call: _money(call.get("cost")),
}


@app.command("list")
def list_calls(
    since: Annotated[str, typer.Option(help="2026-03-01, 2026-03-01T12:30 (UTC), or 90m, 24h, 7d ago.")] = "",
    until: Annotated[str, typer.Option(help="Likewise.")] = "",
    trunk: Annotated[str | None, typer.Option(help="Over this trunk.")] = None,
    agent: Annotated[str | None, typer.Option(help="Taken by this agent.")] = None,
    direction: Annotated[str | None, typer.Option(help="inbound or outbound.")] = None,
    from_number: Annotated[
        str | None, typer.Option("--from", help="The caller; +4420* for a prefix.")
    ] = None,
    to_number: Annotated[str | None, typer.Option("--to", help="Whom they called; likewise.")] = None,
    status: Annotated[str | None, typer.Option(help="completed, rejected, canceled, failed, ...")] = None,
    end_reason: Annotated[str | None, typer.Option("--end", help="caller_hung_up, backend_lost, ...")] = None,
    outcome: Annotated[
        str | None, typer.Option(help="Of calls placed: answered, busy, no_answer, rejected, ...")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="No more than so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Whole records, one JSON line each.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List calls, newest first."""
    now = datetime.now(UTC)
    wanted = Wanted(
        since=_moment("--since", since, now),
        until=_moment("--until", until, now),
        trunk=trunk,
        agent=agent,
        direction=direction,
        from_number=from_number,
        to_number=to_number,
        status=status,
        end_reason=end_reason,
        outcome=outcome,
        limit=limit,
    )
    with _database(read_or_exit(config)) as database:
        records = find(database, wanted)
    if as_json:
        for record in records:
            typer.echo(json.dumps(record, ensure_ascii=False))
        return
    rows = [list(COLUMNS), *([str(shown(record)) for shown in COLUMNS.values()] for record in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(map(str.ljust, row, widths)).rstrip())


@app.command()
def show(
    call_id: CallArgument,
    as_json: Annotated[bool, typer.Option("--json", help="The record as it stands.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Tell one call's whole story."""
    with _database(read_or_exit(config)) as database:
        record = find_one(database, call_id)
    typer.echo(json.dumps(record, indent=2, ensure_ascii=False) if as_json else story(record), nl=as_json)


@app.command()
def export(
    call_id: CallArgument,
    file: Annotated[Path, typer.Argument(help="The ZIP file to write.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write one call's bundle: record, timeline, SIP ladder, RTP quality, turns, transcript, recording."""
    with _database(read_or_exit(config)) as database:
        record = find_one(database, call_id)
    try:
        missing = write_bundle(record, file)
    except OSError as error:
        raise _failed(f"{file} can't be written: {error.strerror}") from None
    out.print(f"call {record['call_id']} is in {file}", highlight=False, markup=False, soft_wrap=True)
    for each in missing:
        out.print(f"without {each}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Delete what `retention` says is too old. A server does so by itself, at its start and every day."""
    settings, today = read_or_exit(config), datetime.now(UTC).date()
    done = "would be deleted" if dry_run else "deleted"
    files = dict(purge_files(settings, today, dry_run=dry_run).files)
    with _database(settings) as database:
        spool = settings.storage.spool
        named = spool_id(spool) if spool.is_dir() else ""
        purged = purge_records(settings, database, named, today, dry_run=dry_run)
    for kind, count in (files | purged.files | {"records": purged.records}).items():
        out.print(f"{kind}: {count} {done}", highlight=False)


@contextmanager
def _database(settings: Config) -> Iterator[Database]:
    """The database of calls, if it is there and has any."""
    try:
        database = Database(database_url(settings))
        database.require_calls()
        yield database
    except ConfigError as error:
        raise _failed("\n".join(error.problems), EX_CONFIG) from None
    except DatabaseDown as error:
        raise _failed(f"the database of calls can't be reached: {error}") from None
    except (NoCallLog, NotOneCall) as error:
        raise _failed(str(error.args[0])) from None


def _failed(why: str, status: int = 1) -> typer.Exit:
    err.print(why, highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(status)


def _moment(option: str, text: str, now: datetime) -> datetime | None:
    try:
        return moment(text, now) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text} is no date, and no time ago", param_hint=option) from None


def _outcome(call: Mapping[str, Any]) -> object:
    """What became of a call that was placed, unless it was answered: then its end says more."""
    return None if call.get("outcome") == "answered" else call.get("outcome")


def _money(cost: object) -> str:
    return f"{cost.get('total')} {cost.get('currency')}" if isinstance(cost, Mapping) else ""
