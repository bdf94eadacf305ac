"""Ledgers of earlier versions are brought up to date when they are opened."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn, CreateIndex

# What version 2 had in tables of its own. Messages outside of runs stay in that of contacts.
_FROM_CONTACTS = """
UPDATE esms_sends SET message_class = given.message_class, arrives_ms = given.arrives_ms
FROM esms_contacts AS given WHERE given.request_id = esms_sends.request_id
"""
_CONTACTS_MOVED = "DELETE FROM esms_contacts WHERE request_id IN (SELECT request_id FROM esms_sends)"
_FROM_CHARGES = """
UPDATE esms_sends SET charged_vnd = given.vnd, charged_month = given.month
FROM esms_charges AS given WHERE given.request_id = esms_sends.request_id
"""


def upgrade(connection: Connection, sends: sa.Table, version: int) -> None:
    """
    From `version` to the present one, in one transaction. The tables that were missing are there already.

    Args:
        sends: the table of rows as it is now.
    """
    inspector = sa.inspect(connection)
    present = {column["name"] for column in inspector.get_columns(sends.name)}
    for column in sends.columns:
        if column.name not in present:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(sa.text(f"ALTER TABLE {sends.name} ADD COLUMN {definition}"))
    if version == 1:
        # What a code on such a row meant then.
        statement = "UPDATE esms_sends SET id_refused = 1 WHERE state = 'not_sent' AND code IS NOT NULL"
        connection.execute(sa.text(statement))
    connection.execute(sa.text(_FROM_CONTACTS))
    connection.execute(sa.text(_CONTACTS_MOVED))
    if inspector.has_table("esms_charges"):
        connection.execute(sa.text(_FROM_CHARGES))
        connection.execute(sa.text("DROP TABLE esms_charges"))
    # Behind the rows: an index that is there already costs each of them.
    for index in sends.indexes:
        connection.execute(CreateIndex(index, if_not_exists=True))
