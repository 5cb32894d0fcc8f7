"""The history of champions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Makes the table of promotions."""
    op.create_table(
        "promotions",
        sa.Column("model", sa.String(256), primary_key=True),
        sa.Column("generation", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("before", sa.Integer),
        sa.Column("previous", sa.Integer),
        sa.Column("digest", sa.String(128), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("run_id", sa.String(64)),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("written", sa.BigInteger),
        sa.Column("is_taken_over", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Drops it."""
    op.drop_table("promotions")
