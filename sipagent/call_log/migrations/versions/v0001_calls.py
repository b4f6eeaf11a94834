"""The table of calls, and how far the spool has been read into it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INDEXES = {
    "calls_received_at": ["received_at"],
    "calls_trunk": ["trunk", "received_at"],
    "calls_agent": ["agent", "received_at"],
    "calls_from_number": ["from_number", "received_at"],
    "calls_to_number": ["to_number", "received_at"],
}


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String(64), primary_key=True),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("trunk", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("from_number", sa.Text, nullable=False),
        sa.Column("to_number", sa.Text, nullable=False),
        sa.Column("received_at", time, nullable=False),
        sa.Column("answered_at", time),
        sa.Column("ended_at", time),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("sip_status", sa.Integer, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.Column("end_reason", sa.Text),
        sa.Column("codec", sa.String(16)),
        sa.Column("sip_call_id", sa.Text, nullable=False),
        sa.Column("record", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    )
    for name, columns in INDEXES.items():
        op.create_index(name, "calls", columns)
    op.create_table(
        "feed_positions",
        sa.Column("spool", sa.String(64), primary_key=True),
        sa.Column("file", sa.String(64), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("feed_positions")
    op.drop_table("calls")
