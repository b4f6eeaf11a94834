"""`sipagent webhooks`: what waits, try it again, try a receiver."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sipagent.config import Config, WebhookConfig
from sipagent.console import DEFAULT_CONFIG, ConfigOption, err, out, read_or_exit
from sipagent.errors import ConfigError
from sipagent.webhooks.messages import of_test
from sipagent.webhooks.outbox import Outbox
from sipagent.webhooks.schedule import Answer, Verdict, judge
from sipagent.webhooks.sender import Sender

app = typer.Typer(no_args_is_help=True, help="Receivers of webhooks, and what waits for them.")


@app.command("list")
def list_endpoints(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Every receiver: how much waits for it, since when, and what it said last."""
    settings = read_or_exit(config)
    table = Table("name", "url", "state", "waiting", "since", "attempts", "last answer", box=None)
    with _outbox(settings) as outbox:
        gone = outbox.gone_urls()
        for endpoint in settings.webhooks:
            backlog = outbox.backlog(endpoint.name)
            since = (
                "" if backlog.oldest_at is None else time.strftime("%F %T", time.gmtime(backlog.oldest_at))
            )
            state = "gone (410)" if gone.get(endpoint.name) == endpoint.url else "on"
            table.add_row(
                endpoint.name,
                escape(endpoint.url),
                state,
                str(backlog.messages),
                since,
                str(backlog.attempts),
                escape(backlog.error),
            )
    out.print(table)


@app.command()
def retry(
    name: Annotated[str, typer.Argument(help="The receiver.")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Deliver what waits for a receiver now, also where it had answered 410 Gone. The server does it."""
    settings = read_or_exit(config)
    _endpoint(settings, name)
    with _outbox(settings) as outbox:
        waiting = outbox.retry(name, time.time())
    out.print(f"{name}: {waiting} messages wait, the first of each call is due now", highlight=False)


@app.command("test")
def try_out(
    name: Annotated[str, typer.Argument(help="The receiver.")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Send a `webhook.test` message from here, and show the answer. Exit 1 if it was not taken."""
    endpoint = _endpoint(read_or_exit(config), name)
    try:
        answer = asyncio.run(_send_test(endpoint))
    except ConfigError as error:
        err.print(str(error), highlight=False, markup=False)
        raise typer.Exit(1) from None
    out.print(f"{name}: {answer.detail}", highlight=False, markup=False)
    if judge(answer, 0) is not Verdict.DELIVERED:
        raise typer.Exit(1)


async def _send_test(endpoint: WebhookConfig) -> Answer:
    sender, now = Sender(endpoint), time.time()
    try:
        return await sender.send(of_test(f"msg_test_{uuid.uuid4().hex}", now), now)
    finally:
        await sender.close()


def _endpoint(config: Config, name: str) -> WebhookConfig:
    for endpoint in config.webhooks:
        if endpoint.name == name:
            return endpoint
    known = ", ".join(endpoint.name for endpoint in config.webhooks) or "none"
    raise typer.BadParameter(f"there is no webhook '{name}' (known: {known})")


@contextmanager
def _outbox(config: Config) -> Iterator[Outbox]:
    """Raises `Exit` where no server has made one yet."""
    path = config.storage.webhooks_outbox
    if not path.exists():
        err.print(f"{path} is not there: no server has run with webhooks yet", highlight=False)
        raise typer.Exit(1)
    outbox = Outbox(path)
    try:
        yield outbox
    finally:
        outbox.close()
