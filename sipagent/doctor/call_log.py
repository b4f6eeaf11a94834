"""The database of calls: can it be reached?"""

from __future__ import annotations

import asyncio

from sipagent.call_log.database import Database, DatabaseDown, NoCallLog, database_url
from sipagent.config import Config
from sipagent.doctor.finding import Finding, fail, ok, warn
from sipagent.errors import ConfigError

NAME = "call log"


async def check(config: Config) -> list[Finding]:
    """One finding. A database that is away costs no call: records wait in the spool."""
    try:
        await asyncio.to_thread(Database(database_url(config)).require_calls)
    except ConfigError as error:
        return [
            fail(NAME, "; ".join(error.problems), "Correct call_log.url, or the secret that it refers to.")
        ]
    except DatabaseDown as error:
        fix = "Start it, or correct call_log.url; until then records of calls wait in the spool."
        return [warn(NAME, f"the database can't be reached: {error}", fix)]
    except NoCallLog:
        return [ok(NAME, "the server will make its tables when it starts")]
    return [ok(NAME, "the database can be reached")]
