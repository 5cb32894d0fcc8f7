"""Forecasts, the series they are of, and actuals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the first tables."""
    op.create_table(
        "forecasts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(128), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("levels", sa.Text, nullable=False),
        sa.Column("degraded", sa.String(64)),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("execution", sa.Text, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False),
    )
    op.create_index("forecasts_by_created", "forecasts", ["created"])
    op.create_table(
        "forecasted_series",
        sa.Column("forecast_id", sa.String(32), sa.ForeignKey("forecasts.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("series_id", sa.String(256), nullable=False),
        sa.Column("segment", sa.String(256), nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("times", sa.LargeBinary, nullable=False),
        sa.Column("quantiles", sa.LargeBinary, nullable=False),
        sa.Column("naive", sa.LargeBinary, nullable=False),
        sa.Column("scale", sa.Double),
        sa.Column("num_observed", sa.Integer, nullable=False),
        sa.Column("mase", sa.Double),
        sa.Column("naive_mase", sa.Double),
        sa.Column("num_within", sa.Integer),
    )
    op.create_index("forecasted_series_by_time", "forecasted_series", ["model", "series_id", "last"])
    op.create_table(
        "actuals",
        sa.Column("model", sa.String(256), primary_key=True),
        sa.Column("series_id", sa.String(256), primary_key=True),
        sa.Column("time", sa.BigInteger, primary_key=True),
        sa.Column("value", sa.Double),
        sa.Column("received", sa.BigInteger, nullable=False),
    )
    op.create_index("actuals_by_received", "actuals", ["received"])


def downgrade() -> None:
    """Drops them."""
    for name in ("actuals", "forecasted_series", "forecasts"):
        op.drop_table(name)
