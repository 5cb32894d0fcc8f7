"""What adaption reads of forecasts, and the factors that it makes of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds columns to the series, and the tables of factors and of their revisions."""
    op.add_column("forecasted_series", sa.Column("factor", sa.Double))
    op.add_column("forecasted_series", sa.Column("distances", sa.LargeBinary))
    op.create_table(
        "adaption_states",
        sa.Column("model", sa.String(256), primary_key=True),
        sa.Column("version", sa.String(64), primary_key=True),
        sa.Column("series_id", sa.String(256), primary_key=True),
        sa.Column("is_stale", sa.Boolean, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("factor", sa.Double, nullable=False),
        sa.Column("num_times", sa.Integer, nullable=False),
    )
    op.create_index("adaption_states_by_stale", "adaption_states", ["is_stale"])
    op.create_table(
        "adaption_revisions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("created", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drops them."""
    for name in ("adaption_revisions", "adaption_states"):
        op.drop_table(name)
    for column in ("distances", "factor"):
        op.drop_column("forecasted_series", column)
