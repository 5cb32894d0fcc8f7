"""Moments at which models were to be retrained, and what their triggers have seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Makes the tables of slots and of triggers."""
    op.create_table(
        "slots",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("code", sa.String(64)),
        sa.Column("exit_code", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("begun", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("run_id", sa.String(64)),
        sa.Column("version", sa.Integer),
        sa.Column("profile", sa.Text),
        sa.Column("report", sa.Text),
        sa.UniqueConstraint("model", "cause", "at", name="slots_by_moment"),
    )
    op.create_index("slots_by_state", "slots", ["model", "state", "at"])
    op.create_table(
        "trigger_states",
        sa.Column("model", sa.String(128), primary_key=True),
        sa.Column("signal", sa.String(32), primary_key=True),
        sa.Column("is_armed", sa.Boolean, nullable=False),
        sa.Column("fired", sa.BigInteger),
        sa.Column("looked", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double),
    )


def downgrade() -> None:
    """Drops them."""
    for name in ("trigger_states", "slots"):
        op.drop_table(name)
