"""Run by Alembic, inside the transaction that `call_log.database` has begun."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from sipagent.call_log.schema import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table="call_log_version")
context.run_migrations()
