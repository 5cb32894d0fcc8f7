"""Room for digests in a database that the first revision made when it still gave them 64 characters.

A digest has 71, so such a ledger in Postgres keeps no forecast. SQLite knows no lengths.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Widens the column."""
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("forecasts", "digest", type_=sa.String(128), existing_nullable=False)


def downgrade() -> None:
    """Leaves it as the first revision makes it now."""
