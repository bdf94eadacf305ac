"""The page about warehouses says what the columns of the tables hold."""

from __future__ import annotations

from pathlib import Path

from esms_connectors.warehouse.contract import COLUMNS, TABLES

PAGE = Path(__file__).parent.parent / "docs" / "warehouse.md"


def table_text() -> str:
    parts = []
    for table, columns in COLUMNS.items():
        lines = [f"**`{table}`**: {TABLES[table]}", "", "| column | what it holds |", "| --- | --- |"]
        lines += [f"| `{column}` | {meaning} |" for column, meaning in columns.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def test_warehouse_page_describes_every_column() -> None:
    assert table_text() in PAGE.read_text(encoding="utf-8")
