#!/usr/bin/env python
"""Creates the ledger's database and the role that owns it unless they are there: `create-ledger NAME`.

Host, user and password of who creates them come from libpq's variables (PGHOST ...), the role's from LEDGER_PASSWORD.
"""

from __future__ import annotations

import os
import sys

import psycopg2
from psycopg2 import sql


def create_ledger(name: str) -> None:
    """Creates role and database of that name; a role that is there gets the password, nobody else may connect."""
    connection = psycopg2.connect("")
    connection.autocommit = True
    role, password = sql.Identifier(name), sql.Literal(os.environ["LEDGER_PASSWORD"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
        cursor.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, password))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
        own = sql.Identifier(connection.info.dbname)
        for database in (role, own):
            cursor.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
    connection.close()


if __name__ == "__main__":
    create_ledger(sys.argv[1])
