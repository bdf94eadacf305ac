"""Upgrades ledgers of earlier versions when they are opened."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn, CreateIndex

# Data that version 2 had in separate tables. Messages outside of runs stay in `esms_contacts`.
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
    Upgrade from `version` to the present one, in one transaction, after missing tables have been created.

    Args:
        sends: the present table of rows.
    """
    inspector = sa.inspect(connection)
    present = {column["name"] for column in inspector.get_columns(sends.name)}
    for column in sends.columns:
        if column.name not in present:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(sa.text(f"ALTER TABLE {sends.name} ADD COLUMN {definition}"))
    if version == 1:
        # In version 1 a code on such a row had this meaning.
        statement = "UPDATE esms_sends SET id_refused = 1 WHERE state = 'not_sent' AND code IS NOT NULL"
        connection.execute(sa.text(statement))
    connection.execute(sa.text(_FROM_CONTACTS))
    connection.execute(sa.text(_CONTACTS_MOVED))
    if inspector.has_table("esms_charges"):
        connection.execute(sa.text(_FROM_CHARGES))
        connection.execute(sa.text("DROP TABLE esms_charges"))
    # After the rows: an existing index would slow down the update of each.
    for index in sends.indexes:
        connection.execute(CreateIndex(index, if_not_exists=True))
