"""What calls cost, and what adds it up by month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("cost", sa.Numeric(18, 6)))
    op.add_column("calls", sa.Column("currency", sa.String(3)))
    op.create_index("calls_ended_at", "calls", ["ended_at"])


def downgrade() -> None:
    op.drop_index("calls_ended_at", "calls")
    op.drop_column("calls", "currency")
    op.drop_column("calls", "cost")
