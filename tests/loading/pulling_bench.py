"""What the tests of loading share: places to load into, read back without our code, and `esms` as processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import duckdb
import psycopg
import pyarrow.dataset
from disturbing_gateway import DAY, NEXT
from duckdb_reading import duckdb_file
from esms_processes import Done, Esms, Process
from psycopg.rows import dict_row

from esms_connectors.emulator import Emulator
from esms_connectors.emulator.progress import Clock
from esms_connectors.warehouse import LoadSummary

KINDS = ("duckdb", "postgresql", "parquet")
MESSAGES, HISTORY, LOADS = "esms_sent_messages", "esms_status_history", "esms_loads"
SPAN = ("--from", DAY.to_date_string(), "--to", NEXT.to_date_string(), "--types", "2")

Moment = Literal["planned", "statement", "page", "merging", "merged", "finalizing"]
Load = Callable[..., LoadSummary]

Row = dict[str, Any]
Key = tuple[str, str]
# Everything of a row that the gateway says.
Facts = tuple[int, str, str, int, int, Decimal, int, str]


@dataclass(frozen=True)
class Place:
    """A warehouse. `read`: table -> its rows, by the means of the place itself; nothing for a table not made yet."""

    kind: str
    address: str
    read: Callable[[str], list[Row]]

    def messages(self) -> dict[Key, Facts]:
        """By key; fails where a key is there twice."""
        rows = self.read(MESSAGES)
        found = {(row["message_id"], row["phone"]): _facts(row) for row in rows}
        assert len(found) == len(rows)
        return found

    def loads(self) -> list[Row]:
        return sorted(self.read(LOADS), key=lambda line: (line["sms_type"], line["window_start"], line["window_end"]))

    def values(self) -> str:
        """Every value of every table as text."""
        return "\n".join(
            str(value) for table in (MESSAGES, HISTORY, LOADS) for row in self.read(table) for value in row.values()
        )


def _facts(row: Row) -> Facts:
    moment: datetime = row["sent_at"]
    return (
        row["sms_type"],
        row["campaign"],
        row["content"],
        row["send_status"],
        row["send_result"],
        row["price_vnd"],
        round(moment.timestamp() * 1000),
        row["portal_id"],
    )


def rows_at(gateway: Emulator) -> dict[Key, Facts]:
    """What the gateway has, by key."""
    with gateway.state.lock:
        return {
            (row.ReferenceId, row.Phone): (
                row.SmsType,
                row.Campaign,
                row.Content,
                row.SendStatus,
                row.SendResult,
                Decimal(str(row.SellPrice)).quantize(Decimal("0.0001")),
                int(row.SentTime[6:19]),
                str(row.SmsId),
            )
            for row in gateway.state.rows
        }


def duckdb_place(folder: Path) -> Place:
    path = folder / "warehouse" / "esms.duckdb"

    def read(table: str) -> list[Row]:
        if not path.exists():
            return []
        with duckdb_file(path) as connection:
            if not connection.execute("FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall():
                return []
            return connection.sql(f"SELECT * FROM {table}").to_arrow_table().to_pylist()

    return Place("duckdb", f"duckdb:///{path}", read)


def postgresql_place(uri: str, schema: str) -> Place:
    def read(table: str) -> list[Row]:
        with psycopg.connect(uri, row_factory=dict_row) as connection:
            found = connection.execute("SELECT to_regclass(%s) AS there", [f"{schema}.{table}"]).fetchone()
            if found is None or found["there"] is None:
                return []
            return connection.execute(f"SELECT * FROM {schema}.{table}".encode()).fetchall()

    return Place("postgresql", f"{uri}&schema={schema}&application_name={schema}", read)


def mysql_place(address: str) -> Place:
    import sqlalchemy as sa

    def read(table: str) -> list[Row]:
        engine = sa.create_engine(address)
        try:
            with engine.connect() as connection:
                if not sa.inspect(connection).has_table(table):
                    return []
                found = connection.execute(sa.text(f"SELECT * FROM {table}")).mappings().all()
        finally:
            engine.dispose()
        return [
            {name: one.replace(tzinfo=UTC) if isinstance(one, datetime) else one for name, one in row.items()}
            for row in found
        ]

    return Place("mysql", address.replace("mysql+pymysql", "mysql"), read)


def parquet_place(folder: Path) -> Place:
    root = folder / "khách hàng"

    def read(table: str) -> list[Row]:
        files = sorted((root / table).rglob("*.parquet"))
        if not files:
            return []
        by_arrow = pyarrow.dataset.dataset([str(file) for file in files]).to_table()
        # DuckDB reads the same files.
        names = ", ".join(f"'{file}'" for file in files)
        [(count,)] = duckdb.sql(f"SELECT count(*) FROM read_parquet([{names}], hive_partitioning = false)").fetchall()
        assert count == by_arrow.num_rows
        return by_arrow.to_pylist()

    return Place("parquet", str(root), read)


class Puller:
    """`esms pull` of one emulator into one place, by the time of the emulator."""

    def __init__(self, esms: Esms, base_url: str, place: Place, clock: Clock | None = None) -> None:
        self._esms = esms
        self._base_url = base_url
        self._clock = clock
        self.place = place

    def start(self, *arguments: str, span: Iterable[str] = SPAN, **job: Any) -> Process:
        if self._clock is not None:
            job.setdefault("now", self._clock.now.isoformat())
        return self._esms.start(
            self._base_url, "pull", "--json", "--into", self.place.address, *span, *arguments, **job
        )

    def __call__(self, *arguments: str, **job: Any) -> Done:
        return self.start(*arguments, **job).finish()
