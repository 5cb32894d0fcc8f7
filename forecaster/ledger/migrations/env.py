"""Runs the revisions on the connection that `forecaster.ledger.upgrade` gives."""

from __future__ import annotations

from alembic import context

from forecaster.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
