"""The contestants of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Contestant:
    """
    A script in this folder.

    Attributes:
        one_by_one: whether it requests pages sequentially.
        table: its table in a database.
        files: its files in a folder.
        upserts_files: whether it can update files; dlt only appends.
        file_format: dlt's loader file format, if not the default.
        targets: the targets to load.
    """

    name: str
    script: str
    one_by_one: bool
    table: str
    files: str
    upserts_files: bool = True
    file_format: str = ""
    targets: tuple[str, ...] = ("duckdb", "postgresql", "parquet", "mariadb")


OURS = Contestant("this package", "connector.py", False, "esms_sent_messages", "esms_sent_messages/**/*.parquet")
DLT_REST = Contestant(
    "dlt rest_api", "dlt_rest_api.py", True, "bench.sent_messages", "bench/sent_messages/*.parquet", False
)
# dlt's default for DuckDB is a file of INSERT statements, which is slow and large; experienced users change it.
DLT_REST_PARQUET = replace(DLT_REST, name="dlt rest_api, Parquet", file_format="parquet", targets=("duckdb",))
DLT_ARROW = Contestant(
    "dlt + our Arrow", "dlt_arrow.py", False, "bench.sent_messages", "bench/sent_messages/*.parquet", False
)
PANDAS = Contestant(
    "requests + pandas",
    "pandas_loop.py",
    True,
    "sent_messages",
    "day.parquet",
    targets=("duckdb", "postgresql", "parquet"),
)
CONTESTANTS = (OURS, DLT_REST, DLT_REST_PARQUET, DLT_ARROW, PANDAS)
