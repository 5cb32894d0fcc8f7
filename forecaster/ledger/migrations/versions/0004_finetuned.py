"""Models that were trained further on the data of a key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the table of fine-tuned models."""
    op.create_table(
        "finetuned",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("base", sa.String(128), nullable=False),
        sa.Column("base_version", sa.String(64), nullable=False),
        sa.Column("frequency", sa.String(32), nullable=False),
        sa.Column("max_steps", sa.Integer, nullable=False),
        sa.Column("trained_blocks", sa.Integer),
        sa.Column("version", sa.String(64)),
        sa.Column("digest", sa.String(80)),
        sa.Column("num_steps", sa.Integer),
        sa.Column("validation_loss", sa.Double),
        sa.Column("metrics", sa.Text),
        sa.Column("deleted", sa.BigInteger),
    )
    op.create_index("finetuned_by_owner", "finetuned", ["owner", "name"])
