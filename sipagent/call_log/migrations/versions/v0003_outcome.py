"""What became of calls that were placed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("outcome", sa.String(16)))


def downgrade() -> None:
    op.drop_column("calls", "outcome")
